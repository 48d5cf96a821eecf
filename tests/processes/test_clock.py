"""What happens because time passes happens once, is told once, and also after everybody slept (decisions 31, 43, 52).

Two workers, each of which is a beat: whatever is due, both come for it. The stack is stopped and started again three
days later, and a month later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from tests.bap import Callback, eventually
from tests.journeys import Journey, Json, fulfillment_state
from tests.processes.scenes import Book, somebody
from tests.stack import Stack

pytestmark = pytest.mark.processes

DAY = timedelta(days=1)


def wire(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Story:
    """Everybody's journey, and the `orderAttributes` of their on_confirm."""

    stack: Stack
    began: datetime
    journeys: dict[str, Journey] = field(default_factory=dict)
    attributes: dict[str, Json] = field(default_factory=dict)

    def enroll(self, name: str, **dates: datetime) -> None:
        journey = self.apply(name)
        given = {key: wire(instant) for key, instant in dates.items()}
        confirmed = journey.ask(journey.confirm(given))
        assert confirmed["beckn:status"] == "CONFIRMED", confirmed
        self.attributes[name] = confirmed["beckn:orderAttributes"]

    def apply(self, name: str) -> Journey:
        journey = self.journeys[name] = Journey(self.stack, somebody())
        assert fulfillment_state(journey.ask(journey.init())) == "PENDING_CONFIRM"
        return journey

    def told(self, name: str) -> list[Callback]:
        """What this person's portal was told without asking, in order."""
        journey = self.journeys[name]
        query = "SELECT message_id FROM beckn_outbox WHERE kind = 'UNSOLICITED' AND transaction_id = %s ORDER BY id"
        ids = [message_id for (message_id,) in self.stack.sql(query, journey.transaction_id)]
        return [callback for message_id in ids for callback in self.stack.bap.received(message_id=message_id)]

    def another_enrolment_of(self, name: str) -> None:
        """Enrol the same meter again; fails where the old claim still stands in the way."""
        Journey(self.stack, self.journeys[name].person).enroll()

    def state(self, name: str) -> str:
        enrollment_id = self.attributes[name]["enrollmentId"]
        ((state,),) = self.stack.sql("SELECT state FROM program_enrollments WHERE enrollment_id = %s", enrollment_id)
        return str(state)

    def case(self, name: str) -> str:
        query = "SELECT state FROM enrollment_cases WHERE order_id = %s"
        ((state,),) = self.stack.sql(query, self.journeys[name].order_id)
        return str(state)

    def is_verified(self, name: str) -> bool:
        """What our public address says about the person's enrolment credential."""
        url = self.attributes[name]["credential"]["verificationUrl"]
        return bool(self.stack.get(urlsplit(url).path, accept="application/json").body["verified"])


@pytest.fixture(scope="module")
def story(stack_of_this_module: Callable[..., Stack]) -> Story:
    stack = stack_of_this_module(workers=2, broker="auto")
    now = datetime.now(UTC)
    story = Story(stack, now)
    story.enroll("starts later", startDate=now + 2 * DAY, endDate=now + 10 * DAY)
    story.enroll("ends soon", startDate=now, endDate=now + 2 * DAY)
    story.enroll("stays", startDate=now, endDate=now + 300 * DAY)
    story.enroll("leaves later", startDate=now, endDate=now + 300 * DAY)
    story.enroll("takes a consent back later", startDate=now, endDate=now + 300 * DAY)
    story.enroll("comes and goes while everybody sleeps", startDate=now + DAY, endDate=now + 2 * DAY)
    story.apply("does not confirm")
    story.apply("confirms late")
    in_two_days = wire(now + 2 * DAY)
    leaving = story.journeys["leaves later"]
    enrollment_id = story.attributes["leaves later"]["enrollmentId"]
    told = leaving.ask(leaving.unenroll(enrollment_id, effectiveDate=in_two_days))["beckn:orderAttributes"]
    assert (told["status"], told["unenrollment"]["status"]) == ("ACTIVE", "PENDING")
    revoking = story.journeys["takes a consent back later"]
    (consent,) = story.attributes["takes a consent back later"]["consents"]
    revoking.ask(revoking.revoke_consent(consent["consentCredentialId"], effectiveDate=in_two_days))
    assert story.state("starts later") == "SCHEDULED"
    assert not story.is_verified("starts later")  # not yet valid
    assert story.is_verified("leaves later")
    return story


@pytest.fixture(scope="module")
def three_days_later(story: Story) -> Story:
    story.stack.move_to(story.began + 3 * DAY)
    for name in ("starts later", "ends soon", "leaves later", "takes a consent back later"):
        eventually(lambda name=name: story.told(name))  # type: ignore[misc]
    return story


