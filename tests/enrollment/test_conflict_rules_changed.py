"""A changed conflict rule is simulated on what lives before it is saved, and binds who comes after (spec conflicts)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from audit.log import Action, Actor, ActorKind, Channel
from audit.models import Event
from enrollment.codes import Code
from enrollment.models import Claim, ConflictPair, ProgramVersion
from enrollment.programs import drafting, publishing, rules
from enrollment.programs.content import digest_of
from enrollment.programs.drafting import NotWritten
from tests.enrollment.world import World, code, the_enrollment
from tests.factories import NOON, a_program, battery, meter, ten_kw_solar

EDITOR = Actor(ActorKind.STAFF, "7", Channel.CONSOLE)
TRADE = "program-trade-001"


@pytest.fixture
def both(world: World) -> World:
    """Rajesh is in FLEX and in TRADE with one meter, in FLEX alone with another."""
    a_program(TRADE, conflict_group="TRADE")
    world.utility.knows(meter("umid-002"))
    world.enrolled(1)
    world.enrolled(2, program_id=TRADE)
    world.enrolled(3, "umid-002")
    return world


def deny() -> rules.Simulation:
    return rules.simulate_pair("TRADE", "FLEX", rules.DENY, NOON)


def save(simulated: str, verdict: str = rules.DENY) -> rules.Simulation:
    return rules.save_pair("TRADE", "FLEX", verdict, simulated=simulated, reason="Paid twice", actor=EDITOR, now=NOON)


@pytest.mark.django_db
def test_keeping_two_groups_apart_names_the_living_enrolments_that_would_conflict(both: World):
    found = deny()

    assert (found.count, found.enrollments, found.is_more) == (1, 2, False)
    (meeting,) = found.meetings
    assert {meeting.program, meeting.other} == {"program-flex-demand-response-001", TRADE}
    numbers = {the_enrollment(1).order_number, the_enrollment(2).order_number}
    assert [set(pair) for pair in found.examples] == [numbers]


@pytest.mark.django_db
def test_what_has_ended_and_what_is_only_held_is_not_counted(both: World):
    both.end(2)
    both.prepare(both.application(4, "umid-002", program_id=TRADE))

    assert Claim.objects.filter(state="HELD").exists()
    found = rules.simulate_pair("TRADE", "FLEX", rules.DENY, NOON + timedelta(minutes=1))
    assert found.count == 0


@pytest.mark.django_db
def test_a_rule_is_saved_only_with_what_was_shown_and_binds_who_comes_after(both: World):
    shown = deny()
    with pytest.raises(rules.NotSimulated):
        save("")
    both.utility.knows(meter("umid-003"))
    both.enrolled(5, "umid-003")
    both.enrolled(6, "umid-003", program_id=TRADE)
    with pytest.raises(rules.NotSimulated):
        save(shown.digest)
    assert not ConflictPair.objects.exists()

    save(deny().digest)

    assert ConflictPair.objects.get().verdict == "DENY"
    line = Event.objects.get(action=str(Action.RULE_CHANGED))
    assert line.details is not None
    assert (line.details["groups"], line.details["would_conflict"]) == (["FLEX", "TRADE"], 2)
    assert line.details["simulation"] == deny_again().digest
    assert code(both.prepare(both.application(7, "umid-002", program_id=TRADE))) == Code.ENROLLMENT_CONFLICT
    assert {the_enrollment(n).state for n in (1, 2, 5, 6)} == {"ACTIVE"}, "nobody's enrolment ends by a rule"
    with pytest.raises(NotWritten, match="already"):
        save(shown.digest)


def deny_again() -> rules.Simulation:
    """The simulation as it was before the rule was saved."""
    ConflictPair.objects.all().delete()
    found = deny()
    ConflictPair.objects.create(group_a="FLEX", group_b="TRADE", verdict="DENY")
    return found


@pytest.mark.django_db
def test_letting_two_groups_meet_again_conflicts_with_nobody(both: World):
    save(deny().digest)
    found = rules.simulate_pair("FLEX", "TRADE", rules.ALLOW, NOON)
    assert found.count == 0

    save(found.digest, rules.ALLOW)
    assert rules.verdict_on("TRADE", "FLEX") == rules.ALLOW


@pytest.mark.django_db
def test_a_device_under_direct_control_counts_for_its_programs_group(world: World):
    a_program("program-control-001", conflict_group="EV", control="DIRECT", required_consents=[])
    a_program(TRADE, conflict_group="TRADE")
    world.utility.knows(meter("umid-002"), battery("der-1", umid="umid-001"))
    device = (ten_kw_solar("der-1", 7.5),)
    world.enrolled(1, program_id="program-control-001", ders=device)
    world.enrolled(2, "umid-002", program_id=TRADE, ders=device)

    assert rules.simulate_pair("EV", "TRADE", rules.DENY, NOON).count == 1
    assert rules.simulate_pair("EV", "FLEX", rules.DENY, NOON).count == 0


@pytest.mark.django_db
def test_more_than_can_be_counted_is_told_as_more_and_has_one_digest(both: World, monkeypatch: pytest.MonkeyPatch):
    both.utility.knows(meter("umid-003"))
    both.enrolled(5, "umid-003")
    both.enrolled(6, "umid-003", program_id=TRADE)
    monkeypatch.setattr(rules, "MOST", 1)

    found = deny()
    assert found.is_more and found.shown == 1
    assert found.digest == deny().digest


@pytest.mark.django_db
def test_a_program_that_changes_its_group_is_published_with_its_simulation_only(both: World):
    version = ProgramVersion.objects.get(program__program_id=TRADE)
    draft = drafting.new_draft(version.program_id, actor=EDITOR, now=NOON)
    assert rules.simulate_group(draft, NOON) is None, "the same group finds nothing new"
    values = {"conflict_group": "FLEX", "short_description": "Trade"}
    draft = drafting.save(draft.pk, values, seen=digest_of(draft), actor=EDITOR, now=NOON)
    shown = rules.simulate_group(draft, NOON)

    assert shown is not None and (shown.count, shown.meetings[0].program) == (1, TRADE)
    with pytest.raises(rules.NotSimulated):
        publish(draft, "")
    publish(draft, shown.digest)
    assert both.prepare(both.application(8, "umid-002", program_id=TRADE)).refusal.code == Code.ENROLLMENT_CONFLICT


@pytest.mark.django_db
@pytest.mark.parametrize(("first", "second"), [("FLEX", "FLEX"), ("FLEX", "CONTROL"), ("FLEX", "a b")])
def test_a_pair_is_two_different_groups_that_a_program_may_have(first: str, second: str):
    with pytest.raises(NotWritten):
        rules.simulate_pair(first, second, rules.DENY, NOON)


def publish(draft: ProgramVersion, simulated: str) -> publishing.Published:
    return publishing.publish(
        draft.pk, seen=digest_of(draft), simulated=simulated, reason="Moved", actor=EDITOR, now=NOON
    )
