"""Whom to ask about an order: the program owner's contact, and the agency's where one acted (wire 7)."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

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


def _contact_of(agency: Agency) -> dict[str, str]:
    public = {key: str(getattr(agency, f"contact_{key}")) for key in ("phone", "email", "url", "hours")}
    return {"agencyId": agency.agency_id, "name": agency.name, **{k: v for k, v in public.items() if v}}
