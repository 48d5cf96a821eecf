"""Urdu: 22 نومبر 2026، 18:05. Digits stay those on meters and bills."""

DATE_FORMAT = "j F Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j F Y، H:i"
SHORT_DATE_FORMAT = "d/m/Y"
