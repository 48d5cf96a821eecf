"""R8, R1, R2 and R3 over claims, and what may be told of them. Pure; spec conflicts."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from enrollment.codes import Code
from enrollment.conflicts import (
    CONTROL_GROUP,
    Conflict,
    Incumbent,
    Rule,
    Wanted,
    find,
    refusal,
    resource_key,
    wanted_resources,
)
from tests.factories import FLEX, OTHER_FLEX

SEPTEMBER = datetime(2026, 9, 1, tzinfo=UTC)
NEXT_SEPTEMBER = datetime(2027, 9, 1, tzinfo=UTC)
METER = Wanted("METER", "umid-001", "FLEX")
DEVICE = Wanted("DER", "der-001", CONTROL_GROUP)


def enrolled(**changes: Any) -> Incumbent:
    """Rajesh's own enrolment of umid-001 in the other flexibility program, September to September."""
    values: dict[str, Any] = {
        "kind": "METER",
        "reference": "umid-001",
        "group": "FLEX",
        "starts_at": SEPTEMBER,
        "ends_at": NEXT_SEPTEMBER,
        "is_hold": False,
        "is_same_subject": True,
        "program_id": OTHER_FLEX,
        "enrollment_id": "enrollment-existing-001",
    }
    return Incumbent(**{**values, **changes})


def found(*incumbents: Incumbent, wanted: tuple[Wanted, ...] = (METER,), denied: set[str] | None = None) -> list[str]:
    return [c.rule for c in conflicts(*incumbents, wanted=wanted, denied=denied)]


def conflicts(
    *incumbents: Incumbent, wanted: tuple[Wanted, ...] = (METER,), denied: set[str] | None = None
) -> tuple[Conflict, ...]:
    return find(wanted, incumbents, program_id=FLEX, denied_groups=denied or set())


def test_a_free_meter_has_no_conflict() -> None:
    assert found() == []


def test_the_same_meter_in_the_same_group_is_already_enrolled() -> None:
    (conflict,) = conflicts(enrolled())

    assert conflict.rule is Rule.R1 and conflict.conflict_type == "METER_ALREADY_ENROLLED"
    assert conflict.reason == (
        "Meter umid-001 is already enrolled in program-flex-other-001 from 2026-09-01 to 2027-09-01"
    )
    assert conflict.free_from == NEXT_SEPTEMBER


def test_the_same_meter_in_another_group_is_no_conflict() -> None:
    assert found(enrolled(group="TRADE")) == []


def test_another_meter_of_the_same_subject_is_no_conflict() -> None:
    assert found(enrolled(reference="umid-002")) == []


def test_a_device_under_two_controllers_is_already_enrolled() -> None:
    (conflict,) = conflicts(enrolled(kind="DER", reference="der-001", group=CONTROL_GROUP), wanted=(DEVICE,))

    assert conflict.rule is Rule.R2 and conflict.conflict_type == "DER_ALREADY_ENROLLED"
    assert conflict.reason.startswith("Device der-001 is already enrolled")


def test_groups_that_may_not_meet_are_a_program_conflict_both_ways() -> None:
    trade = enrolled(group="TRADE", program_group="TRADE")

    assert found(trade, denied={"TRADE"}) == ["R3"]
    assert conflicts(trade, denied={"TRADE"})[0].conflict_type == "PROGRAM_CONFLICT"
    assert found(trade, denied={"TARIFF"}) == []


def test_a_directly_controlled_device_meets_a_denied_group_by_its_program_s_own() -> None:
    controlled = enrolled(kind="DER", reference="der-001", group=CONTROL_GROUP, program_group="EV_CONTROL")
    voluntary = Wanted("DER", "der-001", "FLEX")

    assert found(controlled, wanted=(voluntary,), denied={"EV_CONTROL"}) == ["R3"]


def test_the_same_subject_program_and_meter_under_another_order_is_the_first_rule() -> None:
    (conflict,) = conflicts(enrolled(program_id=FLEX))

    assert conflict.rule is Rule.R8 and conflict.conflict_type == "DATE_OVERLAP"
    assert "under another order" in refusal([conflict]).sentence


def test_the_first_rule_holds_though_the_program_changed_its_group() -> None:
    assert found(enrolled(program_id=FLEX, group="FLEX_OLD")) == ["R8"]


def test_another_subject_s_enrolment_in_the_same_program_is_a_taken_meter() -> None:
    assert found(enrolled(program_id=FLEX, is_same_subject=False)) == ["R1"]


def test_all_conflicts_are_reported_in_the_order_of_the_rules() -> None:
    wanted = (METER, Wanted("METER", "umid-002", "FLEX"), DEVICE)
    trade = enrolled(group="TRADE", enrollment_id="e-trade")
    device = enrolled(kind="DER", reference="der-001", group=CONTROL_GROUP, enrollment_id="e-device")
    second = enrolled(reference="umid-002", enrollment_id="e-second")
    again = enrolled(program_id=FLEX, enrollment_id="e-again")

    assert found(trade, device, second, again, wanted=wanted, denied={"TRADE"}) == ["R8", "R1", "R2", "R3"]


