"""The enrolment credential in the shape that the DEG network knows: UtilityProgramEnrollmentCredential.

It names the customer's number with the utility, which no other credential of ours does: that number is kept only
encrypted (`NewCredential.personal_claims`). Where no number is known there is nothing to write in this shape, and the
person gets the credential in our own: an enrolment does not fail over the look of its proof.
Source: spec credentials.md 1; docs/decisions/deg-profile.md.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.conf import settings

from credentials.services import NewCredential
from enrollment.commands import MeterRef
from enrollment.facts import Facts
from enrollment.models import ProgramVersion
from identity.models import Subject
from utility_systems import registry

if TYPE_CHECKING:
    from enrollment.enrolling import Checked

PROFILE = "DEG"

logger = logging.getLogger(__name__)


def is_ready() -> bool:
    """Whether this deployment has what the profile says of its issuer."""
    return bool(settings.ISSUER_NAME and settings.ISSUER_LICENSE_NUMBER)


def shaped(own: NewCredential, checked: Checked, umids: Sequence[str], subject: Subject) -> NewCredential:
    """Return the credential in the DEG shape; in ours where no customer number is known or the issuer has no licence.

    Dates are days of the utility whose customer it names (decision 55); `validUntil` is the last day.
    """
    number, utility_id = customer_number(checked.facts, checked.init.meters, umids, subject, checked.now)
    if not number or not is_ready():
        logger.warning("a credential of the DEG profile is issued in our own shape", extra={"number": bool(number)})
        return own
    return replace(
        own,
        profile=PROFILE,
        claims=_claims(checked.version, checked.now, checked.period.ends_at, registry.zone(utility_id)),
        personal_claims={"consumerNumber": number},
    )


def customer_number(
    facts: Facts, asked: Sequence[MeterRef], umids: Sequence[str], subject: Subject, now: datetime
) -> tuple[str, str]:
    """Return (number, utility) of the first meter whose utility knows the person by a number; ("", "") for none.

    A number that the applicant named counts only where the utility has it for that meter.
    """
    named = {ref.umid: ref.utility_customer_id for ref in asked}
    for umid in umids:
        meter = facts.meters.get(umid)
        if meter is None:
            continue
        holder = meter.holder(subject.did, now) if subject.did else None
        known = {each.utility_customer_id for each in meter.holders_at(now)}
        number = holder.utility_customer_id if holder else named.get(umid, "")
        if number and number in known:
            return number, meter.utility_id
    return "", ""


def _claims(version: ProgramVersion, now: datetime, ends_at: datetime | None, zone: ZoneInfo) -> dict[str, str]:
    claims = {
        "programName": version.name,
        "programCode": version.program.program_id,
        "enrollmentDate": _day(now, zone).isoformat(),
    }
    if ends_at is not None:
        claims["validUntil"] = _day(ends_at - timedelta(seconds=1), zone).isoformat()
    return claims


def _day(instant: datetime, zone: ZoneInfo) -> date:
    return instant.astimezone(zone).date()
