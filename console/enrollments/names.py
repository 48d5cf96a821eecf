"""What acts and people are called on these pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Action, ActorKind
from credentials.models import BulkAct, BulkKind
from enrollment.by_staff import REASONS
from enrollment.many import WHY_NOT
from identity.models import StaffMember

LINES: Mapping[str, Promise] = {
    Action.CASE_SUBMITTED: _("Applied"),
    Action.CASE_READY: _("Application ready to be confirmed"),
    Action.CASE_REFUSED: _("Application refused"),
    Action.CASE_WAITING: _("Waiting for a utility"),
    Action.CASE_EXPIRED: _("Application expired"),
    Action.CASE_WITHDRAWN: _("Application withdrawn"),
    Action.CASE_FROZEN: _("Stopped by the customer: “this was not me”"),
    Action.CASE_RELEASED: _("Released by staff"),
    Action.METER_RESOLVED: _("Meters looked up at the utility"),
    Action.DER_RESOLVED: _("Devices looked up"),
    Action.PRESENTED_CHECKED: _("Presented credentials checked"),
    Action.CONFLICT_CHECKED: _("Other programs looked at"),
    Action.HOLD_PLACED: _("Place held"),
    Action.HOLD_RELEASED: _("Held place given back"),
    Action.ENROLLMENT_CONFIRMED: _("Enrolled"),
    Action.ENROLLMENT_REFUSED: _("Refused"),
    Action.ENROLLMENT_ACTIVATED: _("Started"),
    Action.ENROLLMENT_SUSPENDED: _("Suspended"),
    Action.ENROLLMENT_RESUMED: _("Resumed"),
    Action.ENROLLMENT_END_SCHEDULED: _("End planned"),
    Action.ENROLLMENT_END_WITHDRAWN: _("Planned end taken back"),
    Action.ENROLLMENT_METERS_CHANGED: _("Meters changed"),
    Action.ENROLLMENT_CANCELLED: _("Ended"),
    Action.ENROLLMENT_EXPIRED: _("Over by its date"),
    Action.CONSENT_REQUESTED: _("Consent asked for"),
    Action.CONSENT_GRANTED: _("Consent given"),
    Action.CONSENT_REVOKED: _("Consent revoked"),
    Action.CONSENT_EXPIRED: _("Consent over"),
    Action.CERTIFICATE_FAILED: _("A device's certificate stopped holding"),
    Action.CERTIFICATE_REPAIRED: _("A device's certificate holds again"),
    Action.READ_PII: _("Personal data looked at"),
}
ACTORS: Mapping[str, Promise] = {
    ActorKind.PARTICIPANT: _("portal"),
    ActorKind.AGENCY: _("agency"),
    ActorKind.PERSON: _("the customer"),
    ActorKind.STAFF: _("staff"),
    ActorKind.SYSTEM: _("by itself"),
}
KINDS: Mapping[str, Promise] = {
    BulkKind.END: _("End enrolments"),
    BulkKind.PAUSE: _("Suspend enrolments"),
    BulkKind.GO_ON: _("Resume enrolments"),
    BulkKind.REVOKE: _("Revoke credentials"),
    BulkKind.SUSPEND: _("Suspend credentials"),
    BulkKind.RESUME: _("Resume credentials"),
    BulkKind.RESIGN: _("Sign credentials again"),
}
NOTICES: Mapping[str, Promise] = {
    "WAITING": _("waiting to be sent"),
    "SENT": _("sent"),
    "NOBODY": _("nobody to send it to: no utility knows a contact"),
    "STUCK": _("not delivered"),
    "ACKNOWLEDGED": _("acknowledged"),
}


def reason(code: str) -> str:
    """A reason code in words for staff, where we have some."""
    for reasons in (*REASONS.values(), WHY_NOT):
        if code in reasons:
            return str(reasons[code])
    return str(_OTHER_REASONS.get(code, code))


_OTHER_REASONS: Mapping[str, Any] = {
    "NOT_ME": _("The customer has said that this was not them"),
    "REQUIRED_CONSENT_REVOKED": _("A consent that the program needs was withdrawn"),
    "CRITERIA_NOT_MET": _("The meter does not meet the program's conditions any more"),
    "DISCONNECTED": _("The utility has disconnected the meter"),
    "MOVED_OUT": _("The utility says that the customer has moved out"),
    "HOLDER_CHANGED": _("The utility says that the meter has another holder"),
    "NOT_REPAIRED": _("What was missing did not come in time"),
    "CHECKED": _("Looked at and approved"),
}


def of_users(keys: Iterable[str]) -> Mapping[str, str]:
    """Members of staff by the key of their account, as the journal names them."""
    numbers = {int(key) for key in keys if key.isascii() and key.isdigit()}
    rows = StaffMember.objects.filter(user__in=numbers)
    return {str(row.user_id): row.name or gettext("somebody without a name") for row in rows}


def of_people(keys: Iterable[str]) -> Mapping[str, str]:
    """Members of staff by their own ids, as acts of two persons name them."""
    rows = StaffMember.objects.filter(pk__in={key for key in keys if key})
    return {str(row.pk): row.name or gettext("somebody without a name") for row in rows}


def of_kind(act: BulkAct) -> str:
    return str(KINDS.get(act.kind, act.get_kind_display()))
