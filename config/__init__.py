"""Wiring only: what a deployment decides, which rooms exist, and which process does what."""

from config.celery import app as celery_app

__all__ = ["celery_app"]
