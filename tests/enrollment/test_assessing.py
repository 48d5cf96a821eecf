"""Every meter's verdict for a program: what an init would answer, and nothing is held or written (personas P2)."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from enrollment import services
from enrollment.commands import Authority, DerRef, MeterRef, ProvenIdentity, SelectProgram
from enrollment.models import Claim, EnrollmentCase
from enrollment.results import Assessment, CellState, Prepared, Refused, Selected
from tests.enrollment.world import World, code
from tests.factories import (
    BINA,
    FLEX,
    NOON,
    OTHER_FLEX,
    PORTAL,
    PROVIDER,
    RAJESH,
    UTILITY_A,
    a_program,
    battery,
    criterion,
    holder,
    meter,
    solar,
)
from utility_systems.ports import ConnectionType, Role, Standing

IDENTITY = ProvenIdentity(UTILITY_A, RAJESH, "OIDC", utility_customer_ids=("CUST-123456",))
SHOWN = Authority(PORTAL, (), proven_subject=RAJESH, proven_utility=UTILITY_A, acr="1", identities=(IDENTITY,))


def assess(world: World, *umids: str, program_id: str = FLEX, authority: Authority = SHOWN) -> Assessment:
    command = SelectProgram(world.order("s"), program_id, PROVIDER, meters=tuple(MeterRef(u) for u in umids))
    found = services.assess_selected(command, authority, world.now)
    assert isinstance(found, Selected) and found.assessment is not None, found
    return found.assessment


def cells(world: World, *umids: str, **how: Any) -> dict[str, CellState]:
    return {cell.umid: cell.state for cell in assess(world, *umids, **how).cells}


def test_all_meters_of_the_customer_are_told_and_nobody_elses(world: World):
    world.utility.knows(meter("umid-002"), meter("umid-003", holders=(holder(BINA, customer="CUST-300003"),)))

    assert cells(world) == {"umid-001": CellState.CAN_ENROLL, "umid-002": CellState.CAN_ENROLL}
    assert cells(world, "umid-003") == {}, "a neighbour's meter is like one that is not there"


def test_nothing_is_held_and_nothing_is_written(world: World):
    assess(world)

    assert not Claim.objects.exists() and not EnrollmentCase.objects.exists()


def test_a_meter_that_does_not_meet_a_condition_says_which(bare_world: World):
    bare_world.version = a_program(criteria=[criterion("INTERVAL_METER", "A smart meter")])
    bare_world.utility.knows(meter(interval_capable=False))

    (cell,) = assess(bare_world).cells

    assert cell.state is CellState.NOT_ELIGIBLE
    assert [(r.code, r.criterion) for r in cell.reasons] == [("NOT_ELIGIBLE", "INTERVAL_METER")]


def test_p2_3_a_meter_in_another_program_says_until_when_and_that_a_later_start_is_free(world: World):
    ends = NOON + timedelta(days=200)
    a_program(program_id=OTHER_FLEX, conflict_group="FLEX")
    world.enrolled(1, program_id=OTHER_FLEX, ends_at=ends)

    (cell,) = assess(world).cells

    assert (cell.state, cell.earliest_start) == (CellState.CONFLICT, ends)
    assert [a.type for a in cell.actions] == ["START_LATER"]
    later = world.prepare(world.application(2, starts_at=ends), authority=SHOWN)
    assert isinstance(later, Prepared)


def test_a_meter_that_is_enrolled_says_so_with_its_end(world: World):
    world.enrolled(1)

    (cell,) = assess(world).cells

    assert cell.state is CellState.ENROLLED and cell.until is not None and cell.enrollment_id


def test_an_enrolment_that_waits_for_its_consent_says_that_it_lacks_it(bare_world: World):
    bare_world.version = a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled(1)
    bare_world.withdraw_consent(consent_type="DATA_COLLECTION")

    assert cells(bare_world) == {"umid-001": CellState.NO_CONSENT}


def test_many_enrolled_meters_are_asked_for_at_once(world: World):
    world.utility.knows(meter("umid-002"))
    world.enrolled(1)
    with CaptureQueriesContext(connection) as for_one:
        assert set(cells(world).values()) == {CellState.ENROLLED, CellState.CAN_ENROLL}
    world.enrolled(2, "umid-002")
    with CaptureQueriesContext(connection) as for_both:
        assert set(cells(world).values()) == {CellState.ENROLLED}

    assert len(for_both) <= len(for_one)


def test_a_hold_of_the_customers_own_other_draft_stands_in_nobodys_way(world: World):
    assert isinstance(world.prepare(world.application(1), authority=SHOWN), Prepared)

    assert cells(world) == {"umid-001": CellState.CAN_ENROLL}


def test_p2_6_a_utility_that_is_down_refuses_no_meter(world: World):
    world.utility.is_down = True

    found = assess(world, "umid-001", "umid-002")

    assert {cell.state for cell in found.cells} == {CellState.UNKNOWN} and found.unavailable == (UTILITY_A,)


def test_a_full_program_puts_them_on_the_waiting_list(bare_world: World):
    bare_world.version = a_program(max_meters=0)

    assert cells(bare_world) == {"umid-001": CellState.WAITLIST}


def test_devices_behind_the_meters_are_told_with_how_they_are_certified(world: World):
    world.utility.knows(solar(), battery(certificates=()), solar("der-of-bina", umid="umid-003", owner_did=BINA))

    told = {der.der_id: der.certificate for der in assess(world).ders}

    assert told == {"der-solar-001": "CERTIFIED", "der-battery-001": "NOT_CERTIFIED"}


def test_a_program_that_is_closed_is_refused_as_ever(world: World):
    found = services.assess_selected(SelectProgram(world.order("s"), "program-of-nobody"), SHOWN, world.now)

    assert code(found) == "PROGRAM_NOT_AVAILABLE"


# --- the property ----------------------------------------------------------------------------------------------------

CRITERIA: tuple[dict[str, Any], ...] = (
    {"kind": "INTERVAL_METER", "parameters": {}, "text": "smart"},
    {"kind": "NET_METER", "parameters": {}, "text": "net"},
    {"kind": "CONNECTION_TYPE", "parameters": {"anyOf": ["RESIDENTIAL"]}, "text": "home"},
    {"kind": "ACCOUNT_STANDING", "parameters": {"anyOf": ["GOOD"]}, "text": "standing"},
    {"kind": "METER_ROLE", "parameters": {"anyOf": ["OWNER"]}, "text": "owner"},
    {"kind": "DER_TYPE", "parameters": {"anyOf": ["SOLAR_PV"]}, "text": "solar"},
    {"kind": "DER_CERTIFIED", "parameters": {}, "text": "certified"},
)


def a_random_world(world: World, rng: random.Random) -> None:
    """Four meters on three sites, some with a plant, and a program that asks for some of all that."""
    for number in range(1, 5):
        umid = f"umid-00{number}"
        world.utility.knows(
            meter(
                umid,
                site_id=f"site-{min(number, 3)}",
                interval_capable=rng.random() < 0.8,
                net_meter=rng.random() < 0.5,
                connection_type=rng.choice([ConnectionType.RESIDENTIAL, ConnectionType.COMMERCIAL]),
                account_standing=rng.choice([Standing.GOOD, Standing.GOOD, Standing.ARREARS]),
                holders=(holder(role=rng.choice([Role.OWNER, Role.TENANT])),),
            )
        )
        if rng.random() < 0.6:
            certificates = solar().certificates if rng.random() < 0.5 else ()
            world.utility.knows(solar(f"der-{number}", umid=umid, certificates=certificates))


def verdict_of_an_init(world: World, umid: str, program_id: str, ders: tuple[DerRef, ...]) -> CellState:
    """What the real init says about this one meter, taken back at once."""
    with transaction.atomic():
        command = world.application(
            f"{program_id}-{umid}", umid, program_id=program_id, credentials=(), ders=ders, subject_did=RAJESH
        )
        command = replace(command, meters=(MeterRef(umid, UTILITY_A),))
        result = world.prepare(command, authority=SHOWN)
        transaction.set_rollback(True)
    if isinstance(result, Prepared):
        return CellState.NEEDS_ACTION if result.missing or result.questions else CellState.CAN_ENROLL
    assert isinstance(result, Refused), result
    return {
        "DER_NOT_CERTIFIED": CellState.NEEDS_ACTION,
        "ENROLLMENT_CONFLICT": CellState.CONFLICT,
        "CAPACITY_FULL": CellState.WAITLIST,
    }.get(code(result), CellState.NOT_ELIGIBLE)


@pytest.mark.multi_meter
@pytest.mark.parametrize("seed", range(6))
def test_p2_1_each_cell_is_the_verdict_that_init_gives_for_that_pair(bare_world: World, seed: int):
    world, rng = bare_world, random.Random(seed)
    a_random_world(world, rng)
    programs = [f"program-{number}" for number in range(5)]
    for number, program_id in enumerate(programs):
        a_program(
            program_id=program_id,
            conflict_group="FLEX" if number < 2 else f"G{number}",
            criteria=rng.sample(CRITERIA, rng.randint(0, 3)),
            max_meters=rng.choice([None, None, None, 0]),
        )
    for program_id in programs:  # one of them is joined, where that is possible, and stands in the others' way
        joined = [u for u, state in cells(world, program_id=program_id).items() if state is CellState.CAN_ENROLL][:1]
        if joined and rng.random() < 0.4:
            world.prepare(world.application("mine", *joined, program_id=program_id))
            world.confirm("mine")
            break

    seen = 0
    for program_id in programs:
        found = assess(world, program_id=program_id)
        wants_devices = any(c["kind"].startswith("DER") for c in criteria_of(program_id))
        for cell in found.cells:
            behind = tuple(DerRef(der.der_id, der.type) for der in found.ders if der.umid == cell.umid)
            expected = verdict_of_an_init(world, cell.umid, program_id, behind if wants_devices else ())
            shown = CellState.CONFLICT if cell.state is CellState.ENROLLED else cell.state
            assert shown is expected, (program_id, cell)
            seen += 1
    assert seen == 20, "four meters on three sites, five programs"


def criteria_of(program_id: str) -> list[dict[str, Any]]:
    from enrollment.models import ProgramVersion

    return list(ProgramVersion.objects.get(program__program_id=program_id).criteria)
