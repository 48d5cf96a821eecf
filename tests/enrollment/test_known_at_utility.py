"""By what names a utility knows the person of an enrolment, and what follows where it knows few."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from enrollment import feed, known, notices, standing, told
from enrollment.change_rules import Known, is_still_theirs
from enrollment.models import CustomerNotice, UtilityChange, UtilityNotice
from identity.models import Subject, SubjectUtilityLink
from tests.enrollment.utility import Utility, as_configured
from tests.enrollment.world import World, the_enrollment
from tests.factories import BINA, NOON, RAJESH, UTILITY_A, UTILITY_B, holder, meter

DAY = timedelta(days=1)
LAST_YEAR, YESTERDAY = NOON - 365 * DAY, NOON - DAY
BY_DID = Known(frozenset({RAJESH}), frozenset(), NOON)
BY_ACCOUNT = Known(frozenset({f"{UTILITY_A}#C-1"}), frozenset({"C-1"}), NOON)
BY_NOTHING = Known(frozenset({"https://idp.example#7"}), frozenset(), NOON)


@pytest.mark.parametrize(
    ("person", "holders", "is_theirs"),
    [
        (BY_DID, [holder()], True),
        (BY_DID, [holder(until=YESTERDAY), holder(BINA, since=YESTERDAY)], False),
        (BY_DID, [holder(BINA, since=LAST_YEAR)], False),
        (BY_DID, [], False),
        (BY_ACCOUNT, [holder("", customer="C-1"), holder("", customer="C-2")], True),
        # Of two who held it together the other one stays: whose account we know is known to be gone.
        (BY_ACCOUNT, [holder("", customer="C-1", until=YESTERDAY), holder("", customer="C-2")], False),
        (BY_NOTHING, [holder("", customer="C-1", since=LAST_YEAR)], True),
        (BY_NOTHING, [holder("", customer="C-9", since=NOON + DAY)], False),
        (BY_NOTHING, [holder(BINA, since=LAST_YEAR)], False),
    ],
)
def test_the_record_says_whether_somebody_is_still_there_in_the_names_it_has(
    person: Known, holders: list[Any], is_theirs: bool
) -> None:
    assert is_still_theirs(meter(holders=tuple(holders)), person, NOON + 2 * DAY) is is_theirs


def test_a_meter_the_utility_has_no_more_is_nobody_s() -> None:
    assert not is_still_theirs(None, BY_DID, NOON)


@pytest.fixture
def world(world: World, running_utility: Utility, settings: Any) -> World:
    """Rajesh is enrolled; billing is told."""
    settings.UTILITIES = as_configured(running_utility, uuid4().hex, with_news=True)
    world.enrolled()
    return world


def test_accounts_of_this_utility_and_names_of_merged_subjects_count(world: World) -> None:
    enrollment = the_enrollment()
    twin = Subject.objects.create(did=f"{UTILITY_A}#C-2", merged_into=enrollment.subject)
    for utility_id, account in ((UTILITY_A, "C-1"), (UTILITY_B, "B-1")):
        SubjectUtilityLink.objects.create(
            subject=twin,
            utility_id=utility_id,
            utility_customer_id=account,
            customer_index=uuid4().bytes,
            linked_at=NOON,
        )
    found = known.of(enrollment, UTILITY_A)
    assert found.dids == {RAJESH, f"{UTILITY_A}#C-2"} and found.accounts == {"C-1", "C-2"}


def test_who_is_known_by_an_account_only_is_told_at_that_account(world: World) -> None:
    Subject.objects.create(did=f"{UTILITY_A}#CUST-123456", merged_into=the_enrollment().subject)
    world.utility.knows(
        meter(holders=(holder(BINA, customer="C-2"), holder("did:example:once", customer="CUST-123456")))
    )
    standing.suspend(the_enrollment(), "TEST", now=NOON)
    notices.deliver(NOON)
    assert {notice["utilityCustomerId"] for notice in world.utility.notices} == {"CUST-123456"}


def test_a_stuck_start_holds_the_end_so_that_billing_never_hears_them_the_wrong_way_round(world: World) -> None:
    UtilityNotice.objects.update(state="STUCK")
    standing.end(the_enrollment(), "TEST", now=NOON)
    told.deliver(NOON)
    assert world.utility.told == []
    told.try_again(NOON)
    told.deliver(NOON)
    assert [notice["event"] for notice in world.utility.told] == ["STARTED", "ENDED"]


def test_a_utility_taken_out_of_the_settings_stops_nothing_else(world: World, settings: Any) -> None:
    standing.suspend(the_enrollment(), "TEST", now=NOON)
    UtilityChange.objects.create(
        utility_id=UTILITY_A, change_id="c-1", kind="MOVE_OUT", umid="umid-001", at=NOON, details={},
        came_by="POLL", received_at=NOON, next_attempt_at=NOON,
    )  # fmt: skip
    settings.UTILITIES = [each for each in settings.UTILITIES if each.id != UTILITY_A]
    assert told.deliver(NOON) == 1 and notices.deliver(NOON) == 1 and feed.handle_due(NOON) == 1
    assert set(CustomerNotice.objects.values_list("state", flat=True)) == {"WAITING"}
    assert set(UtilityNotice.objects.values_list("state", flat=True)) == {"WAITING"}
    assert UtilityChange.objects.get().handled_at is None and the_enrollment().state == "SUSPENDED"
