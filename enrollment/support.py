"""Whom to ask about an order: the program owner's contact, and the agency's where one acted (wire 7)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Q

from audit import log
from audit.log import Action, Actor, Line
from enrollment.commands import Rating
from enrollment.models import EnrollmentCase, ProgramVersion
from identity.models import Agency

_KEYS = ("name", "phone", "email", "url", "hours")


def support_contact(bap_id: str, reference: str, *, is_enrollment: bool) -> dict[str, Any]:
    """`{name, phone, email, url, hours, agency?}`; the owner's general contact for an order that is not the asker's."""
    named = Q(enrollment__enrollment_id=reference) if is_enrollment else Q(order_id=reference)
    case = EnrollmentCase.objects.select_related("program_version").filter(named, bap_id=bap_id).first()
    version = case.program_version if case is not None else None
    if version is None:
        version = ProgramVersion.objects.filter(state="PUBLISHED").exclude(support={}).order_by("pk").first()
    contact = {key: str(version.support.get(key, "")) for key in _KEYS} if version is not None else {}
    agency = Agency.objects.filter(agency_id=case.agency_id).first() if case is not None and case.agency_id else None
    return {**contact, **({"agency": _contact_of(agency)} if agency else {})}


def note_ratings(bap_id: str, ratings: Sequence[Rating], *, actor: Actor, now: datetime) -> None:
    """Write ratings of the asker's own orders into the journal, in the caller's transaction; others are not heard.

    Only value, scale and category: what people write in their own words is not for the journal.
    """
    lines = []
    for rating in ratings:
        case = _case(bap_id, rating.reference)
        if case is not None:
            details = {
                "value": rating.value,
                "best": rating.best,
                "category": rating.category,
                "program": case.program_id,
            }
            subject = str(case.subject_id or "")
            lines.append(Line(Action.RATING_RECEIVED, actor, now, subject, "case", str(case.pk), details=details))
    if lines:
        log.record_all(lines)


def _case(bap_id: str, reference: str) -> EnrollmentCase | None:
    named = Q(order_id=reference) | Q(enrollment__enrollment_id=reference)
    return EnrollmentCase.objects.filter(named, bap_id=bap_id).first()


def _contact_of(agency: Agency) -> dict[str, str]:
    public = {key: str(getattr(agency, f"contact_{key}")) for key in ("phone", "email", "url", "hours")}
    return {"agencyId": agency.agency_id, "name": agency.name, **{k: v for k, v in public.items() if v}}
