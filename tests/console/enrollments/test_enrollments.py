"""Enrolments at the console: found, read with personal data masked, acted on; and many of them by two persons."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import clock
from audit.models import Event
from credentials import looks, publishing
from credentials.models import BulkAct, PublicCheck
from enrollment.models import Consent, Enrollment, EnrollmentCase, StaffAct
from identity.encryption import blind_index
from identity.models import StaffMember, Subject, SubjectUtilityLink
from identity.staff import Role
from tests.agencies import an_agency
from tests.enrollment.conftest import bare_world, nothing_remembered, running_utility, utility, world  # noqa: F401
from tests.enrollment.test_bulk_ending import always, enrolled, room_for_news, work_off  # noqa: F401
from tests.enrollment.world import World, the_enrollment
from tests.factories import FLEX, UTILITY_A, a_program
from tests.staff import Desk, desk

ACCOUNT = "CUST-12345678"


@pytest.fixture
def one(world: World) -> Enrollment:  # noqa: F811
    """An enrolment of somebody whom we know by name and account."""
    world.now = clock.now()
    world.enrolled()
    found = the_enrollment()
    Subject.objects.filter(pk=found.subject_id).update(name="Rajesh Kumar", phone="9876543210")
    SubjectUtilityLink.objects.create(
        subject=found.subject,
        utility_id=UTILITY_A,
        utility_customer_id=ACCOUNT,
        customer_index=blind_index(ACCOUNT, purpose="utility_customer_id"),
        linked_at=clock.now(),
    )
    return found


def page(browser: Desk, name: str, *args: Any, query: str = "", status: int = 200) -> str:
    answer = browser.get(reverse(f"admin:{name}", args=args) + query)
    assert answer.status_code == status, answer
    return text_of(answer)


def text_of(answer: Any) -> str:
    html = re.sub(r"<(script|style).*?</\1>", "", answer.content.decode(), flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def post(browser: Desk, name: str, *args: Any, query: str = "", **form: Any) -> Any:
    return browser.post(reverse(f"admin:{name}", args=args) + query, form)


# --- finding ---------------------------------------------------------------------------------------------------------


def test_an_exact_name_of_any_kind_leads_to_the_enrolment(one: Enrollment) -> None:
    browser = desk(Role.VIEWER)
    consent = Consent.objects.get()
    for name in (
        one.order_number,
        one.enrollment_id,
        "order-1",
        one.credential.url,
        consent.credential.url,
        "umid-001",
    ):
        answer = browser.get(reverse("admin:enrollments"), {"q": f" {name} "})
        assert answer.headers.get("Location") == reverse("admin:enrollment", args=[one.pk]), name
    assert "no enrolment of that name" in page(browser, "enrollments", query="?q=ENR-0000")


def test_the_list_is_narrowed_and_shows_accounts_masked(one: Enrollment) -> None:
    browser = desk(Role.VIEWER)
    EnrollmentCase.objects.update(agency_id="ea-001", channel="EA")
    today = clock.now().date().isoformat()
    for query in (
        "",
        "?state=ACTIVE",
        f"?program={FLEX}",
        "?channel=EA",
        f"?enrolled_from={today}&enrolled_until={today}",
    ):
        found = page(browser, "enrollments", query=query)
        assert one.order_number in found and "…5678" in found and ACCOUNT not in found, query
    for query in ("?state=SUSPENDED", "?channel=SDK", "?enrolled_until=2020-01-01"):
        assert one.order_number not in page(browser, "enrollments", query=query), query
    assert "before the first one" in page(
        browser, "enrollments", query="?enrolled_from=2026-02-02&enrolled_until=2026-02-01"
    )


def test_an_account_number_is_looked_for_with_a_reason_and_a_line(one: Enrollment) -> None:
    browser, url = desk(Role.CASE_WORKER), reverse("admin:enrollments")
    found = browser.post(url, {"account": "cust-12345678", "reason": "CUSTOMER_ASKED"})
    assert one.order_number in text_of(found)
    line = Event.objects.get(action="pii.read")
    assert line.subject == str(one.subject_id) and line.details == {"fields": ["account"], "reason": "CUSTOMER_ASKED"}
    assert browser.post(url, {"account": ACCOUNT}).status_code == 400
    assert desk(Role.VIEWER).post(url, {"account": ACCOUNT, "reason": "CUSTOMER_ASKED"}).status_code == 403
    assert Event.objects.filter(action="pii.read").count() == 1


def test_a_list_of_many_asks_the_database_no_more_than_one_of_few(world: World) -> None:  # noqa: F811
    enrolled(world, 1)
    browser, counts = desk(Role.CASE_WORKER), []
    for number in (1, 8):
        if number > 1:
            copy_lines(number)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert page(browser, "enrollments", query=f"?program={FLEX}").count("ENR-") >= number
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 12, counts


def copy_lines(count: int) -> None:
    """So many more of the only enrolment, with credentials of their own."""
    row = Enrollment.objects.get()
    for number in range(1, count):
        case, credential = EnrollmentCase.objects.get(pk=row.case_id), row.credential
        case.pk, case.order_id = None, f"copy-{number}"
        case.save()
        credential.url = f"{credential.url}-{number}"
        credential.pk = uuid4()
        credential._state.adding = True
        credential.status_index = (credential.status_index + 1) % 131_072
        credential.save()
        Enrollment.objects.create(
            **{
                **{f.attname: getattr(row, f.attname) for f in Enrollment._meta.concrete_fields if f.name != "id"},
                "case_id": case.pk,
                "credential_id": credential.pk,
                "enrollment_id": f"copy-{number}",
                "order_number": f"ENR-COPY-{number}",
            }
        )


# --- reading ---------------------------------------------------------------------------------------------------------


def test_the_page_tells_everything_and_names_nobody(one: Enrollment) -> None:
    found = page(desk(Role.VIEWER), "enrollment", one.pk)
    for word in (
        one.order_number,
        "Active",
        "Flex",
        "umid-001",
        "Enrolled",
        "You are enrolled in Demand Flexibility Program",  # the letter, by the subject that customers read
        "index",
        "R…",
        "…3210",
    ):
        assert word in found, word
    for secret in ("Rajesh", "9876543210", ACCOUNT, one.subject.did or "-"):
        assert secret not in found, secret
    assert "your roles do not include" in found and "Suspend" not in found


def test_personal_data_is_shown_on_the_page_itself_once_and_the_journal_knows(one: Enrollment) -> None:
    browser, url = desk(Role.CASE_WORKER), reverse("admin:enrollment", args=[one.pk])
    missing = browser.post(url, {"show-personal-data": "yes"})
    assert missing.status_code == 400 and "Choose why" in text_of(missing) and "Rajesh" not in text_of(missing)
    shown = browser.post(url, {"show-personal-data": "yes", "reason": "COMPLAINT"})
    assert shown.status_code == 200 and "Rajesh Kumar" in text_of(shown) and ACCOUNT in text_of(shown)
    assert "no-store" in shown.headers["Cache-Control"]
    line = Event.objects.get(action="pii.read")
    assert (line.object_id, line.details["reason"]) == (one.enrollment_id, "COMPLAINT")
    assert "Rajesh" not in page(browser, "enrollment", one.pk)


# --- acting on one ---------------------------------------------------------------------------------------------------


def test_an_end_states_its_consequences_and_is_done_only_with_reason_and_reference(one: Enrollment) -> None:
    browser = desk(Role.CASE_WORKER)
    said = page(browser, "enrollment-end", one.pk)
    for word in ("cannot be undone", "DATA_COLLECTION", "on_update", "written to", str(one.credential.status_index)):
        assert word in said, word
    for form, why in (
        ({}, "Choose why"),
        ({"reason": "MISUSE", "when": "now", "reference": "ENR-1"}, "not the reference"),
        ({"reason": "MISUSE", "when": "later", "reference": one.order_number}, "at which moment"),
        ({"reason": "MISUSE", "when": "later", "at": "2020-01-01T00:00", "reference": one.order_number}, "is over"),
    ):
        answer = post(browser, "enrollment-end", one.pk, **form)
        assert answer.status_code == 400 and why in text_of(answer), (form, text_of(answer))
    assert the_enrollment().state == "ACTIVE"

    done = post(
        browser, "enrollment-end", one.pk, reason="MISUSE", when="now", note="Rang.", reference=one.order_number
    )
    act = StaffAct.objects.get()
    assert done.headers["Location"] == reverse("admin:staff-act", args=[act.pk])
    assert the_enrollment().state == "CANCELLED" and act.by == str(browser.member.user_id)
    result = page(browser, "staff-act", act.pk)
    assert "being published" in result and "cannot be undone" in result and "Rang." in result
    assert "not for you to read" in page(desk(Role.VIEWER), "staff-act", act.pk)
    told = browser.get(reverse("admin:staff-act", args=[act.pk]), {"progress": "1"}).json()
    assert told["waiting"] and told["done"] == 0
    late = post(browser, "enrollment-end", one.pk, reason="MISUSE", when="now", reference=one.order_number)
    assert late.status_code == 409 and "Nothing was changed" in text_of(late) and StaffAct.objects.count() == 1


def test_a_suspension_is_undone_from_its_own_result(one: Enrollment) -> None:
    browser = desk(Role.CASE_WORKER)
    post(browser, "enrollment-suspend", one.pk, reason="UNDER_REVIEW", reference=one.order_number)
    act = StaffAct.objects.get()
    assert "Resume the enrolment" in page(browser, "staff-act", act.pk)
    assert "It is being looked into" in page(browser, "enrollment-resume", one.pk)
    post(browser, "enrollment-resume", one.pk, reason="CLEARED_UP", reference=one.order_number)
    assert the_enrollment().state == "ACTIVE"


def test_a_consent_is_revoked_and_the_page_says_before_what_the_program_does_then(
    bare_world: World,  # noqa: F811
) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled()
    one, browser, consent = the_enrollment(), desk(Role.CASE_WORKER), Consent.objects.get()
    assert "suspended until the customer gives it again" in page(browser, "consent-revoke", one.pk, consent.pk)
    post(browser, "consent-revoke", one.pk, consent.pk, reason="USER_REQUESTED", reference=one.order_number)
    assert the_enrollment().state == "SUSPENDED"
    found = page(browser, "enrollment", one.pk)
    assert "Not possible now: Resume" in found and "goes on by itself" in found
    assert page(browser, "consent-revoke", one.pk, 0, status=404)


@pytest.mark.parametrize("role", [Role.VIEWER, Role.APPROVER, Role.AUDITOR, Role.SECURITY_OFFICER, Role.PROGRAM_EDITOR])
def test_only_a_case_worker_acts_on_one(one: Enrollment, role: Role) -> None:
    browser = desk(role)
    for name in ("enrollment-end", "enrollment-suspend"):
        assert page(browser, name, one.pk, status=403)
        assert post(browser, name, one.pk, reason="MISUSE", when="now", reference=one.order_number).status_code == 403
    assert the_enrollment().state == "ACTIVE"


# --- acting on many --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "reason"), [("END", "PROGRAM_ENDED"), ("PAUSE", "SAFETY")])
def test_many_are_asked_for_whatever_they_were_filtered_by(one: Enrollment, kind: str, reason: str) -> None:
    EnrollmentCase.objects.filter(pk=one.case_id).update(channel="EA", agency_id=an_agency().agency_id)
    day = one.enrolled_at.date()
    filters = [f"program={FLEX}", "channel=EA", f"agency={an_agency().agency_id}", "state=ACTIVE"]
    filters += [f"enrolled_from={day}", f"enrolled_until={day}", "&".join(filters)]
    asker, approver = desk(Role.CASE_WORKER), desk(Role.APPROVER)
    for each in filters:
        query = f"?kind={kind}&{each}"
        assert one.order_number in page(asker, "enrollments", query=f"?{each}"), each
        assert "1" in page(asker, "bulk-ask", query=query), each
        post(asker, "bulk-ask", query=query, reason=reason, count="1", shown="1")
        act = BulkAct.objects.latest("asked_at")
        assert "the set is as it was" in page(approver, "bulk-act-approve", act.pk), each
        post(approver, "bulk-act-refuse", act.pk, note="Not these.")


def test_many_are_ended_by_two_people_and_the_result_names_lists_and_places(one: Enrollment) -> None:
    asker, approver, query = desk(Role.CASE_WORKER), desk(Role.APPROVER), f"?kind=END&program={FLEX}"
    assert "End all of these" in page(asker, "enrollments", query=f"?program={FLEX}")
    assert "cannot be undone" in page(asker, "bulk-ask", query=query)
    wrong = post(asker, "bulk-ask", query=query, reason="PROGRAM_ENDED", count="7", shown="1")
    assert wrong.status_code == 400 and "not the number" in text_of(wrong)
    post(asker, "bulk-ask", query=query, reason="PROGRAM_ENDED", count="1", shown="1", note="Board of 3 May.")
    act = BulkAct.objects.get()
    assert act.asked_by == str(asker.member.pk) and act.due_at is None

    assert "Another person has to approve" in page(asker, "bulk-act", act.pk)
    assert page(asker, "bulk-act-approve", act.pk, status=403)
    assert "waits for a second person" in page(approver, "bulk-acts")
    seen = page(approver, "bulk-act-approve", act.pk)
    assert act.digest in seen and "the set is as it was" in seen and one.order_number in seen
    refused = post(approver, "bulk-act-approve", act.pk, digest="0" * 64, count="1")
    assert refused.status_code == 409 and "not the set" in text_of(refused)
    post(approver, "bulk-act-approve", act.pk, digest=act.digest, count="1")
    work_off(clock.now())
    assert the_enrollment().state == "CANCELLED" and BulkAct.objects.get(kind="END").approved_by == str(
        approver.member.pk
    )
    result = page(asker, "bulk-act", act.pk)
    assert "1 of 1 looked at, 1 changed" in result and "ENROLLMENT 1" in result and "Board of 3 May." in result
    assert page(asker, "bulk-act-take-back", act.pk, status=302) is not None


def test_what_somebody_asked_for_who_was_switched_off_since_is_approved_by_nobody(one: Enrollment) -> None:
    asker, approver = desk(Role.CASE_WORKER), desk(Role.APPROVER)
    post(asker, "bulk-ask", query=f"?kind=END&program={FLEX}", reason="MISUSE", count="1", shown="1")
    act = BulkAct.objects.get()
    StaffMember.objects.filter(pk=asker.member.pk).update(switched_off_at=clock.now())
    answer = post(approver, "bulk-act-approve", act.pk, digest=act.digest, count="1")
    assert answer.status_code == 409 and "does not work here any more" in answer.content.decode()
    assert BulkAct.objects.get().approved_at is None
    post(approver, "bulk-act-refuse", act.pk, reason="WRONG_ACT")
    assert BulkAct.objects.get().refused_at is not None


def test_whoever_may_ask_and_approve_still_needs_another(one: Enrollment) -> None:
    both = desk(Role.CASE_WORKER, Role.APPROVER)
    post(both, "bulk-ask", query=f"?kind=PAUSE&program={FLEX}", reason="SAFETY", count="1", shown="1")
    act = BulkAct.objects.get()
    assert "Another person has to approve" in page(both, "bulk-act-approve", act.pk)
    answer = post(both, "bulk-act-approve", act.pk, digest=act.digest, count="1")
    assert answer.status_code == 409 and BulkAct.objects.get().approved_at is None
    post(both, "bulk-act-take-back", act.pk, reason="NOT_NEEDED")
    assert "taken back" in page(both, "bulk-act", act.pk)


def test_the_second_person_refuses_with_a_reason(one: Enrollment) -> None:
    asker, approver = desk(Role.CASE_WORKER), desk(Role.APPROVER)
    post(asker, "bulk-ask", query="?kind=PAUSE&state=ACTIVE", reason="SAFETY", count="1", shown="1")
    act = BulkAct.objects.get()
    post(approver, "bulk-act-refuse", act.pk, reason="WRONG_SET", note="Only those of June.")
    found = page(asker, "bulk-act", act.pk)
    assert "refused" in found and "not the right enrolments" in found and "Only those of June." in found
    assert the_enrollment().state == "ACTIVE"


def test_everybody_at_once_is_never_meant(one: Enrollment) -> None:
    browser = desk(Role.CASE_WORKER)
    assert "Act on all of these" not in page(browser, "enrollments")
    assert "Narrow the list first" in page(browser, "bulk-ask", query="?kind=END", status=409)
    assert page(browser, "bulk-ask", query="?kind=RESIGN&state=ACTIVE", status=404)


# --- what the world sees ---------------------------------------------------------------------------------------------


@pytest.fixture
def in_public(transactional_db: None, live_server: Any, settings: Any) -> Iterator[str]:
    """Our own public address answers over HTTP."""
    settings.PUBLIC_URL = settings.CONSOLE_URL = live_server.url
    yield live_server.url


def test_the_result_tells_of_a_fresh_fetch_of_the_public_list(in_public: str, world: World) -> None:  # noqa: F811
    world.now = clock.now()
    world.enrolled()
    publishing.publish_due(clock.now())
    browser, row = desk(Role.CASE_WORKER), the_enrollment()
    answer = post(browser, "enrollment-suspend", row.pk, reason="UNDER_REVIEW", reference=row.order_number)
    assert answer.status_code == 302, answer.content.decode()
    act, check = StaffAct.objects.get(), PublicCheck.objects.get()

    assert looks.work(clock.now()) == 0, "it is not published yet"
    publishing.publish_due(clock.now())
    assert looks.work(clock.now()) == 0, "a list that had to wait is looked at again in a second"
    PublicCheck.objects.update(due_at=clock.now())
    assert looks.work(clock.now()) == 1

    check.refresh_from_db()
    version = publishing.latest(check.status_list_id, "suspension")
    assert version is not None and (check.problem, check.due_at, check.version) == ("", None, version.version)
    found = page(browser, "staff-act", act.pk)
    assert "shows it: marked" in found and f" {version.version} " in found and "Every list was fetched" in found
    assert browser.get(reverse("admin:staff-act", args=[act.pk]), {"progress": "1"}).json()["waiting"] is False

    # What the public address shows is not what was done: the page says so, and it is tried again.
    PublicCheck.objects.update(due_at=clock.now(), is_set=False)
    type(row.credential).objects.filter(pk=row.credential_id).update(suspended_at=None)  # here, but not in public
    assert looks.work(clock.now()) == 1
    found = page(browser, "staff-act", act.pk)
    assert "does not show it yet" in found and "It does not show 1 of 1 places as they are now." in found
