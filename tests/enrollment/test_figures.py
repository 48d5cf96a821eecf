"""The figures behind the journal: each application counts once, as what it is now, however often it is looked at."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from audit import sequencer
from credentials import publishing
from enrollment.figures import buckets, keeping, reading
from enrollment.figures.reading import Asked
from enrollment.models import CaseFigure, DailyFigure, DurationFigure, EnrollmentCase, ListFigure, RefusalFigure
from tests.enrollment.world import World, code
from tests.factories import FLEX, NOON, UTILITY_A, meter

TODAY = date(2026, 10, 15)
ALL = Asked(TODAY - timedelta(days=30), TODAY + timedelta(days=30))


def counted() -> None:
    """What was journalled is linked and counted, and so is what that wrote."""
    sequencer.link_events(NOON)
    keeping.catch_up(NOON + timedelta(seconds=1))


def kept() -> list[dict[str, Any]]:
    """All kept figures but those that are nothing, without their keys."""
    found: list[dict[str, Any]] = []
    for model in (CaseFigure, DailyFigure, RefusalFigure, DurationFigure):
        for row in model.objects.order_by("pk").values():  # type: ignore[attr-defined]
            row.pop("id", None)
            numbers = [value for name, value in row.items() if name in NUMBERS]
            if not numbers or any(numbers):
                found.append(row)
    return sorted(found, key=str)


NUMBERS = {*reading.STAGES, "refused", "given_up", "joined", "ended", "joined_kw", "ended_kw", "count"}


def test_an_application_counts_in_each_stage_it_came_to_and_once(world: World) -> None:
    world.prepare()
    counted()
    assert reading.funnel(ALL) | {"given_up": 0} == {
        "started": 1,
        "identified": 1,
        "eligible": 1,
        "consented": 0,
        "confirmed": 0,
        "refused": 0,
        "given_up": 0,
    }
    world.prepare()  # the same init again: the same application
    world.confirm()
    counted()
    counted()
    sums = reading.funnel(ALL)
    assert [sums[stage] for stage in reading.STAGES] == [1, 1, 1, 1, 1]
    row = DailyFigure.objects.get(started=1)
    assert (row.day, row.program_id, row.utility_id) == (TODAY, FLEX, UTILITY_A)
    assert reading.living(ALL)[ALL.point_of(TODAY)].kw == 5.0


def test_what_ended_is_subtracted_on_its_day_and_its_capacity_with_it(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    world.enrolled(1)
    world.enrolled(2, "umid-002")
    counted()
    world.end(1, reason="USER_REQUESTED")
    counted()
    standing = reading.living(ALL)[ALL.point_of(TODAY)]
    assert (standing.joined, standing.ended, standing.living, standing.kw) == (2, 1, 1, 5.0)
    assert reading.living_by(ALL, "program_id") == [{"value": FLEX, "living": 1, "kw": 5.0}]


def test_a_refusal_counts_with_its_code_and_one_at_the_door_is_no_application(world: World) -> None:
    world.enrolled(1)
    taken = world.prepare(world.application(2))  # the meter is taken
    unknown = world.prepare(world.application(3, program_id="program-of-nobody"))
    counted()
    told = {(each["code"], each["at_the_door"]): each["count"] for each in reading.refusals(ALL)}
    assert told == {(code(taken), False): 1, (code(unknown), True): 1}
    sums = reading.funnel(ALL)
    assert (sums["started"], sums["refused"], sums["confirmed"]) == (2, 1, 1)


def test_counting_all_anew_gives_the_same_figures_as_following_the_journal(world: World) -> None:
    world.utility.knows(meter("umid-002"), meter("umid-003"))
    world.enrolled(1)
    counted()
    world.enrolled(2, "umid-002")
    world.prepare(world.application(3, "umid-001"))
    world.prepare(world.application(4, "umid-003"))
    world.prepare(world.application(5, program_id="program-of-nobody"))
    counted()
    world.end(1, reason="USER_REQUESTED")
    publishing.publish_due(now=NOON + timedelta(seconds=2))
    counted()
    followed = kept()
    assert keeping.rebuild(NOON + timedelta(seconds=3)) == EnrollmentCase.objects.count()
    assert kept() == followed
    assert keeping.catch_up(NOON + timedelta(seconds=3)) == 0 and kept() == followed


def test_a_revocation_waits_for_the_next_publication_of_its_list(world: World) -> None:
    world.enrolled(1)
    world.end(1, reason="USER_REQUESTED")
    counted()
    assert reading.times(DurationFigure.Kind.PUBLICATION, ALL)[0].count == 0
    publishing.publish_due(now=NOON + timedelta(seconds=2))
    counted()
    whole, _ = reading.times(DurationFigure.Kind.PUBLICATION, ALL)
    assert whole.count == 2 and whole.p95 is not None and 2.0 <= whole.p95 <= 3.0  # the credential and its consent's


def test_the_lists_places_are_kept_by_day(world: World) -> None:
    world.enrolled(1)
    counted()
    row = ListFigure.objects.filter(taken__gt=0).order_by("kind").last()
    assert row is not None and row.kind == "ENROLLMENT" and (row.taken, row.revoked) == (1, 0)
    world.end(1, reason="USER_REQUESTED")
    counted()
    row.refresh_from_db()
    assert row.revoked == 1


def test_a_deleted_application_goes_on_being_counted(world: World) -> None:
    world.prepare()
    counted()
    CaseFigure.objects.update(case_id=EnrollmentCase.objects.get().pk + 1)  # as if its case were gone
    keeping.rebuild(NOON)
    assert reading.funnel(ALL)["started"] == 2


def test_a_percentile_is_told_within_its_bucket() -> None:
    bounds = (1.0, 2.0, 4.0)
    assert buckets.percentile({}, 50, bounds) is None
    assert buckets.percentile({1: 4}, 50, bounds) == 1.5
    assert buckets.percentile({0: 5, 2: 5}, 95, bounds) == pytest.approx(3.8)
    assert buckets.percentile({3: 1}, 50, bounds) == 4.0
    assert [buckets.bucket_of(each, bounds) for each in (0.5, 1.0, 3.9, 4.0)] == [0, 1, 2, 3]
