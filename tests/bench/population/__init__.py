"""A console's database as it is after years: a million enrolments, five million journal lines, three million messages.

Rows are made as text and COPYed, hashes of the journal's chain are computed on the way. For the bench only:
`python -m tests.bench.population` fills the database of the settings, which must be migrated and hold programs.
"""
