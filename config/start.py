"""What a web or worker process does before its first piece of work."""

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import DatabaseError

from config.env import Misconfigured


def refuse_if_unsafe() -> None:
    """In production, run every room's system checks, those that ask the database included.

    Raises Misconfigured with all their sentences. A sandbox starts without: `manage.py check` shows them there.
    """
    if settings.SANDBOX:
        return
    try:
        found = [message for message in run_checks(databases=["default"]) if message.level >= ERROR]
    except DatabaseError as problem:
        raise Misconfigured(f"DATABASE_URL: the database did not answer ({type(problem).__name__})") from None
    found = [message for message in found if not message.is_silenced()]
    if found:
        lines = "\n".join(f"  {message.id}: {message.msg}" for message in found)
        raise Misconfigured(f"DEPLOYMENT=production refuses to start:\n{lines}")
