"""The addresses by which a customer says "this was not me": made for a notice, found by their token.

Source: issue 5 (8, 12).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.urls import reverse

from enrollment.models import CustomerNotice, NotMeLink

LASTS = timedelta(days=30)
#: Whoever comes late is told so, and whom to call, for this long; then nothing is left of the address.
REMEMBERED = timedelta(days=90)


@dataclass(frozen=True)
class Made:
    url: str
    until: datetime


def make(notice: CustomerNotice, now: datetime) -> Made:
    """A new address for this notice; its token is nowhere but in what is returned."""
    token = secrets.token_urlsafe(32)
    until = now + LASTS
    NotMeLink.objects.create(notice=notice, token_digest=digest_of(token), made_at=now, expires_at=until)
    return Made(f"{settings.PUBLIC_URL}{reverse('not-me', args=[token])}", until)


def find(token: str) -> NotMeLink | None:
    """The address's row, used or expired or not; None for one that was never made, or long ago."""
    found = NotMeLink.objects.select_related("notice__case__program_version__program")
    return found.filter(token_digest=digest_of(token)).first()


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def forget(now: datetime) -> int:
    """Delete what is long expired. Returns how many."""
    count, _ = NotMeLink.objects.filter(expires_at__lte=now - REMEMBERED).delete()
    return count
