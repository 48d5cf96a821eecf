"""What a deployment needs before it can issue: a key of each algorithm, and two published lists of each kind.

Idempotent and safe in any number of processes at once. Called by `manage.py bootstrap` after `migrate`, never by a GET.
"""

from datetime import datetime

from audit import clock
from credentials import keys, lists, publishing
from credentials.models import IssuerKey


def ensure(now: datetime | None = None) -> bool:
    """Make what is missing and publish it; return whether anything was missing."""
    now = now or clock.now()
    keys_before = IssuerKey.objects.count()
    keys.ensure(now=now)
    made = lists.create_missing(now=now)
    return bool(publishing.publish_stale(now)) or bool(made) or IssuerKey.objects.count() > keys_before
