"""The parts of `credentials.verification`: what is asked, how each form is read, and the checks one after the other."""
