"""Who has signed a presentation is known by their DID alone: what the utility records for that DID is theirs."""

from __future__ import annotations

from enrollment.commands import Authority
from enrollment.states import CaseState
from tests.enrollment.world import World, code, the_case
from tests.factories import BINA, PORTAL, RAJESH, holder, meter

SIGNED = Authority(PORTAL, proven_subject=RAJESH)


def test_the_utilitys_record_of_the_signers_did_proves_the_meter(world: World) -> None:
    result = world.prepare(world.application(credentials=[]), authority=SIGNED)

    assert the_case().state == CaseState.READY
    assert {each["type"]: each.get("source") for each in result.requirements.credentials} == {
        "MeterOwnershipCredential": "UTILITY",
        "ProgramEligibilityCredential": "UTILITY",
    }


def test_a_record_that_names_nobody_leaves_the_meter_to_a_credential(world: World) -> None:
    world.utility.knows(meter(holders=()))

    result = world.prepare(world.application(credentials=[]), authority=SIGNED)
    assert the_case().state == CaseState.NEEDS_INPUT
    assert [each.type for each in result.missing] == ["MeterOwnershipCredential"]

    world.prepare(world.application(credentials=[world.ownership()]), authority=SIGNED)
    assert the_case().state == CaseState.READY


def test_somebody_elses_meter_is_not_found_however_well_one_signs(world: World) -> None:
    world.utility.knows(meter(holders=(holder(BINA),)))

    assert code(world.prepare(world.application(credentials=[]), authority=SIGNED)) == "METER_NOT_FOUND"