# --- what may be told ------------------------------------------------------------------------------------------------


def test_of_another_person_s_enrolment_neither_id_nor_program_nor_start_is_told() -> None:
    (conflict,) = conflicts(enrolled(is_same_subject=False))
    told = refusal([conflict])

    assert (conflict.enrollment_id, conflict.program_id) == ("", "")
    assert conflict.reason == "Meter umid-001 is already enrolled in another program"
    assert "conflicting_enrollment_id" not in told.details
    everything = f"{conflict}{told}"
    assert OTHER_FLEX not in everything and "enrollment-existing-001" not in everything and "2026" not in everything


def test_the_refusal_is_the_guide_s_with_the_first_free_instant() -> None:
    told = refusal(conflicts(enrolled()))

    assert told.code is Code.ENROLLMENT_CONFLICT and told.field == "conflicts"
    assert told.sentence == (
        "Enrollment conflicts with existing enrollment. Meter umid-001 is already enrolled in another program."
    )
    assert told.details == {
        "conflicting_enrollment_id": "enrollment-existing-001",
        "conflict_end_date": NEXT_SEPTEMBER,
    }


def test_an_open_ended_incumbent_has_no_end_to_come_back_at() -> None:
    (conflict,) = conflicts(enrolled(ends_at=None))

    assert conflict.free_from is None and conflict.reason.endswith("from 2026-09-01")
    assert "conflict_end_date" not in refusal([conflict]).details


def test_a_hold_is_called_a_reservation_and_gives_no_date() -> None:
    (own,) = conflicts(enrolled(is_hold=True, enrollment_id=""))
    (another_s,) = conflicts(enrolled(is_hold=True, enrollment_id="", is_same_subject=False))

    assert own.reason == "Meter umid-001 is reserved by another application for program-flex-other-001"
    assert own.free_from is None and another_s.free_from is None
    assert another_s.program_id == ""


# --- keys ------------------------------------------------------------------------------------------------------------


def test_a_program_with_direct_control_claims_its_devices_for_itself_alone() -> None:
    direct = wanted_resources(["umid-001"], ["der-001"], group="EV_CONTROL", is_direct_control=True)
    voluntary = wanted_resources(["umid-001"], ["der-001"], group="FLEX", is_direct_control=False)

    assert [(w.kind, w.group) for w in direct] == [("METER", "EV_CONTROL"), ("DER", CONTROL_GROUP)]
    assert [(w.kind, w.group) for w in voluntary] == [("METER", "FLEX"), ("DER", "FLEX")]


def test_keys_are_the_same_in_every_process_and_release() -> None:
    # Written out: a key that changed would make two enrolments of one meter possible.
    assert resource_key("METER", "umid-001") == 1092489891005268255
    assert resource_key("GROUP", "FLEX") == 4414654068203057803


@given(st.text(), st.text())
def test_keys_fit_a_range_of_bigint_and_differ_by_kind(reference: str, other: str) -> None:
    key = resource_key("METER", reference)

    assert 0 <= key < 2**62
    assert (key == resource_key("METER", other)) is (reference == other)
    assert key != resource_key("DER", reference)


INCUMBENTS = st.lists(
    st.builds(
        enrolled,
        reference=st.sampled_from(["umid-001", "umid-002", "umid-009"]),
        group=st.sampled_from(["FLEX", "TRADE", "TARIFF"]),
        program_id=st.sampled_from([FLEX, OTHER_FLEX]),
        is_same_subject=st.booleans(),
        is_hold=st.booleans(),
        ends_at=st.sampled_from([None, NEXT_SEPTEMBER]),
        starts_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 9, 1), timezones=st.just(UTC)),
    ),
    max_size=6,
    unique_by=lambda i: i.starts_at,
)


@given(INCUMBENTS, st.randoms(use_true_random=False), st.sets(st.sampled_from(["TRADE", "TARIFF"])))
def test_the_order_in_which_incumbents_come_changes_nothing(incumbents: Any, random: Any, denied: set[str]) -> None:
    shuffled = list(incumbents)
    random.shuffle(shuffled)
    wanted = (METER, Wanted("METER", "umid-002", "FLEX"))

    one = find(wanted, incumbents, program_id=FLEX, denied_groups=denied)
    two = find(wanted, shuffled, program_id=FLEX, denied_groups=denied)

    assert one == two
    assert [list(Rule).index(c.rule) for c in one] == sorted(list(Rule).index(c.rule) for c in one)


@given(INCUMBENTS)
def test_nobody_on_a_wanted_resource_in_a_wanted_group_is_overlooked(incumbents: Any) -> None:
    there = [i for i in incumbents if i.reference == "umid-001" and i.group == "FLEX"]

    assert len(find((METER,), there, program_id=FLEX, denied_groups=set())) == len(there)
