"""Keeping what others presented: the verdict for good, the bytes for a short while."""

from collections.abc import Sequence
from datetime import datetime

from credentials import policy
from credentials.models import PresentedCredential
from credentials.verification import Presented, Verdict


def remember(items: Sequence[Presented], verdicts: Sequence[Verdict], *, now: datetime) -> list[PresentedCredential]:
    """Keep what was checked, inside the caller's transaction; `verdicts` are those of `items`, in the same order."""
    until = now + policy.presented_retention()
    return PresentedCredential.objects.bulk_create(
        [
            PresentedCredential(
                digest=verdict.digest,
                issuer=verdict.issuer[:500],
                type=verdict.type[:100],
                verified=verdict.ok,
                reason=verdict.reason,
                status=verdict.status_entry,
                valid_until=verdict.valid_until,
                checked_at=now,
                body=item.text.encode("utf-8", "replace").decode(),
                body_until=until,
            )
            for item, verdict in zip(items, verdicts, strict=True)
        ]
    )


def forget_bodies(now: datetime) -> int:
    """Wipe the bytes whose time is over; return how many."""
    return PresentedCredential.objects.filter(body__isnull=False, body_until__lte=now).update(body=None)
