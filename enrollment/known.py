"""By what names a utility may know the person of an enrolment: DIDs, also of merged subjects, and accounts."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from enrollment.change_rules import Known
from enrollment.models import Enrollment
from identity.models import Subject, SubjectUtilityLink
from utility_systems.ports import MeterFacts


def of(enrollment: Enrollment, utility_id: str) -> Known:
    """What this utility may call them. Reads their own rows only."""
    return as_(enrollment.subject, utility_id, since=enrollment.enrolled_at)


def as_(subject: Subject, utility_id: str, *, since: datetime) -> Known:
    """What this utility may call somebody whom it certainly knew at `since`."""
    living = subject.merged_into_id or subject.pk
    everyone = Subject.objects.filter(Q(pk=living) | Q(merged_into=living))
    dids = frozenset(did for did in everyone.values_list("did", flat=True) if did)
    links = SubjectUtilityLink.objects.filter(
        subject__in=everyone, utility_id=utility_id, status=SubjectUtilityLink.Status.ACTIVE
    )
    accounts = {link.utility_customer_id for link in links if link.utility_customer_id}
    # Who was proven by a code of a utility that names no DIDs is known as `utility#account` (enrollment.asking_codes).
    accounts |= {did.removeprefix(f"{utility_id}#") for did in dids if did.startswith(f"{utility_id}#")}
    return Known(dids, frozenset(accounts), since)


def account_at(meter: MeterFacts, known: Known) -> str:
    """Their account at this meter, now or before; "" where the record names none of theirs."""
    return next((h.utility_customer_id for h in meter.holders if known.is_(h) and h.utility_customer_id), "")
