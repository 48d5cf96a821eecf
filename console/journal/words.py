"""The journal's codes in words, and where the things are that its lines speak of."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Action, ActorKind, Channel
from audit.readers import ReadLine
from console.enrollments import names

_WORDS: Mapping[str, str | Promise] = {
    Action.READ_PII: _("Personal data looked at"),
    Action.LOGIN: _("Signed in"),
    Action.LOGIN_BREAK_GLASS: _("Signed in with an emergency account"),
    Action.EXPORT: _("Journal exported"),
    Action.JOURNAL_VERIFIED: _("Journal checked"),
    Action.MESSAGE_READ: _("Content of a message looked at"),
    Action.MESSAGE_REPEATED: _("Message came again"),
    Action.CUSTOMER_LOOKED_UP: _("Customer looked up by an agency"),
    Action.CREDENTIAL_RESIGNED: _("Credential signed again"),
    Action.RULE_CHANGED: _("Conflict rule changed"),
}

ACTORS: Mapping[str, str | Promise] = {
    ActorKind.PARTICIPANT: _("participant"),
    ActorKind.AGENCY: _("agency"),
    ActorKind.PERSON: _("customer"),
    ActorKind.STAFF: _("staff"),
    ActorKind.SYSTEM: _("by itself"),
}

CHANNELS: Mapping[str, str | Promise] = {
    Channel.PORTAL: _("customer portal"),
    Channel.EA: _("enrolment agency"),
    Channel.SDK: _("app"),
    Channel.CSR: _("utility's desk"),
    Channel.BULK: _("file of many"),
    Channel.SYSTEM: _("by itself"),
    Channel.CONSOLE: _("console"),
}

OBJECTS: Mapping[str, str | Promise] = {
    "agency": _("agency"),
    "alarm": _("alarm"),
    "application": _("application"),
    "BulkAct": _("act on many"),
    "case": _("case"),
    "claims": _("holds"),
    "ConflictPair": _("conflict rule"),
    "ConsentText": _("consent text"),
    "document": _("document"),
    "enrollment": _("enrolment"),
    "field_key": _("key of stored data"),
    "import": _("imported file"),
    "inbox": _("received message"),
    "IssuedCredential": _("credential"),
    "IssuerKey": _("issuer key"),
    "journal_check": _("check of the journal"),
    "journal_export": _("export of the journal"),
    "journal_key": _("key of the journal"),
    "mandate": _("mandate"),
    "membership": _("member of an agency"),
    "message": _("message"),
    "meter": _("meter"),
    "order": _("order"),
    "outbox": _("message to send"),
    "participant": _("participant"),
    "ProgramVersion": _("version of a program"),
    "retention": _("kept data"),
    "staff": _("member of staff"),
    "StatusList": _("status list"),
    "subject": _("person"),
    "TrustEntry": _("trusted issuer"),
    "utility": _("utility"),
}

RESULTS: Mapping[str, str | Promise] = {
    "PASS": _("met"),
    "FAIL": _("not met"),
    "PENDING": _("still open"),
    "WAIVED": _("not asked for"),
}

#: How an application stands.
CASES: Mapping[str, str | Promise] = {
    "SUBMITTED": _("Being checked, or waiting for a utility"),
    "NEEDS_INPUT": _("Waiting for something from the applicant"),
    "IN_REVIEW": _("Waiting for two persons here to look at a file"),
    "READY": _("Ready, waiting for the applicant to confirm"),
    "CONFIRMED": _("Confirmed"),
    "REJECTED": _("Refused"),
    "WITHDRAWN": _("Withdrawn"),
    "EXPIRED": _("Over by its date"),
}

#: The page of an object by its id, where the console has one.
_PAGES: Mapping[str, str] = {
    "IssuedCredential": "admin:credentials_issuedcredential_change",
    "BulkAct": "admin:bulk-act",
    "ProgramVersion": "admin:program-version",
    "document": "admin:document-to-decide",
    "inbox": "admin:received-message",
    "journal_check": "admin:journal-check",
    "journal_export": "admin:journal-export",
    "outbox": "admin:sent-message",
    "staff": "admin:staff-member",
}
#: Pages that find an object by its id, and lists short enough to see it in: the address, and what asks for the id.
_LISTS: Mapping[str, tuple[str, str]] = {
    "enrollment": ("admin:enrollments", "q"),
    "IssuerKey": ("admin:credentials_issuerkey_changelist", "q"),
    "StatusList": ("admin:credentials_statuslist_changelist", ""),
    "agency": ("admin:identity_agency_changelist", "q"),
    "membership": ("admin:identity_agency_changelist", ""),
    "participant": ("admin:participants", ""),
    "ConflictPair": ("admin:conflict-rules", ""),
    "ConsentText": ("admin:consent-texts", ""),
    "alarm": ("admin:alarms", ""),
    "retention": ("admin:retention", ""),
    "utility": ("admin:utility_systems_systemhealth_changelist", ""),
}
#: What a story can be told of.
TOLD_IN_STORIES = frozenset({"case", "enrollment", "order", "document", "IssuedCredential"})


_RANDOM = re.compile(r"\b(?:[a-z]+-)?([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")


@dataclass(frozen=True)
class Shown:
    """A line as the pages show it: the codes in words, and links."""

    line: ReadLine
    what: str
    who: str
    who_link: str
    channel: str
    object: str
    object_link: str
    object_lines: str
    story: str
    details: tuple[tuple[str, str], ...]

    @property
    def object_in_short(self) -> str:
        """The object with the first eight letters of an id that nobody reads; its own page has the whole."""
        return in_short(self.object)

    @property
    def details_in_short(self) -> tuple[tuple[str, str], ...]:
        return tuple((name, in_short(value)) for name, value in self.details)

    @property
    def subject_in_short(self) -> str:
        return in_short(self.line.subject)


def in_short(text: str) -> str:
    """The text with each random id cut to its first eight letters, and without the word that our ids begin with."""
    return _RANDOM.sub(lambda found: f"{found[1]}…", text)


def shown(line: ReadLine, names: Mapping[str, str] | None = None) -> Shown:
    """Return a line in words; `names` are those of staff by the id of their account."""
    kind = str(ACTORS.get(line.actor_kind, line.actor_kind))
    name = (names or {}).get(line.actor_id, "") if line.actor_kind == ActorKind.STAFF else ""
    of = line.object_type
    return Shown(
        line=line,
        what=what(line.action),
        who=kind if line.actor_kind == ActorKind.SYSTEM else f"{kind} {name or line.actor_id}".strip(),
        who_link=journal(person=line.actor_id) if line.actor_id and line.actor_kind != ActorKind.SYSTEM else "",
        channel=str(CHANNELS.get(line.channel, line.channel)),
        object=f"{OBJECTS.get(of, of)} {line.object_id}".strip(),
        object_link=page_of(of, line.object_id),
        object_lines=journal(object_type=of, object_id=line.object_id) if of and line.object_id else "",
        story=story(line.object_id)
        if of in TOLD_IN_STORIES and of != "case"
        else story(f"case:{line.object_id}")
        if of == "case"
        else "",
        details=tuple((key.replace("_", " "), _plain(value)) for key, value in line.details.items()),
    )


def what(action: str) -> str:
    """Return what happened, as a person would write it: `consent.granted` is "Consent granted"."""
    if action in _WORDS or action in names.LINES:
        return str(_WORDS.get(action) or names.LINES[action])
    return action.replace(".", " ").replace("_", " ").replace("enrollment", "enrolment").capitalize()


def page_of(object_type: str, object_id: str) -> str:
    """Return the address of the console's page of an object, or of the list it is in; "" where there is none."""
    try:
        if object_type in _PAGES and object_id:
            return reverse(_PAGES[object_type], args=[object_id])
        if object_type in _LISTS:
            name, asks = _LISTS[object_type]
            return f"{reverse(name)}?{urlencode({asks: object_id})}" if asks and object_id else reverse(name)
    except NoReverseMatch:  # an id of another time, which no address fits
        pass
    return ""


def details_of(details: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the details of a line or a finding as they are shown."""
    return tuple((key.replace("_", " "), _plain(value)) for key, value in details.items())


def journal(**asked: str) -> str:
    """Return the address of a search."""
    return f"{reverse('admin:journal')}?{urlencode(asked)}"


def story(reference: str) -> str:
    """Return the address of the story of an enrolment."""
    return f"{reverse('admin:journal-story')}?{urlencode({'of': reference})}"


def _story(object_type: str, object_id: str) -> str:
    if object_type not in TOLD_IN_STORIES or not object_id:
        return ""
    return story(f"case:{object_id}" if object_type == "case" else object_id)


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return gettext("yes") if value else gettext("no")
    if isinstance(value, list) and not any(isinstance(each, (dict, list)) for each in value):
        return ", ".join(str(each) for each in value) or gettext("none")
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
