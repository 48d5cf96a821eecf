"""The pages of a journey: whose they are, what two tabs may do, what is said when something is in the way."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from audit import clock
from beckn.models import Outbox
from enrollment.codes import Code
from identity.models import Subject, User
from portals.models import Application, CatalogProgram
from sandbox.generated import PORTAL
from tests.portals.consent_journeys import journey

pytestmark = pytest.mark.django_db
STEPS = ("account", "meters", "equipment", "eligibility", "dates", "check", "waiting", "enrolled", "refused", "drop")
ADDRESSES = ("portal-application", *(f"portal-{step}" for step in STEPS))
FUTURE = "2031-03-01T18:30:00Z"  # midnight in India


def ready(**more: Any) -> Application:
    """A journey that only has to be confirmed."""
    row = journey(portal=PORTAL, **more)
    row.answers = {**row.answers, "account": True, "ders": [], "starts_on": "2031-01-01"}
    row.told = {"on_select": {"message": {}}, "on_init": answer("PENDING_CONFIRM")}
    row.save()
    return row


def answer(state: str = "", code: str = "", **details: Any) -> dict[str, Any]:
    """What a provider answers to an init."""
    order: dict[str, Any] = {
        "beckn:fulfillments": [{"beckn:state": {"beckn:descriptor": {"schema:name": state}}}],
        "beckn:orderAttributes": {"requiredConsents": []},
    }
    if code:
        order["error"] = {"code": code, "message": "The provider's own words.", "details": details}
    return {"message": {"order": order}}


def browser(row: Application | None = None) -> Client:
    """The browser of whoever began the journey; of somebody else without one."""
    user = row.started_by if row else None
    if user is None:
        subject = Subject.objects.create(did=f"did:example:{uuid4().hex}")
        user = User.objects.create(username=uuid4().hex, sub=uuid4().hex, subject=subject)
    client = Client()
    client.force_login(user, backend="identity.oidc.backend.Backend")
    return client


def at(row: Application, step: str) -> str:
    return reverse(f"portal-{step}", args=[row.pk])


def again(row: Application) -> Application:
    return Application.objects.get(pk=row.pk)


def heading(response: Any) -> str:
    found = re.search(r"<h1[^>]*>(.*?)</h1>", response.content.decode(), re.DOTALL)
    return re.sub(r"\s+", " ", found[1]).strip() if found else ""


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# --- whose ------------------------------------------------------------------------------------------------------------


def test_somebody_elses_journey_is_like_one_that_is_not_there() -> None:
    row, other = ready(), browser()
    for name in ADDRESSES:
        address, nowhere = reverse(name, args=[row.pk]), reverse(name, args=[uuid4()])
        assert [other.get(each).status_code for each in (address, nowhere)] == [404, 404], name
        assert other.post(address, {"version": "0"}).status_code == 404, name


def test_who_is_not_signed_in_signs_in_and_comes_back_to_the_page() -> None:
    row = ready()
    for name in ADDRESSES:
        for response in (Client().get(reverse(name, args=[row.pk])), Client().post(reverse(name, args=[row.pk]))):
            assert response.status_code == 302 and f"/oidc/sign-in?next=/applications/{row.pk}" in response["Location"]


def test_looking_writes_nothing_and_nobody_keeps_what_was_seen() -> None:
    row, mine = ready(), None
    mine = browser(row)
    for name in ADDRESSES:
        response = mine.get(reverse(name, args=[row.pk]))
        assert response.status_code in (200, 303) and "no-store" in response["Cache-Control"], name
    assert again(row).version == row.version and not Outbox.objects.exists()


# --- two tabs, twice, back -------------------------------------------------------------------------------------------


def test_the_older_of_two_tabs_undoes_nothing_and_is_shown_how_it_stands() -> None:
    row = ready()
    mine, seen = browser(row), str(row.version)
    assert mine.post(at(row, "dates"), {"version": seen, "when": "today"}).status_code == 303
    saved = again(row).answers["starts_on"]
    late = mine.post(at(row, "dates"), {"version": seen, "when": "later", "starts_on": "2031-05-05"})
    assert (late.status_code, heading(late)) == (409, "This page is out of date")
    assert again(row).answers["starts_on"] == saved
    assert "Check your answers" in text(late)


def test_confirm_pressed_twice_is_sent_once_and_back_leads_to_the_waiting() -> None:
    row = ready()
    mine, form = browser(row), {"version": str(row.version), "declared": "yes"}
    first, second = mine.post(at(row, "check"), form), mine.post(at(row, "check"), form)
    assert [first["Location"], second["Location"]] == [at(row, "waiting")] * 2
    assert Outbox.objects.filter(action="confirm").count() == 1
    for step in ("meters", "dates", "check"):
        assert mine.get(at(row, step))["Location"] == at(row, "waiting")


def test_questions_of_an_enrolled_journey_lead_to_its_end() -> None:
    row = ready(state="ENROLLED", enrollment_id="enrollment-1", order_number="ENR-2026-000001")
    mine = browser(row)
    assert {mine.get(at(row, step))["Location"] for step in ("meters", "check", "waiting")} == {at(row, "enrolled")}
    assert "ENR-2026-000001" in text(mine.get(at(row, "enrolled")))


def test_nobody_is_shown_as_enrolled_by_asking_for_the_page() -> None:
    row = ready()
    assert browser(row).get(at(row, "enrolled"))["Location"] == at(row, "check")


def test_a_question_that_comes_later_is_not_asked_before_its_turn() -> None:
    row = ready()
    row.told.pop("on_init")
    row.answers.pop("starts_on")
    row.save()
    mine = browser(row)
    assert mine.get(at(row, "dates"))["Location"] == mine.get(at(row, "check"))["Location"] == at(row, "eligibility")
    late = mine.post(at(row, "dates"), {"version": str(row.version), "when": "today"})
    assert late.status_code == 409 and "starts_on" not in again(row).answers


# --- waiting ---------------------------------------------------------------------------------------------------------


def test_the_waiting_page_says_after_a_minute_that_we_write_and_tells_the_script_where_to_go() -> None:
    row = ready(asked_action="init", asked_at=clock.now())
    mine, json = browser(row), {"Accept": "application/json"}
    page = mine.get(at(row, "waiting"))
    assert row.order_id in text(page) and "No answer yet." in text(page)
    assert mine.get(at(row, "waiting"), headers=json).json() == {"waiting": True, "long": False}
    Application.objects.filter(pk=row.pk).update(asked_at=clock.now() - timedelta(seconds=61))
    assert "we will write to you" in text(mine.get(at(row, "waiting")))
    Application.objects.filter(pk=row.pk).update(asked_action="", asked_at=None)
    assert mine.get(at(row, "waiting"), headers=json).json()["next"] == at(row, "check")


def test_a_confirmation_that_does_not_hold_is_not_shown_as_one() -> None:
    row = ready(state="CONFIRMING", trouble="FORGED")
    assert heading(browser(row).get(at(row, "waiting"))) == "We do not show this enrolment as confirmed"


# --- answers that cannot be taken ------------------------------------------------------------------------------------


def test_a_mistake_is_named_in_the_title_and_its_line_leads_to_a_real_field() -> None:
    row = ready()
    mine, version = browser(row), str(row.version)
    cases: list[tuple[str, dict[str, str], str]] = [
        ("check", {}, "Confirm that your answers are true"),
        ("meters", {}, "Select at least one meter"),
        ("dates", {"when": "later"}, "Enter the day you want to start"),
        ("dates", {"when": "later", "starts_on": "2001-01-01"}, "The start must be today or later"),
        ("dates", {"when": "today", "ends_on": "2001-01-01"}, "The end must be after the start"),
        ("equipment", {}, "Select the equipment"),
        ("equipment", {"add": "1"}, "Enter its serial number"),
        ("equipment", {"add": "1", "type": "EV", "serial": "1", "capacity": "x"}, "as a number"),
        ("drop", {}, "Select yes if the draft should be deleted"),
    ]
    for step, form, words in cases:
        response = mine.post(at(row, step), {"version": version, **form})
        page = response.content.decode()
        assert (response.status_code, words in text(response)) == (422, True), (step, form, text(response)[-800:])
        assert re.search(r"<title>Error: ", page), step
        for link in re.findall(r'<a href="#([^"]+)"', page.partition("govuk-error-summary")[2].partition("</ul>")[0]):
            assert f'id="{link}"' in page, (step, link)


def test_a_meter_that_cannot_join_is_shown_with_its_reason_and_no_form_can_choose_it() -> None:
    row = ready()
    taken = {"meterId": "umid-002", "cell": "CONFLICT", "until": FUTURE, "meter": {"number": "9876"}}
    free = {"meterId": "umid-001", "cell": "CAN_ENROLL"}
    row.told["on_select"] = {"message": {"order": {"beckn:orderAttributes": {"eligibility": [taken, free]}}}}
    row.save()
    mine = browser(row)
    page = mine.get(at(row, "meters"))
    assert "Already in another program until 2 March 2031" in text(page)
    assert mine.post(at(row, "meters"), {"version": str(row.version), "meters": "umid-002"}).status_code == 422
    assert again(row).answers["meters"] == ["umid-001"]


def test_other_meters_make_the_provider_look_again_and_a_lost_sign_in_loses_no_answer() -> None:
    row = ready()
    row.answers["known"]["meters"].append({"umid": "umid-003"})
    row.save()
    response = browser(row).post(at(row, "meters"), {"version": str(row.version), "meters": ["umid-003"]})
    assert response["Location"].startswith("/oidc/sign-in?next=")  # there is no token in this browser
    assert again(row).answers["meters"] == ["umid-003"] and "on_init" not in again(row).told


def test_a_deleted_draft_gives_back_what_the_provider_holds() -> None:
    row = ready()
    response = browser(row).post(at(row, "drop"), {"version": str(row.version), "drop": "yes"})
    assert heading(response) == "The draft is deleted" and again(row).state == "DROPPED"
    assert Outbox.objects.filter(action="cancel").count() == 1


# --- refusals --------------------------------------------------------------------------------------------------------


def test_every_refusal_has_words_of_ours_and_a_way_on() -> None:
    row = ready()
    mine, ours = browser(row), set(Code) - {Code.EA_NOT_CERTIFIED, Code.MANDATE_REQUIRED, Code.INTERNAL}
    not_for_customers = {Code.CONSENT_NOT_FOUND, Code.UPDATE_NOT_SUPPORTED, Code.OTP_INVALID, Code.OTP_EXPIRED}
    for code in sorted(ours - not_for_customers - {Code.ORDER_NOT_FOUND, Code.NOT_POSSIBLE_NOW}):
        row.told["on_init"] = answer(code=code)
        row.save()
        page = mine.get(at(row, "eligibility"))
        assert heading(page) != "The program did not take the application", code
        assert "The provider&#x27;s own words" not in page.content.decode(), code
        assert row.order_id in text(page), code
    row.told["on_init"] = answer(code="SOMETHING_NEW")
    row.save()
    shown = mine.get(at(row, "eligibility")).content.decode()
    assert '<span lang="en">The provider&#x27;s own words.</span>' in shown


def test_a_conflict_names_the_day_the_meter_is_free_and_offers_to_start_then_or_to_leave_the_other() -> None:
    other = ready(state="ENROLLED", enrollment_id="enrollment-7")
    CatalogProgram.objects.filter(pk=other.program_id).update(
        item={"beckn:id": "p", "beckn:descriptor": {"schema:name": "Evening Peak"}}
    )
    row = ready(started_by=other.started_by)
    row.told["on_init"] = answer(
        code="ENROLLMENT_CONFLICT", conflictingEnrollmentId="enrollment-7", conflictEndDate=FUTURE
    )
    row.save()
    mine = browser(row)
    page = mine.get(at(row, "eligibility"))
    assert "is already in Evening Peak" in text(page) and "It is free from 2 March 2031" in text(page)
    assert reverse("portal-leave", args=[other.pk]) in page.content.decode()
    mine.post(at(row, "refused"), {"version": str(row.version), "later": "1"})
    assert again(row).answers["starts_on"] == "2031-03-02"


def test_a_conflict_with_somebody_elses_enrolment_names_nothing_of_it() -> None:
    theirs = ready(state="ENROLLED", enrollment_id="enrollment-8")
    Application.objects.filter(pk=theirs.pk).update(subject=Subject.objects.create(did="did:example:bina"))
    row = ready()
    row.told["on_init"] = answer(code="ENROLLMENT_CONFLICT", conflictingEnrollmentId="enrollment-8")
    row.save()
    page = browser(row).get(at(row, "eligibility"))
    assert "is already in another program." in text(page) and str(theirs.pk) not in page.content.decode()


# --- programs --------------------------------------------------------------------------------------------------------


def test_programs_are_shown_to_anybody_by_what_they_do_and_closed_ones_say_when_they_open() -> None:
    row = ready()
    item = {
        "beckn:id": "p-2",
        "beckn:descriptor": {"schema:name": "Pump Hours", "beckn:shortDesc": "Irrigate at noon."},
        "beckn:validity": {"schema:startDate": FUTURE},
        "beckn:itemAttributes": {
            "kind": "DEMAND_FLEX",
            "utilities": ["utility-example-001"],
            "enrollmentCriteria": [{"kind": "INTERVAL_METER", "parameters": {}, "text": "x"}],
            "presentation": {"texts": {"en": {"name": "Pump Hours", "example": {"text": "A farm got ₹300."}}}},
        },
    }
    made = {"bpp": row.program.bpp, "provider_id": "p-1", "fetched_at": clock.now()}
    CatalogProgram.objects.create(program_id="p-2", slug="pump", item=item, **made)
    CatalogProgram.objects.create(program_id="p-3", slug="gone", item=item, gone_at=clock.now(), **made)
    page = Client().get("/")
    assert text(page).count("Pump Hours") == 1 and "It opens on 2 March 2031" in text(page)
    assert "A farm got ₹300." in text(page) and "This is an example" in text(page)
    assert "with a smart meter" in text(page) and "Be paid for using less" in text(page)
    program = Client().get("/programs/pump")
    assert "You can join from 2 March 2031" in text(program) and "Start now" not in text(program)
    assert Client().get("/programs/gone").status_code == 404
    assert heading(browser(row).get("/programs/pump/start")) == "Pump Hours is closed"


def test_who_is_signed_in_without_a_utility_is_sent_to_it_and_nothing_begins() -> None:
    row = ready()
    before = Application.objects.count()
    mine = browser(row)  # as by a meter's number and a code
    assert heading(mine.get("/programs/program-1/start")) == "Sign in at your utility"
    assert mine.post("/programs/program-1/start", {"account": "me"}).status_code == 422
    assert Application.objects.count() == before


def test_a_meter_that_lacks_only_a_device_can_be_chosen_because_devices_are_asked_for_next() -> None:
    row = ready()
    bare = {"meterId": "umid-001", "cell": "NOT_ELIGIBLE", "reasons": [{"code": "DER_TYPE", "criterion": "DER_TYPE"}]}
    row.told["on_select"] = {"message": {"order": {"beckn:orderAttributes": {"eligibility": [bare]}}}}
    row.save()
    mine = browser(row)
    assert "Can join with the right equipment" in text(mine.get(at(row, "meters")))
    assert mine.post(at(row, "meters"), {"version": str(row.version), "meters": "umid-001"}).status_code == 303
