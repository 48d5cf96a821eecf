"""The Enrolment Agency Portal: enrolling with somebody, never for them behind their back (screens A1-A14)."""
