"""Figures as charts and tables, from what the worker has counted."""
