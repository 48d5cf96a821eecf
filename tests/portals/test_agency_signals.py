"""Signals for review: what raises one, that it stops nobody by itself, and who looks at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import signing
from django.test import Client, RequestFactory

from audit import clock, log
from audit.log import SYSTEM, Action
from audit.models import Event
from identity.models import Subject
from portals.agency import devices, signals
from portals.models import CaseSignal, DeviceProof
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.agency_cases import UTILITY, a_case, a_proved_case

pytestmark = pytest.mark.django_db
#: 23:30 in India, and 14:30 there.
NIGHT, NOON = datetime(2026, 11, 20, 18, tzinfo=UTC), datetime(2026, 11, 20, 9, tzinfo=UTC)


class Utility:
    """A utility that tells when a contact changed."""

    changed_at: datetime | None = None

    def __init__(self, utility_id: str) -> None:
        self.utility_id = utility_id

    def accounts_of(self, subject_did: str) -> list[str]:
        return ["account-1"]

    def contact_changed_at(self, utility_customer_id: str) -> datetime | None:
        return Utility.changed_at


@pytest.fixture(autouse=True)
def quiet(settings: Any) -> None:
    """Nothing is unusual but what a test says."""
    settings.CONTACT_SERVICE, Utility.changed_at = "tests.portals.test_agency_signals.Utility", None


def kinds(case: Any) -> list[str]:
    return [each.kind for each in signals.look(case, clock.now())]


def browser_of(name: str) -> Any:
    request = RequestFactory().get("/agency/")
    request.COOKIES[devices.cookie_name()] = signing.dumps(name, salt=devices.SALT)
    return request


def sent_a_code(case: Any, at: datetime) -> None:
    log.record(Action.ASSISTED_CODE_SENT, actor=SYSTEM, at=at, object_type="agency-case", object_id=str(case.pk))


# --- what raises one -------------------------------------------------------------------------------------------------


def test_an_ordinary_case_raises_nothing():
    case = a_proved_case(a_member("op-1"), opened_at=NOON)
    assert kinds(case) == []


@pytest.mark.parametrize(("days", "raised"), [(3, ["CONTACT_CHANGED"]), (29, ["CONTACT_CHANGED"]), (31, [])])
def test_a_registered_contact_that_was_changed_within_thirty_days_is_a_signal(days, raised):
    Utility.changed_at = NOON - timedelta(days=days)
    case = a_proved_case(a_member("op-1"), opened_at=NOON)
    assert kinds(case) == raised
    if raised:
        assert CaseSignal.objects.get().about == {"days": days}


def test_a_contact_that_was_changed_after_the_agreement_and_before_the_look_is_a_signal_too():
    Utility.changed_at = NOON + timedelta(minutes=5)
    assert kinds(a_proved_case(a_member("op-1"), opened_at=NOON)) == ["CONTACT_CHANGED"]


def test_one_browser_in_which_many_customers_have_proved_themselves_is_a_signal_from_the_setting_on(settings):
    settings.DEVICE_CUSTOMERS_PER_DAY = 2
    asha, ravi, phone = a_member("op-1"), a_member("op-2"), browser_of("phone")
    raised = []
    for number, member in enumerate((asha, asha, ravi)):
        at = NOON + timedelta(minutes=number)
        case = a_proved_case(member, opened_at=at)
        devices.proved(phone, case, at)
        raised.append(kinds(case))
    assert raised == [[], [], ["SAME_DEVICE"]]
    assert CaseSignal.objects.get().about == {"customers": 3}


def test_the_same_customer_twice_or_the_customers_of_two_days_are_no_signal(settings):
    settings.DEVICE_CUSTOMERS_PER_DAY = 1
    asha, phone, person = a_member("op-1"), browser_of("phone"), Subject.objects.for_did("did:example:asha")
    for at in (NOON - timedelta(days=2), NOON):
        case = a_proved_case(asha, opened_at=at, subject=person)
        devices.proved(phone, case, at)
        assert kinds(case) == []
    other = a_proved_case(asha, opened_at=NOON + timedelta(days=1, minutes=1))
    devices.proved(phone, other, NOON + timedelta(days=1, minutes=1))
    assert kinds(other) == []


def test_a_browser_with_a_name_that_was_made_up_is_kept_as_none():
    case, request = a_proved_case(a_member("op-1")), RequestFactory().get("/agency/")
    for made_up in ("phone", signing.dumps("phone", salt="another")):
        request.COOKIES[devices.cookie_name()] = made_up
        devices.proved(request, case, clock.now())
    assert not DeviceProof.objects.exists()


def test_a_browser_gets_one_name_where_agencies_work_and_none_elsewhere():
    client = signed_in_agent(a_member("op-1"))
    first = client.get("/agency/activity").cookies[devices.cookie_name()]
    assert (first["httponly"], first["samesite"]) == (True, "Lax")
    assert devices.cookie_name() not in client.get("/agency/scorecard").cookies, "it has its name already"
    assert devices.cookie_name() not in Client().get("/").cookies


@pytest.mark.parametrize(("seconds", "raised"), [(1, ["FAST_CODE"]), (4.9, ["FAST_CODE"]), (5, []), (60, [])])
def test_a_code_that_was_typed_within_five_seconds_of_being_sent_is_a_signal(seconds, raised):
    case = a_proved_case(a_member("op-1"), evidence="CODE", opened_at=NOON)
    sent_a_code(case, NOON - timedelta(minutes=3))
    sent_a_code(case, NOON - timedelta(seconds=seconds))
    assert kinds(case) == raised


def test_a_sign_in_right_after_an_unused_code_is_no_signal():
    case = a_proved_case(a_member("op-1"), evidence="OIDC", opened_at=NOON)
    sent_a_code(case, NOON - timedelta(seconds=1))
    assert kinds(case) == []


def test_many_customers_of_one_agent_in_one_night_of_the_utilitys_zone_are_a_signal(settings):
    settings.SIGNAL_NIGHT_CASES = 3
    asha, ravi = a_member("op-1"), a_member("op-2")
    a_proved_case(ravi, opened_at=NIGHT)
    raised = [kinds(a_proved_case(asha, opened_at=NIGHT + timedelta(hours=number))) for number in range(3)]
    assert raised == [[], [], ["AT_NIGHT"]]
    by_day = [kinds(a_proved_case(asha, opened_at=NOON + timedelta(minutes=number))) for number in range(4)]
    assert by_day == [[], [], [], []]


def test_a_night_begins_and_ends_at_the_hours_of_the_setting(settings):
    zone = "Asia/Kolkata"
    began = datetime(2026, 11, 20, 16, 30, tzinfo=UTC)
    assert signals.night_of(NIGHT, zone) == began == signals.night_of(NIGHT + timedelta(hours=4), zone)
    assert signals.night_of(NOON, zone) is None
    settings.SIGNAL_NIGHT_FROM, settings.SIGNAL_NIGHT_UNTIL = 1, 5
    assert signals.night_of(NIGHT, zone) is None
    assert signals.night_of(NIGHT + timedelta(hours=3), zone) == datetime(2026, 11, 20, 19, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "setting", ["SIGNAL_CONTACT_DAYS", "DEVICE_CUSTOMERS_PER_DAY", "SIGNAL_CODE_SECONDS", "SIGNAL_NIGHT_CASES"]
)
def test_each_signal_is_switched_off_by_a_zero(settings, setting):
    settings.DEVICE_CUSTOMERS_PER_DAY = settings.SIGNAL_NIGHT_CASES = 1
    Utility.changed_at = NIGHT - timedelta(days=1)
    asha, phone = a_member("op-1"), browser_of("phone")
    devices.proved(phone, a_proved_case(asha, opened_at=NIGHT), NIGHT)
    case = a_proved_case(asha, evidence="CODE", opened_at=NIGHT)
    devices.proved(phone, case, NIGHT)
    sent_a_code(case, NIGHT - timedelta(seconds=1))
    settings.__setattr__(setting, 0)
    of = {
        "SIGNAL_CONTACT_DAYS": "CONTACT_CHANGED",
        "DEVICE_CUSTOMERS_PER_DAY": "SAME_DEVICE",
        "SIGNAL_CODE_SECONDS": "FAST_CODE",
        "SIGNAL_NIGHT_CASES": "AT_NIGHT",
    }
    assert sorted(kinds(case)) == sorted(set(of.values()) - {of[setting]})


# --- once, and stopping nobody ---------------------------------------------------------------------------------------


def test_a_proof_is_looked_at_once_by_the_worker_and_its_signal_is_in_the_journal_without_a_name():
    now = clock.now()
    Utility.changed_at = now - timedelta(days=1)
    case = a_proved_case(a_member("op-1"), opened_at=now)
    a_case(a_member("op-2"))
    assert (signals.sweep(now), signals.sweep(now)) == (1, 0)
    [line] = Event.objects.filter(action=Action.SIGNAL_RAISED)
    assert line.object_id == str(case.pk)
    assert {"signal": "CONTACT_CHANGED", "days": 1}.items() <= line.details.items()
    assert "did:" not in str(line.details)


def test_a_newer_proof_of_the_same_case_is_looked_at_again_and_raises_no_second_signal_of_a_kind():
    Utility.changed_at = NOON - timedelta(days=1)
    case = a_proved_case(a_member("op-1"), opened_at=NOON)
    assert kinds(case) == ["CONTACT_CHANGED"]
    case.proved_at = NOON + timedelta(hours=1)
    case.save()
    assert kinds(case) == []
    assert CaseSignal.objects.count() == 1


def test_a_signal_holds_a_case_only_where_the_deployment_says_so_and_until_somebody_has_looked(settings):
    Utility.changed_at = NOON - timedelta(days=1)
    case = a_proved_case(a_member("op-1"), opened_at=NOON)
    [signal] = signals.look(case, clock.now())
    assert not signals.holds(case)
    settings.SIGNALS_HOLD = True
    assert signals.holds(case)
    signals.decide(signal, "HARMLESS", by=a_member("op-r", role="REVIEWER"), now=clock.now())
    assert not signals.holds(case)


# --- who looks -------------------------------------------------------------------------------------------------------


@pytest.fixture
def raised() -> CaseSignal:
    Utility.changed_at = NOON - timedelta(days=3)
    [signal] = signals.look(a_proved_case(a_member("op-1"), opened_at=NOON), clock.now())
    return signal


def test_a_reviewer_sees_the_signal_with_its_figures_and_keeps_what_they_found(raised):
    browser = signed_in_agent(a_member("op-r", role="REVIEWER"))
    queue = browser.get("/agency/signals").content.decode()
    assert raised.case.reference in queue and "3 days before they agreed" in queue
    address = f"/agency/signals/{raised.pk}"
    assert "Operator op-1" in browser.get(address).content.decode()
    assert browser.post(address, {}).status_code == 422
    raised.refresh_from_db()
    assert raised.decision == "", "looking decides nothing"
    answer = browser.post(address, {"decision": "HARMLESS"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/agency/signals")
    raised.refresh_from_db()
    assert (raised.decision, raised.seen_by.operator_id) == ("HARMLESS", "op-r")
    assert Event.objects.get(action=Action.SIGNAL_DECIDED).details["operator"] == "op-r"
    assert raised.case.reference not in browser.get("/agency/signals").content.decode()


def test_something_wrong_closes_the_case_and_the_first_decision_stays(raised):
    first, second = a_member("op-r", role="REVIEWER"), a_member("op-m", role="MANAGER")
    signals.decide(raised, "WRONG", by=first, now=clock.now())
    signals.decide(raised, "HARMLESS", by=second, now=clock.now())
    raised.case.refresh_from_db()
    assert (raised.decision, raised.seen_by) == ("WRONG", first)
    assert (raised.case.state, raised.case.outcome) == ("CLOSED", "STOPPED")


def test_nobody_decides_about_a_case_of_their_own():
    Utility.changed_at = NOON - timedelta(days=3)
    manager = a_member("op-m", role="MANAGER")
    [signal] = signals.look(a_proved_case(manager, opened_at=NOON), clock.now())
    browser = signed_in_agent(manager)
    assert "<form" not in browser.get(f"/agency/signals/{signal.pk}").content.decode().partition("<main")[2]
    assert browser.post(f"/agency/signals/{signal.pk}", {"decision": "HARMLESS"}).status_code == 403
    signal.refresh_from_db()
    assert signal.decision == ""


def test_agents_and_another_agencys_reviewers_find_no_signals(raised):
    address = f"/agency/signals/{raised.pk}"
    agent = signed_in_agent(a_member("op-2"))
    assert agent.get("/agency/signals").status_code == agent.get(address).status_code == 404
    other = signed_in_agent(a_member("op-r", role="REVIEWER", agency=an_agency("ea-002")))
    assert raised.case.reference not in other.get("/agency/signals").content.decode()
    assert other.get(address).status_code == 404
    assert other.post(address, {"decision": "HARMLESS"}).status_code == 404
    raised.refresh_from_db()
    assert raised.decision == ""


def test_where_the_zone_of_these_tests_comes_from():
    from portals import houses

    assert houses.house_of(UTILITY).time_zone == "Asia/Kolkata"
