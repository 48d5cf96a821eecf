"""What customers are written, in which language, and what "this was not me" stops."""

from __future__ import annotations

from datetime import timedelta
from string import Template
from typing import Any
from uuid import uuid4

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.test import Client

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from enrollment import freezing, lifecycle, not_me_links, notices, standing, wording
from enrollment.checks import the_notice_gateway_is_there
from enrollment.freezing import Heard
from enrollment.models import CustomerNotice, Enrollment, EnrollmentCase, NotMeLink, UtilityNotice
from enrollment.results import Confirmed, Prepared, Refused, Snapshot
from identity.models import Subject
from tests.enrollment.utility import Utility, as_configured
from tests.enrollment.world import World, live_claims, the_enrollment
from tests.factories import NOON, RAJESH, a_program, criterion

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
SUPPORT = {"name": "Flex", "phone": "+91 80 0000 0001", "hours": "Mon-Fri"}
HINDI = {"texts": {"hi": {"name": "मांग लचीलापन कार्यक्रम"}}}


@pytest.fixture
def world(bare_world: World, running_utility: Utility, settings: Any) -> World:
    """A program that says in Hindi what it is called; the utility passes notices on."""
    settings.UTILITIES = as_configured(running_utility, uuid4().hex, with_news=True)
    bare_world.version = a_program(
        criteria=[criterion("ACCOUNT_STANDING", anyOf=["GOOD"])], support=SUPPORT, presentation=HINDI
    )
    return bare_world


def prepared(world: World, **changes: Any) -> Any:
    return world.prepare(world.application(**changes))


def written(world: World, now: Any = NOON) -> list[str]:
    """Send what is due; the templates of all that the utility has passed on, oldest first."""
    notices.deliver(now)
    return [each["template"] for each in world.utility.notices]


def link_in(world: World) -> str:
    """The token of the newest notice's address."""
    return str(world.utility.notices[-1]["parameters"]["notMeUrl"].rpartition("/")[2])


# --- words -----------------------------------------------------------------------------------------------------------


def test_every_language_has_every_notice_with_the_same_words_to_fill_in() -> None:
    english = wording.book("en")
    assert set(wording.languages()) == {"en", "hi", "ur"}
    for locale in wording.languages():
        book = wording.book(locale)
        assert set(book["reasons"]) == set(english["reasons"]) and book["reviewed"] is (locale == "en")
        assert bool(book["frame"]["unread"]) is not book["reviewed"]
        for group, said in (("frame", book["frame"]), *book["notices"].items()):
            original = english["frame"] if group == "frame" else english["notices"][group]
            for part in original:
                named = set(Template(said[part]).get_identifiers())
                assert named == set(Template(original[part]).get_identifiers()), (locale, group, part)
        assert set(book["notices"]) == set(english["notices"])


def test_a_notice_is_in_the_customers_language_with_its_dates_and_says_that_nobody_read_the_translation() -> None:
    facts = {"program": "कार्यक्रम", "number": "ENR-2026-000001", "at": NOON}
    words = wording.compose("enrollment-confirmed", wording.language_for("hi-IN"), facts, wording.Frame())

    assert words.locale == "hi" and "15 अक्टूबर 2026" in words.text and "ENR-2026-000001" in words.text
    assert "नहीं पढ़ा" in words.text
    english = wording.compose("enrollment-confirmed", "en", facts, wording.Frame())
    assert "It starts on 15 October 2026." in english.text
    assert wording.language_for("ta") == "en" and wording.language_for("") == "en"


def test_a_telephone_number_keeps_its_order_from_right_to_left() -> None:
    frame = wording.Frame(help_name="Flex", help_phone="+91 80 0000 0001", help_hours="Mon-Fri")
    texts = {each: wording.compose("application-ready", each, {"program": "Flex"}, frame).text for each in ("en", "ur")}

    assert "\u2066+91 80 0000 0001\u2069" in texts["ur"] and " +91 80 0000 0001," in texts["en"]


def test_a_reason_that_we_have_no_sentence_for_leaves_no_gap() -> None:
    facts = {"program": "Flex", "number": "1", "reason": "SOMETHING_ELSE"}
    text = wording.compose("enrollment-ended", "en", facts, wording.Frame()).text

    assert text == "Your enrolment 1 in Flex has ended. Its credential and consents are no longer valid."


