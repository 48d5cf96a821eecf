"""Enrolments, and ending, suspending or resuming them, one or many (screens C2, C3, C4)."""
