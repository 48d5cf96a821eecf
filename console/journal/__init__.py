"""The journal: searching it, the story of one enrolment, verifying and exporting it (screen C11)."""
