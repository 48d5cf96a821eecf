"""An agency acts only while certified, not suspended, within its scope, and through a participant it is bound to."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from identity import agencies
from identity.agencies import Details, Operator, Reason
from identity.models import Agency

NOW = datetime(2026, 9, 1, 12, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def agency():
    details = Details(
        name="Helping Hands",
        certified_from=NOW - timedelta(days=30),
        certified_until=NOW + timedelta(days=30),
        utilities=["utility-example-001"],
        programs=["program-flex-demand-response-001"],
        participants=["ea-portal.example.com"],
        operators=[Operator("op-1"), Operator("op-2", NOW)],
    )
    return agencies.add("ea-001", details, actor=SYSTEM, at=NOW)


def ask(agency_id="ea-001", at=NOW, **changes):
    usual = {
        "operator_id": "op-1",
        "participant_id": "ea-portal.example.com",
        "utility_ids": ["utility-example-001"],
        "program_id": "program-flex-demand-response-001",
    }
    answer = agencies.check(agency_id, at=at, **{**usual, **changes})
    return answer.reason if isinstance(answer, agencies.AgencyRefusal) else answer


def test_a_certified_agency_bound_to_the_sender_may_act(agency):
    assert ask() == agency
    assert ask(operator_id="") == agency, "who knows only the guide's header names no operator"


@pytest.mark.parametrize(
    ("reason", "question"),
    [
        (Reason.NOT_BOUND, {"agency_id": "ea-999"}),
        (Reason.NOT_BOUND, {"participant_id": "portal.example.com"}),
        (Reason.UTILITY_NOT_COVERED, {"utility_ids": ["utility-example-001", "utility-example-002"]}),
        (Reason.PROGRAM_NOT_COVERED, {"program_id": "program-v2g-001"}),
        (Reason.OPERATOR_NOT_CERTIFIED, {"operator_id": "op-2"}),
        (Reason.OPERATOR_NOT_CERTIFIED, {"operator_id": "op-9"}),
        (Reason.NOT_CERTIFIED, {"at": NOW + timedelta(days=30)}),
        (Reason.NOT_CERTIFIED, {"at": NOW - timedelta(days=31)}),
    ],
    ids=str,
)
def test_an_agency_is_refused_with_the_reason(agency, reason, question):
    assert ask(**question) == reason


def test_nobody_learns_which_agencies_there_are(agency):
    unknown = agencies.check("ea-999", operator_id="", participant_id="x", utility_ids=[], program_id="", at=NOW)
    foreign = agencies.check("ea-001", operator_id="", participant_id="x", utility_ids=[], program_id="", at=NOW)
    assert unknown == foreign


def test_an_empty_scope_is_any(agency):
    Agency.objects.update(utilities=[], programs=[])
    assert ask(utility_ids=["anything"], program_id="anything") == agency


def test_a_suspension_counts_from_the_next_message_on_and_is_journalled(agency):
    agencies.suspend("ea-001", reason="complaint 17", actor=SYSTEM, at=NOW)
    assert ask() == Reason.SUSPENDED
    agencies.suspend("ea-001", reason="again", actor=SYSTEM, at=NOW + timedelta(days=1))
    assert Agency.objects.get().suspended_at == NOW, "the first moment stays"
    agencies.resume("ea-001", reason="", actor=SYSTEM, at=NOW)
    assert ask() == agency
    actions = list(Event.objects.order_by("id").values_list("action", flat=True))
    assert actions == ["agency.added", "agency.suspended", "agency.resumed"]
    suspended = Event.objects.get(action="agency.suspended")
    assert suspended.details == {"reason": "complaint 17"}
    assert suspended.before_digest != suspended.after_digest


def test_a_participant_that_is_there_for_agencies_must_name_one(agency):
    assert agencies.agencies_bound_to("ea-portal.example.com") == {"ea-001"}
    assert agencies.must_name_an_agency("ea-portal.example.com")
    assert not agencies.must_name_an_agency("portal.example.com")


def test_operators_that_are_no_longer_named_may_no_longer_act(agency):
    details = Details(name="Helping Hands", certified_from=NOW, participants=["ea-portal.example.com"])
    agencies.add("ea-001", details, actor=SYSTEM, at=NOW)
    assert ask() == Reason.OPERATOR_NOT_CERTIFIED
    assert Event.objects.last().action == "agency.changed"


def test_the_command_adds_lists_and_suspends(capsys):
    call_command(
        "agency", "add", "--agency-id", "ea-001", "--name", "Helping Hands", "--certified-until", "2090-12-31",
        "--participant", "ea-portal.example.com", "second.example.com",
        "--operator", "op-1", "op-2=2026-01-01", "--json",
    )  # fmt: skip
    added = json.loads(capsys.readouterr().out)
    assert (added["agencyId"], added["certifiedUntil"]) == ("ea-001", "2090-12-31T00:00:00+00:00")
    assert added["participants"] == ["ea-portal.example.com", "second.example.com"]
    now = clock.now()
    assert isinstance(ask(at=now), Agency)
    assert ask(at=now, operator_id="op-2") == Reason.OPERATOR_NOT_CERTIFIED
    call_command("agency", "suspend", "ea-001", reason="test")
    assert ask(at=clock.now()) == Reason.SUSPENDED
    capsys.readouterr()
    call_command("agency", "list", json=True)
    assert [each["suspendedAt"] is None for each in json.loads(capsys.readouterr().out)] == [False]
    call_command("agency", "resume", "ea-001")
    call_command("agency", "list")
    assert "Helping Hands  until 2090-12-31" in capsys.readouterr().out


def test_the_command_says_what_it_cannot_do():
    with pytest.raises(CommandError, match="no agency ea-404"):
        call_command("agency", "suspend", "ea-404")
    with pytest.raises(CommandError, match="should be after"):
        call_command("agency", "add", "--agency-id", "a", "--name", "n", "--certified-until", "2001-01-01")
    with pytest.raises(CommandError, match="should be like 2027-12-31"):
        call_command("agency", "add", "--agency-id", "a", "--name", "n", "--certified-until", "tomorrow")
