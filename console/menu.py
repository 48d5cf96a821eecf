"""The console's menu: where everything is, for those who may see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from console.rights import Right, rights_of


@dataclass(frozen=True)
class Entry:
    """A page: its name, its URL name, and the right that it needs."""

    text: str | Promise
    name: str
    right: Right = Right.SEE


@dataclass(frozen=True)
class Group:
    """What belongs together."""

    text: str | Promise
    entries: tuple[Entry, ...]


MENU: tuple[Group, ...] = (
    Group(
        _("People"),
        (
            Entry(_("Enrolments"), "admin:enrollments"),
            Entry(_("Cases to decide"), "admin:cases-to-decide", Right.DECIDE),
            Entry(_("Acts on many"), "admin:bulk-acts"),
            Entry(_("Re-checks"), "admin:enrollment_recheck_changelist"),
            Entry(_("Requests about personal data"), "admin:person-requests", Right.ANSWER_PEOPLE),
            Entry(_("What customers are told"), "admin:enrollment_customernotice_changelist"),
        ),
    ),
    Group(
        _("Programs"),
        (
            Entry(_("Programs"), "admin:programs"),
            Entry(_("Consent texts"), "admin:consent-texts"),
            Entry(_("Conflict rules"), "admin:conflict-rules"),
            Entry(_("Agencies"), "admin:identity_agency_changelist"),
        ),
    ),
    Group(
        _("Credentials"),
        (
            Entry(_("Issued credentials"), "admin:credentials_issuedcredential_changelist"),
            Entry(_("Status lists"), "admin:credentials_statuslist_changelist"),
            Entry(_("Issuer keys"), "admin:credentials_issuerkey_changelist"),
        ),
    ),
    Group(
        _("Network"),
        (
            Entry(_("Messages received"), "admin:inbox"),
            Entry(_("Messages to send"), "admin:outbox"),
            Entry(_("Refused messages"), "admin:refused-messages"),
            Entry(_("Participants"), "admin:participants"),
            Entry(_("Utility systems"), "admin:utility_systems_systemhealth_changelist"),
            Entry(_("What utilities are told"), "admin:enrollment_utilitynotice_changelist"),
            Entry(_("What utilities have told us"), "admin:enrollment_utilitychange_changelist"),
        ),
    ),
    Group(
        _("Watching"),
        (
            Entry(_("Figures"), "admin:figures"),
            Entry(_("Operations"), "admin:operations"),
            Entry(_("Journal"), "admin:journal", Right.READ_AUDIT),
            Entry(_("Kept data"), "admin:retention"),
            Entry(_("Staff"), "admin:staff"),
        ),
    ),
)


def menu_of(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the groups with what whoever asks may see; a group without any is left out."""
    rights = rights_of(request)
    found: list[dict[str, Any]] = []
    for group in MENU:
        entries = [
            {"text": entry.text, "url": url, "is_here": request.path.startswith(url)}
            for entry in group.entries
            if entry.right in rights and (url := _address(entry.name))
        ]
        if entries:
            found.append({"text": group.text, "entries": entries})
    return found


def _address(name: str) -> str:
    try:
        return reverse(name)
    except NoReverseMatch:
        return ""