@pytest.fixture(scope="module")
def a_month_later(three_days_later: Story) -> Story:
    story = three_days_later
    story.stack.move_to(story.began + 31 * DAY)
    eventually(lambda: story.told("does not confirm") and len(story.told("starts later")) > 1)
    return story


def test_an_enrolment_that_starts_while_the_workers_look_becomes_active_and_is_told(story: Story):
    story.enroll("starts now", startDate=datetime.now(UTC) + timedelta(seconds=3))
    eventually(lambda: story.told("starts now"))
    assert story.state("starts now") == "ACTIVE"
    (started,) = story.told("starts now")
    assert (started.action, started.message["order"]["beckn:status"]) == ("on_status", "ACTIVE")


def test_a_scheduled_enrolment_becomes_active(three_days_later: Story):
    assert three_days_later.state("starts later") == "ACTIVE"
    (started,) = three_days_later.told("starts later")
    order = started.message["order"]
    assert (started.action, order["beckn:status"]) == ("on_status", "ACTIVE")
    assert order["beckn:orderAttributes"]["status"] == "ACTIVE"
    assert three_days_later.is_verified("starts later")


def test_an_active_enrolment_expires_without_a_bit_being_set(three_days_later: Story):
    assert three_days_later.state("ends soon") == "EXPIRED"
    (ended,) = three_days_later.told("ends soon")
    attributes = ended.message["order"]["beckn:orderAttributes"]
    assert (ended.action, attributes["status"], attributes["message"]) == ("on_status", "CANCELLED", "expired")
    assert not three_days_later.is_verified("ends soon")
    three_days_later.another_enrolment_of("ends soon")
    query = "SELECT revoked_at FROM issued_credentials WHERE url = %s"
    url = three_days_later.attributes["ends soon"]["credential"]["credentialId"]
    assert three_days_later.stack.sql(query, url) == [(None,)]


def test_a_scheduled_unenrolment_happens_and_its_list_is_published_before_it_is_told(three_days_later: Story):
    assert three_days_later.state("leaves later") == "CANCELLED"
    (ended,) = three_days_later.told("leaves later")
    unenrollment = ended.message["order"]["beckn:orderAttributes"]["unenrollment"]
    assert ended.action == "on_update"
    assert unenrollment["enrollmentCredentialStatus"]["revoked"] is True
    assert not three_days_later.is_verified("leaves later")
    three_days_later.another_enrolment_of("leaves later")


def test_a_scheduled_consent_revocation_happens(three_days_later: Story):
    (told,) = three_days_later.told("takes a consent back later")
    revocation = told.message["order"]["beckn:orderAttributes"]["consentRevocation"]
    assert (told.action, revocation["status"]) == ("on_update", "REVOKED")
    assert three_days_later.state("takes a consent back later") == "ACTIVE"


def test_what_came_and_went_while_everybody_slept_is_over_and_told_in_order(three_days_later: Story):
    name = "comes and goes while everybody sleeps"
    eventually(lambda: len(three_days_later.told(name)) == 2)
    assert three_days_later.state(name) == "EXPIRED"
    states = [told.message["order"]["beckn:orderAttributes"]["status"] for told in three_days_later.told(name)]
    assert states[-1] == "CANCELLED"


def test_a_hold_ends_and_its_application_can_still_be_confirmed(three_days_later: Story):
    story = three_days_later
    eventually(lambda: Book(story.stack, story.journeys["does not confirm"].person.umid).holds == 0)
    assert story.case("does not confirm") == story.case("confirms late") == "READY"
    assert story.told("does not confirm") == []
    late = story.journeys["confirms late"]
    assert late.ask(late.confirm())["beckn:status"] == "CONFIRMED"


def test_an_application_nobody_confirmed_expires(a_month_later: Story):
    assert a_month_later.case("does not confirm") == "EXPIRED"
    (told,) = a_month_later.told("does not confirm")
    assert (told.action, told.message["order"]["beckn:status"]) == ("on_status", "CANCELLED")


def test_each_change_was_made_and_told_once(a_month_later: Story):
    story = a_month_later
    eventually(story.stack.idle)
    told = {name: [callback.action for callback in story.told(name)] for name in story.journeys}
    told.pop("starts now", None)
    assert told == {
        "starts later": ["on_status", "on_status"],  # started, expired
        "ends soon": ["on_status"],
        "stays": [],
        "leaves later": ["on_update"],
        "takes a consent back later": ["on_update"],
        "comes and goes while everybody sleeps": ["on_status", "on_status"],
        "does not confirm": ["on_status"],
        "confirms late": [],
    }
    lines = story.stack.sql(
        "SELECT object_id, action, count(*) FROM audit_logs WHERE action IN ('enrollment.activated',"
        " 'enrollment.expired', 'enrollment.cancelled', 'case.expired') GROUP BY 1, 2 HAVING count(*) > 1"
    )
    assert lines == []
    assert story.stack.manage("audit", "verify").returncode == 0
