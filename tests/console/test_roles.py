"""The role matrix: every role at every address of the console, looking and acting, is let in exactly as its rights say.

The addresses are those of the site, so that a page that comes later is in it, or fails here for having no right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.contrib import admin
from django.urls import URLPattern, reverse

from console.rights import RIGHTS, Right
from console.staff import doors
from identity.staff import Role
from tests.agencies import an_agency
from tests.staff import Desk, break_glass, desk

pytestmark = pytest.mark.django_db

#: The ways in and out, for everybody; and what belongs to a local account alone.
OPEN = {each.name for each in doors.addresses()} | {"break-glass"}
LOCAL = {"password_change", "password_change_done"}
#: Acts that ask for themselves who may: an agency is suspended by MANAGE_AGENCIES, or by its utility's officer.
BY_THEMSELVES = {
    "identity_agency_suspend": (Right.MANAGE_AGENCIES, Right.MANAGE_AGENCIES),
    "identity_agency_resume": (Right.MANAGE_AGENCIES, Right.MANAGE_AGENCIES),
    "identity_agency_resume-member": (Right.MANAGE_AGENCIES, Right.MANAGE_AGENCIES),
}
#: Acts that would be a disaster in other hands, once more by name: the table in `console.rights` is not asked here.
HANDS = {
    "staff-invite": {Role.SECURITY_OFFICER},
    "staff-roles": {Role.SECURITY_OFFICER},
    "staff-switch-off": {Role.SECURITY_OFFICER},
    "alarms": {Role.SECURITY_OFFICER},
    "participant-suspend": {Role.SECURITY_OFFICER},
    "credentials_issuerkey_revoke": {Role.SECURITY_OFFICER},
    "credentials_issuerkey_announce": {Role.SECURITY_OFFICER},
    "credentials_statuslist_publish": {Role.SECURITY_OFFICER},
    "enrollment-end": {Role.CASE_WORKER},
    "enrollment-suspend": {Role.CASE_WORKER},
    "enrollment-resume": {Role.CASE_WORKER},
    "consent-revoke": {Role.CASE_WORKER},
    "bulk-ask": {Role.CASE_WORKER},
    "bulk-act-approve": {Role.APPROVER},
    "bulk-act-refuse": {Role.APPROVER},
    "document-to-decide": {Role.CASE_WORKER, Role.APPROVER},
    "enrollment_recheck_done": {Role.CASE_WORKER, Role.APPROVER},
    "received-message-give-up": {Role.CASE_WORKER, Role.SECURITY_OFFICER},
    "person-request-erase": {Role.CASE_WORKER},
    "program-publish": {Role.PROGRAM_EDITOR},
    "program-close": {Role.PROGRAM_EDITOR},
    "conflict-pair": {Role.PROGRAM_EDITOR},
    "journal": {Role.SECURITY_OFFICER, Role.AUDITOR},
    "journal-exports": {Role.AUDITOR},
}


def patterns() -> Iterator[URLPattern]:
    for pattern in admin.site.urls[0]:
        assert isinstance(pattern, URLPattern)
        if pattern.name not in OPEN | LOCAL | {"app_list"}:
            yield pattern


def rights_of(pattern: URLPattern) -> tuple[Right, Right] | None:
    """What looking and acting take, as the page itself says it; None for one that does not."""
    name, view = str(pattern.name), pattern.callback
    if name in ("index",):
        return Right.SEE, Right.SEE
    if name in BY_THEMSELVES:
        return BY_THEMSELVES[name]
    said: tuple[Right, Right] | None = getattr(view, "rights", None)
    page = getattr(view, "view_class", None)
    if said is None and page is not None and hasattr(page, "right"):
        said = (page.right, page.acts or page.right)
    return said


def address(pattern: URLPattern) -> str:
    """With keys of nothing: whoever may not must be refused before anything is looked for."""
    given: dict[str, Any] = {}
    for name, converter in pattern.pattern.converters.items():
        kind = type(converter).__name__.removesuffix("Converter").lower()
        given[name] = {"int": 0, "uuid": UUID(int=0)}.get(kind, "nothing")
    if pattern.name in BY_THEMSELVES:
        given["pk"] = an_agency().pk  # who may change it depends on the agency
    return reverse(f"admin:{pattern.name}", kwargs=given)


def test_every_address_of_the_console_says_which_rights_it_takes() -> None:
    assert [pattern.name for pattern in patterns() if rights_of(pattern) is None] == []
    assert len(list(patterns())) > 30


@pytest.mark.parametrize("role", [*Role, None], ids=lambda role: role.value if role else "no role")
def test_a_role_gets_in_exactly_where_its_rights_lead(role: Role | None) -> None:
    browser = desk(*([role] if role else []))
    browser.raise_request_exception = False
    theirs = RIGHTS[role] if role else frozenset()
    wrong = []
    for pattern in patterns():
        rights = rights_of(pattern)
        assert rights is not None
        looking, acting = rights
        url = address(pattern)
        allowed = {"get": {looking} <= theirs, "post": {looking, acting} <= theirs}
        if pattern.name == "index":
            allowed = {"get": True, "post": True}  # what is on it depends on the rights
        for method, is_allowed in allowed.items():
            if method == "get" and is_allowed and "<" not in str(pattern.pattern) and role is not Role.SECURITY_OFFICER:
                continue  # whole lists are shown once, to one of those who may
            status = getattr(browser, method)(url).status_code
            if (status == 403) == is_allowed or status == 500:
                wrong.append((method, pattern.name, status, "allowed" if is_allowed else "not allowed"))
    assert wrong == [], "\n".join(map(str, wrong))


def test_dangerous_acts_are_in_the_hands_that_the_issue_names() -> None:
    known = {pattern.name: rights_of(pattern) for pattern in patterns()}
    for name, hands in HANDS.items():
        rights = known[name]
        assert rights is not None
        assert {role for role in Role if set(rights) <= RIGHTS[role]} == hands, name


def test_no_role_has_all_rights_and_nobody_both_asks_for_many_and_approves() -> None:
    assert all(rights != frozenset(Right) for rights in RIGHTS.values())
    assert not [role for role, rights in RIGHTS.items() if {Right.ACT, Right.APPROVE} <= rights]
    assert not RIGHTS[Role.AUDITOR] & {Right.ACT, Right.DECIDE, Right.APPROVE, Right.MANAGE_STAFF, Right.EDIT_PROGRAMS}


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_has_not_signed_in_gets_nowhere(method: str) -> None:
    stranger = Desk()
    for pattern in patterns():
        answer = getattr(stranger, method)(address(pattern))
        assert answer.status_code == (302 if method == "get" else 403), pattern.name


def test_a_break_glass_account_changes_its_own_password_and_nobody_else_has_one_here() -> None:
    assert break_glass().get("/admin/password_change/").status_code == 200
    assert desk(Role.SECURITY_OFFICER).get("/admin/password_change/").status_code == 404
