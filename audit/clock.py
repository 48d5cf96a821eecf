"""The one clock (decision 43): whoever asks for the time asks here, so that all processes can be moved together."""

from datetime import UTC, datetime, timedelta

from django.conf import settings


def now() -> datetime:
    """Return the current instant, aware and in UTC: the wall clock plus `settings.CLOCK_OFFSET` seconds."""
    return datetime.now(UTC) + timedelta(seconds=float(settings.CLOCK_OFFSET))
