"""What the network names by codes and ids, in the words of the staff's pages; what we do not know is shown as it is."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from enrollment.models import ProgramVersion
from enrollment.states import VersionState

CONSENTS: Mapping[str, Promise] = {
    "DATA_COLLECTION": _("Collecting energy data"),
    "DATA_SHARING": _("Sharing energy data"),
    "DER_CONTROL": _("Controlling devices"),
    "TELEMETRY": _("Following devices as they run"),
    "CROSS_UTILITY_SHARING": _("Sharing between utilities"),
}


#: What is checked of an application; a condition has its own name (console.programs.wording).
CHECKS: Mapping[str, Promise] = {
    "CREDENTIAL": _("Credential that was shown"),
    "CRITERION": _("Condition"),
    "METER": _("Meter"),
    "REQUIRED_CREDENTIAL": _("Credential that is needed"),
    "CONFLICTS": _("Conflicts with other programs"),
}


def check(kind: str) -> str:
    """What was checked."""
    return str(CHECKS[kind]) if kind in CHECKS else from_code(kind)


def consent(code: str) -> str:
    """A consent's type as a thing."""
    return str(CONSENTS.get(code, code))


def programs() -> dict[str, str]:
    """What the programs are called, by their ids: as their newest published version says, else any. One query."""
    rows = ProgramVersion.objects.order_by("number").values_list("program__program_id", "name", "state")
    found: dict[str, str] = {}
    published: dict[str, str] = {}
    for program_id, name, state in rows:
        found[program_id] = name
        if state == VersionState.PUBLISHED:
            published[program_id] = name
    return {**found, **published}


def named(program_id: str, names: Mapping[str, str]) -> str:
    """A program as a choice or a line tells it: its name, and its id where two may be called the same."""
    name = names.get(program_id, "")
    return f"{name} ({program_id})" if name and name != program_id else program_id


def from_code(code: str) -> str:
    """A code or a file's name as words: `enrollment-confirmed` is "Enrolment confirmed"."""
    text = code.replace("-", " ").replace("_", " ").strip().lower().replace("enrollment", "enrolment")
    return text[:1].upper() + text[1:]