# --- when ------------------------------------------------------------------------------------------------------------


def test_the_customer_hears_of_each_change_in_order_through_the_utility_in_their_language(world: World) -> None:
    prepared(world, locale="hi-IN")
    world.confirm()
    enrollment = the_enrollment()
    standing.suspend(enrollment, "DISCONNECTED", now=NOON, repair_until=NOON + 30 * DAY)
    standing.resume(enrollment, now=NOON)
    world.end()

    assert written(world) == [
        "application-started",
        "enrollment-confirmed",
        "enrollment-suspended",
        "enrollment-resumed",
        "enrollment-ended",
    ]
    confirmed, suspended = world.utility.notices[1:3]
    assert confirmed["utilityCustomerId"] == "CUST-123456" and confirmed["locale"] == "hi"
    assert confirmed["subject"] == "मांग लचीलापन कार्यक्रम में आपका नामांकन हो गया"
    assert enrollment.order_number in confirmed["text"] and SUPPORT["phone"] in confirmed["text"]
    assert "14 नवंबर 2026" in suspended["text"] and "कनेक्शन कटा" in suspended["text"]
    assert {(n.state, n.locale) for n in CustomerNotice.objects.all()} == {("SENT", "hi")}


def test_a_second_init_of_the_same_application_writes_no_second_time(world: World) -> None:
    prepared(world)
    prepared(world)

    assert written(world) == ["application-started"]


def test_an_application_that_waited_for_its_utility_is_told_twice_that_it_waits_and_that_it_is_ready(
    world: World,
) -> None:
    world.utility.is_down = True
    prepared(world)
    assert CustomerNotice.objects.get().template == "application-waiting"
    world.utility.is_down = False
    later = NOON + timedelta(minutes=2)
    lifecycle.retry_waiting(later)

    assert written(world, later) == ["application-waiting", "application-ready"]


def test_a_utility_that_passes_nothing_on_is_asked_again_and_keeps_nobody_waiting(world: World) -> None:
    world.enrolled()
    world.utility.is_down = True
    assert written(world) == []
    row = CustomerNotice.objects.order_by("pk").first()
    assert row is not None and row.state == "WAITING" and row.attempts == 1 and row.last_problem

    world.utility.is_down = False
    assert written(world, NOON + timedelta(minutes=5)) == ["application-started", "enrollment-confirmed"]


def test_whom_the_utility_does_not_know_at_the_meter_is_not_written_to(world: World) -> None:
    prepared(world)
    Subject.objects.filter(did=RAJESH).update(did="did:example:somebody-else")

    assert written(world) == [] and CustomerNotice.objects.get().state == "NOBODY"


def test_p2_4_orders_of_one_basket_are_told_in_one_notice(world: World) -> None:
    world.enrolled()
    first = the_enrollment()
    a_program("program-other", conflict_group="OTHER", support=SUPPORT, criteria=[])
    world.enrolled(2, program_id="program-other")
    EnrollmentCase.objects.update(batch_id="basket-1")
    CustomerNotice.objects.filter(template="application-started").delete()

    assert written(world, NOON + notices.BASKET_PAUSE) == ["enrollment-confirmed"]
    text = world.utility.notices[0]["text"]
    assert all(e.order_number in text for e in Enrollment.objects.all()) and first.order_number in text
    assert set(CustomerNotice.objects.values_list("state", flat=True)) == {"SENT"}


def test_an_e_mail_goes_to_the_address_of_the_application_and_stops_nothing(world: World, settings: Any) -> None:
    settings.NOTICE_GATEWAY = "email"
    prepared(world, person={"email": "rajesh@example.org"})
    notices.deliver(NOON)

    (sent,) = mail.outbox
    assert sent.to == ["rajesh@example.org"] and "not-me" not in sent.body and sent.extra_headers["Content-Language"]
    assert not NotMeLink.objects.exists() and CustomerNotice.objects.get().sent_by == "EmailGateway"


