"""A version tried on a meter: the real facts and rules, each condition with its verdict, and nothing written."""

from __future__ import annotations

from typing import Any

import pytest

from audit.log import Action, Actor, ActorKind, Channel
from audit.models import Event
from enrollment.models import Claim, EnrollmentCase, ProgramVersion
from enrollment.programs import drafting, trying
from enrollment.programs.content import digest_of
from tests.enrollment.world import World
from tests.factories import NOON, UTILITY_A, criterion, holder, meter, solar
from utility_systems.ports import ConnectionType, Role, Standing

EDITOR = Actor(ActorKind.STAFF, "7", Channel.CONSOLE)
TERMS = [
    criterion("ACCOUNT_STANDING", "An account in good standing", anyOf=["GOOD"]),
    criterion("SANCTIONED_LOAD", "At most 3 kW", toKw=3),
    criterion("METER_ROLE", "You own the meter", anyOf=["OWNER"]),
]


@pytest.fixture
def draft(world: World) -> ProgramVersion:
    """The next version of the program, which asks for more."""
    assert world.version is not None
    made = drafting.new_draft(world.version.program_id, actor=EDITOR, now=NOON)
    return drafting.save(made.pk, {"criteria": TERMS}, seen=digest_of(made), actor=EDITOR, now=NOON)


def tried(version: ProgramVersion, umid: str = "umid-001", **how: Any) -> trying.Trial:
    return trying.try_on(version, UTILITY_A, umid, **how, actor=EDITOR, now=NOON)


def lines(trial: trying.Trial) -> dict[str, tuple[bool, str]]:
    return {line.criterion: (line.is_met, line.actual) for line in trial.lines}


@pytest.mark.django_db
def test_a_draft_is_tried_and_every_condition_says_what_is_needed_and_what_is_there(
    world: World, draft: ProgramVersion
):
    trial = tried(draft)

    assert lines(trial) == {
        "ACCOUNT_STANDING": (True, "GOOD"),
        "SANCTIONED_LOAD": (False, "5.0 kW"),
        "METER_ROLE": (True, ""),
        "UTILITY": (True, UTILITY_A),
    }
    assert not trial.can_join and trial.refusal is not None
    assert [line.needed for line in trial.lines if line.criterion == "SANCTIONED_LOAD"] == ["At most 3 kW"]
    assert world.version is not None and tried(world.version).can_join


@pytest.mark.django_db
def test_nothing_is_written_but_that_somebody_looked(world: World, draft: ProgramVersion):
    before = Event.objects.count()
    tried(draft)

    assert Event.objects.count() == before + 1
    line = Event.objects.latest("pk")
    assert (line.action, line.object_type, line.object_id) == (str(Action.READ_PII), "meter", "umid-001")
    assert line.details is not None
    assert (line.details["program"], line.details["version"]) == (draft.program.program_id, 2)
    assert not EnrollmentCase.objects.exists() and not Claim.objects.exists()


@pytest.mark.django_db
def test_a_meter_is_tried_as_whoever_stands_to_it_so(world: World, draft: ProgramVersion):
    tenant = holder("did:example:tenant", customer="CUST-2", role=Role.TENANT)
    world.utility.knows(meter(holders=(holder(), tenant)))

    assert lines(tried(draft, role="TENANT"))["METER_ROLE"] == (False, "TENANT")
    assert lines(tried(draft))["METER_ROLE"][0] and tried(draft).role == "OWNER"
    nobody = tried(draft, role="OPERATOR")
    assert nobody.role == "" and not nobody.can_join, "who is not at the meter is refused like anybody else"


@pytest.mark.django_db
def test_devices_and_whoever_is_there_already_count_as_in_an_application(world: World, draft: ProgramVersion):
    world.utility.knows(solar(), meter(account_standing=Standing.ARREARS, connection_type=ConnectionType.COMMERCIAL))
    wants = [criterion("DER_TYPE", "A battery", anyOf=["BATTERY_STORAGE"])]
    draft = drafting.save(draft.pk, {"criteria": wants}, seen=digest_of(draft), actor=EDITOR, now=NOON)
    assert lines(tried(draft))["DER_TYPE"] == (False, "none")

    world.utility.knows(meter())
    world.enrolled()
    trial = tried(draft)
    assert [conflict.reference for conflict in trial.conflicts] == ["umid-001"] and not trial.can_join
    assert trial.conflicts[0].enrollment_id == "", "whose enrolment it is says another page, to whoever may see it"


@pytest.mark.django_db
def test_a_utility_that_is_silent_or_does_not_know_the_meter_gives_no_verdict(world: World, draft: ProgramVersion):
    for umid, utility_id, is_down, code in (
        ("umid-404", UTILITY_A, False, "UNKNOWN_METER"),
        ("umid-001", "utility-nobody", False, "UNKNOWN_UTILITY"),
        ("umid-001", UTILITY_A, True, "UNAVAILABLE"),
    ):
        world.utility.is_down = is_down
        with pytest.raises(trying.NotTried) as told:
            trying.try_on(draft, utility_id, umid, actor=EDITOR, now=NOON)
        assert told.value.code == code
    assert not Event.objects.filter(action=str(Action.READ_PII)).exists()
