"""States and kinds in words, as the pages of cases to decide say them; what has no word here is said as it is."""

from __future__ import annotations

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_APPLICATIONS: dict[str, Promise] = {
    "SUBMITTED": _("being checked"),
    "NEEDS_INPUT": _("something is wanted of the applicant"),
    "IN_REVIEW": _("waits for two persons to look at a file"),
    "READY": _("checked, may be confirmed"),
    "CONFIRMED": _("confirmed"),
    "REJECTED": _("refused, may be sent again"),
    "WITHDRAWN": _("withdrawn"),
    "EXPIRED": _("ran out"),
}
_FILES: dict[str, Promise] = {
    "UPLOADED": _("waits for its review"),
    "APPROVED": _("approved"),
    "REFUSED": _("refused"),
}
_ENROLLMENTS: dict[str, Promise] = {
    "SCHEDULED": _("confirmed, has not begun"),
    "ACTIVE": _("active"),
    "SUSPENDED": _("suspended"),
    "CANCELLED": _("ended"),
    "EXPIRED": _("reached its end"),
}
_DEVICES: dict[str, Promise] = {
    "SOLAR_PV": _("solar panels"),
    "BATTERY_STORAGE": _("battery"),
    "EV": _("electric vehicle"),
    "V2G_EV": _("electric vehicle that feeds in"),
    "EVSE": _("charging point"),
    "HEAT_PUMP": _("heat pump"),
    "WIND": _("wind turbine"),
    "SMART_LOAD": _("controllable load"),
}


def application(state: str) -> str:
    return str(_APPLICATIONS.get(state, state))


def file(state: str) -> str:
    return str(_FILES.get(state, state))


def enrollment(state: str) -> str:
    return str(_ENROLLMENTS.get(state, state))


def device(kind: str) -> str:
    return str(_DEVICES.get(kind, kind))