def test_a_gateway_that_is_not_there_is_told_at_the_start(settings: Any) -> None:
    assert the_notice_gateway_is_there() == []
    settings.NOTICE_GATEWAY = "nowhere.Sms"
    (problem,) = the_notice_gateway_is_there()
    assert "nowhere" in problem.msg


# --- this was not me -------------------------------------------------------------------------------------------------


def test_an_address_is_asked_first_and_stops_an_enrolment_once(world: World, client: Client, told: list[Any]) -> None:
    world.enrolled()
    written(world, clock.now())
    page = f"/not-me/{link_in(world)}"

    asked = client.get(page)
    assert asked.status_code == 200 and b"<form" in asked.content
    assert asked["Cache-Control"] == "no-store" and asked["Referrer-Policy"] == "no-referrer"
    assert the_enrollment().state == "ACTIVE" and not NotMeLink.objects.exclude(used_at=None).exists()

    stopped = Client(enforce_csrf_checks=True, headers={"origin": "null"}).post(page)
    enrollment = the_enrollment()
    assert stopped.status_code == 200
    assert (enrollment.state, enrollment.suspension_reason, enrollment.credential.is_suspended) == (
        "SUSPENDED",
        "NOT_ME",
        True,
    )
    action, news, _ = told[-1]
    assert action == "on_status" and isinstance(news, Snapshot) and "not them" in news.reason
    assert UtilityNotice.objects.filter(event="SUSPENDED").exists()
    assert Event.objects.filter(action="case.frozen", actor_kind="PERSON").count() == 1

    assert client.post(page).status_code == 410
    assert client.get(f"/not-me/{link_in(world)[:-1]}x").status_code == 404
    assert (
        written(world, clock.now())[-1] == "not-me-received"
        and "notMeUrl" not in world.utility.notices[-1]["parameters"]
    )


def test_only_the_digest_of_an_address_is_kept(world: World) -> None:
    prepared(world)
    written(world)

    token = link_in(world)
    link = NotMeLink.objects.get()
    assert link.token_digest == not_me_links.digest_of(token)
    assert token not in str(list(CustomerNotice.objects.values())) + str(list(Event.objects.values()))


def test_an_address_that_has_expired_stops_nothing(world: World, client: Client) -> None:
    world.enrolled()
    written(world)
    NotMeLink.objects.update(made_at=NOON - 40 * DAY, expires_at=NOON - 10 * DAY)

    assert client.post(f"/not-me/{link_in(world)}").status_code == 410
    assert the_enrollment().state == "ACTIVE"
    assert not_me_links.forget(NOON + 100 * DAY) == NotMeLink.objects.count() + 2


def test_an_application_that_was_stopped_is_neither_changed_nor_confirmed_until_it_is_released(world: World) -> None:
    prepared(world)
    written(world)
    assert freezing.stop(link_in(world), NOON).heard is Heard.STOPPED

    for refused in (prepared(world), world.confirm()):
        assert isinstance(refused, Refused) and refused.refusal.details == {"state": "FROZEN"}
    assert not live_claims() and not Enrollment.objects.exists()

    call_command("enrollments", "release", "--order", "order-1", "--reason", "CALLED_BACK")
    with pytest.raises(CommandError):
        call_command("enrollments", "release", "--order", "order-1", "--reason", "CALLED_BACK")
    assert isinstance(prepared(world), Prepared) and isinstance(world.confirm(), Confirmed)
    assert Event.objects.filter(action="case.released").count() == 1


def test_what_was_stopped_while_suspended_stays_so_when_that_is_over_and_goes_on_when_released(world: World) -> None:
    world.enrolled()
    written(world)
    standing.suspend(the_enrollment(), "DISCONNECTED", now=NOON, repair_until=NOON + 30 * DAY)
    freezing.stop(link_in(world), NOON)

    assert not standing.resume(the_enrollment(), now=NOON, because="DISCONNECTED")
    enrollment = the_enrollment()
    assert (enrollment.state, enrollment.suspension_reason) == ("SUSPENDED", "NOT_ME")

    assert freezing.release(enrollment.case, "CALLED_BACK", actor=SYSTEM, now=NOON)
    assert the_enrollment().state == "ACTIVE" and not freezing.release(enrollment.case, "X", actor=SYSTEM, now=NOON)
