"""What each role of staff may see and do at the console: the one table, and the questions asked of it.

A break-glass account (a local one, `manage.py createsuperuser`) may do everything but what needs a second person: it is
nobody's own. Source: issue of the console (1, 8), screens C14.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from identity import staff
from identity.staff import Role


class Right(StrEnum):
    """One thing somebody may do; every page of the console and every act names the one it needs."""

    SEE = "SEE"  # every page of facts, personal data masked
    UNMASK = "UNMASK"  # one person's masked data, journalled each time
    SEE_MESSAGES = "SEE_MESSAGES"  # what a message says, secrets masked
    RETRY_MESSAGES = "RETRY_MESSAGES"  # try again, give up
    DECIDE = "DECIDE"  # documents, evidence, papers, re-checks, stopped orders
    ACT = "ACT"  # end, revoke, suspend, resume one; ask for many
    APPROVE = "APPROVE"  # be the second person for many
    EDIT_PROGRAMS = "EDIT_PROGRAMS"  # drafts, publishing, closing, conflict pairs, consent texts
    MANAGE_AGENCIES = "MANAGE_AGENCIES"
    MANAGE_NETWORK = "MANAGE_NETWORK"  # participants
    MANAGE_KEYS = "MANAGE_KEYS"  # keys, status lists
    MANAGE_STAFF = "MANAGE_STAFF"
    READ_AUDIT = "READ_AUDIT"
    EXPORT_AUDIT = "EXPORT_AUDIT"
    ANSWER_PEOPLE = "ANSWER_PEOPLE"  # a person's wish to have or to have erased what is kept of them


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.SEE}),
    Role.CASE_WORKER: frozenset(
        {
            Right.SEE,
            Right.UNMASK,
            Right.SEE_MESSAGES,
            Right.RETRY_MESSAGES,
            Right.DECIDE,
            Right.ACT,
            Right.ANSWER_PEOPLE,
        }
    ),
    Role.APPROVER: frozenset(
        {Right.SEE, Right.UNMASK, Right.SEE_MESSAGES, Right.DECIDE, Right.APPROVE, Right.MANAGE_AGENCIES}
    ),
    Role.PROGRAM_EDITOR: frozenset({Right.SEE, Right.EDIT_PROGRAMS}),
    Role.SECURITY_OFFICER: frozenset(
        {
            Right.SEE,
            Right.READ_AUDIT,
            Right.SEE_MESSAGES,
            Right.RETRY_MESSAGES,
            Right.MANAGE_AGENCIES,
            Right.MANAGE_NETWORK,
            Right.MANAGE_KEYS,
            Right.MANAGE_STAFF,
        }
    ),
    Role.AUDITOR: frozenset({Right.SEE, Right.UNMASK, Right.SEE_MESSAGES, Right.READ_AUDIT, Right.EXPORT_AUDIT}),
}

NAMES: Mapping[Role, Promise] = {
    Role.VIEWER: _("Viewer"),
    Role.CASE_WORKER: _("Case worker"),
    Role.APPROVER: _("Approver"),
    Role.PROGRAM_EDITOR: _("Program editor"),
    Role.SECURITY_OFFICER: _("Security officer"),
    Role.AUDITOR: _("Auditor"),
}

SENTENCES: Mapping[Role, Promise] = {
    Role.VIEWER: _("Sees programs, enrolments, messages' states and figures; personal data stays masked."),
    Role.CASE_WORKER: _(
        "Decides cases, ends, suspends and resumes single enrolments, asks for acts on many, retries messages, and may"
        " look at one person's data, which is journalled each time."
    ),
    Role.APPROVER: _("Is the second person for acts on many and for evidence, and may suspend agencies."),
    Role.PROGRAM_EDITOR: _("Writes, publishes and closes programs, consent texts and conflict rules."),
    Role.SECURITY_OFFICER: _("Manages staff, keys, status lists, participants and agencies, and reads the journal."),
    Role.AUDITOR: _("Reads and exports the journal and the story of any enrolment; changes nothing."),
}


def rights_of(request: HttpRequest) -> frozenset[Right]:
    """Return what whoever asks may do; asked of the database once a request."""
    found = staff.standing(request)
    if found.state is staff.State.BREAK_GLASS:
        return frozenset(Right)
    if found.state is not staff.State.MEMBER or found.member is None:
        return frozenset()
    return frozenset().union(*(RIGHTS[role] for role in staff.roles_of(found.member)))


def may(request: HttpRequest, right: Right) -> bool:
    return right in rights_of(request)


def need(request: HttpRequest, right: Right) -> None:
    """Raise PermissionDenied, which is answered 403, where whoever asks has not this right."""
    if not may(request, right):
        raise PermissionDenied


def person(request: HttpRequest) -> str:
    """Return the id that names this human wherever two persons are needed; "" for a break-glass account."""
    member = staff.member_of(request)
    return str(member.pk) if member is not None else ""
