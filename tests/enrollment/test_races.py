"""Many at once on real connections: one meter, one order, one cap, one clock. Nobody deadlocks, nothing is doubled."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections

from audit.log import SYSTEM
from audit.models import Event
from credentials import bulk
from credentials.models import IssuedCredential
from enrollment import bulk as ending_many
from enrollment import lifecycle, services
from enrollment.bulk import Whose
from enrollment.commands import AddMeters, RemoveMeters
from enrollment.models import CapCounter, Claim, Enrollment, EnrollmentCase
from enrollment.results import Confirmed, Prepared, Refused
from tests.enrollment.world import World, live_claims, nothing, portal
from tests.factories import FLEX, NOON, OTHER_FLEX, SIGNED_IN, a_program, at_home, meter, solar, ten_kw_solar

pytestmark = pytest.mark.django_db(transaction=True)
LATER = NOON + timedelta(hours=1)


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Do all of them at the same moment, each on its own connection; what each gave back, or its exception."""
    gate = threading.Barrier(len(acts))
    results: list[Any] = [None] * len(acts)

    def run(place: int, act: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            results[place] = act()
        except Exception as problem:
            results[place] = problem
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads), "somebody still waits"
    return results


def kinds(results: list[Any]) -> Counter[str]:
    return Counter(str(r.refusal.code) if isinstance(r, Refused) else type(r).__name__ for r in results)


def test_of_six_orders_that_add_one_meter_exactly_one_gets_it_and_a_removal_waits_for_nobody(world: World) -> None:
    a_program(OTHER_FLEX)
    for n in range(6):
        world.utility.knows(meter(f"umid-1{n}"))
        world.enrolled(n, f"umid-1{n}", program_id=OTHER_FLEX if n % 2 else FLEX)
    world.enrolled(6, "umid-001")

    def add(n: int) -> Any:
        command = AddMeters(world.order(n), (at_home("umid-003"),))
        return services.add_meters(command, authority=SIGNED_IN, actor=portal(), now=NOON, also_write=nothing)

    def leave() -> Any:
        return services.remove_meters(
            RemoveMeters(world.order(6), ("umid-001",)), actor=portal(), now=NOON, also_write=nothing
        )

    world.utility.knows(meter("umid-003"))
    results = at_once(*(lambda n=n: add(n) for n in range(6)), leave)  # type: ignore[misc]

    assert kinds(results[:6]) == {"MetersChanged": 1, "ENROLLMENT_CONFLICT": 5} and kinds(results[6:]) == {"Ended": 1}
    assert live_claims().count(("CLAIMED", "umid-003")) == 1


def test_of_twelve_confirms_of_one_meter_exactly_one_enrols(world: World) -> None:
    a_program(OTHER_FLEX)
    for n in range(12):
        # Each hold has run out when the next order comes: all twelve are READY at the end.
        program = {"program_id": OTHER_FLEX} if n % 2 else {}
        result = world.prepare(world.application(n, **program), now=NOON - timedelta(hours=12 - n))
        assert isinstance(result, Prepared)

    results = at_once(*(lambda n=n: world.confirm(n) for n in range(12)))  # type: ignore[misc]

    assert kinds(results) == {"Confirmed": 1, "ENROLLMENT_CONFLICT": 11}
    assert live_claims() == [("CLAIMED", "umid-001")]
    assert Enrollment.objects.count() == 1 and IssuedCredential.objects.count() == 2
    assert Counter(EnrollmentCase.objects.values_list("state", flat=True)) == {"CONFIRMED": 1, "REJECTED": 11}


def test_the_same_confirm_twelve_times_at_once_is_one_enrolment(world: World) -> None:
    world.prepare()

    results = at_once(*([world.confirm] * 12))

    assert kinds(results) == {"Confirmed": 12}
    assert len({r.order.enrollment.enrollment_id for r in results}) == 1
    assert Enrollment.objects.count() == 1 and IssuedCredential.objects.count() == 2


def test_the_same_first_init_eight_times_at_once_is_one_case_with_one_hold(world: World) -> None:
    command = world.application()

    results = at_once(*([lambda: world.prepare(command)] * 8))

    assert kinds(results) == {"Prepared": 8}
    assert EnrollmentCase.objects.count() == 1 and live_claims() == [("HELD", "umid-001")]


@pytest.mark.multi_meter
def test_inits_over_the_same_meters_in_different_orders_do_not_deadlock(world: World) -> None:
    umids = [f"umid-{n}" for n in range(6)]
    world.utility.knows(*(meter(u) for u in umids))
    commands = [world.application(n, *(umids if n % 2 else umids[::-1])) for n in range(8)]

    results = at_once(*(lambda c=c: world.prepare(c) for c in commands))  # type: ignore[misc]

    # One person, one program: each takes the hold of the one before (decision 31).
    assert kinds(results) == {"Prepared": 8}
    assert live_claims() == [("HELD", u) for u in sorted(umids)]


def test_a_cap_is_never_passed_by_many_at_once(bare_world: World) -> None:
    a_program(max_meters=3)
    for n in range(8):
        bare_world.utility.knows(meter(f"umid-{n}"))
        bare_world.prepare(bare_world.application(n, f"umid-{n}"))

    results = at_once(*(lambda n=n: bare_world.confirm(n) for n in range(8)))  # type: ignore[misc]

    assert kinds(results) == {"Confirmed": 3, "CAPACITY_FULL": 5}
    assert CapCounter.objects.get().used == 3 and len(live_claims()) == 3


def test_confirms_and_inits_with_new_facts_lock_in_the_same_order(world: World) -> None:
    a_program(OTHER_FLEX)
    world.utility.knows(solar())
    for n in range(6):
        program = {"program_id": OTHER_FLEX} if n % 2 else {}
        command = world.application(n, ders=(ten_kw_solar(),), **program)
        world.prepare(command, now=NOON - timedelta(hours=6 - n))
    # New facts: every init and every confirm has rows of the meter and the device to write.
    world.utility.knows(meter(grid_area="north-9"), solar(model="SP-500"))
    again = [world.application(f"new-{n}", ders=(ten_kw_solar(),)) for n in range(6)]

    results = at_once(
        *(lambda n=n: world.confirm(n) for n in range(6)),  # type: ignore[misc]
        *(lambda c=c: world.prepare(c) for c in again),  # type: ignore[misc]
    )

    assert set(kinds(results)) <= {"Confirmed", "Prepared", "ENROLLMENT_CONFLICT"}
    assert kinds(results)["Confirmed"] <= 1
    live = Claim.objects.filter(state__in=["HELD", "CLAIMED"])
    assert live.filter(reference="umid-001").count() == 1


def test_leaving_many_times_at_once_revokes_once(bare_world: World) -> None:
    a_program(max_meters=5)
    bare_world.enrolled(1)

    results = at_once(*([bare_world.end] * 4), *([bare_world.cancel] * 2), *([bare_world.withdraw_consent] * 2))

    assert set(kinds(results)) <= {"Ended", "ConsentWithdrawn"}
    assert CapCounter.objects.get().used == 0 and live_claims() == []


def test_a_clock_turned_by_several_workers_at_once_tells_once(world: World, told: list[Any]) -> None:
    umids = [f"umid-{n}" for n in range(4)]
    world.utility.knows(*(meter(u) for u in umids))
    for n, umid in enumerate(umids):
        world.enrolled(n, umid, starts_at=LATER)

    results = at_once(*([lambda: lifecycle.turn_the_clock(LATER)] * 4))

    assert sum(results) == 4 and len(told) == 4
    assert set(Enrollment.objects.values_list("state", flat=True)) == {"ACTIVE"}


def test_a_waiting_case_is_asked_for_by_one_worker_at_a_time(world: World, told: list[Any], settings: Any) -> None:
    from tests.enrollment.utility import as_configured

    world.utility.is_down = True
    world.prepare()
    world.utility.is_down, world.utility.seconds = False, 0.2
    settings.UTILITIES = as_configured(world.utility, "after")
    asked = len(world.utility.asked)

    results = at_once(*([lambda: lifecycle.retry_waiting(NOON + timedelta(minutes=1))] * 4))

    assert sum(results) == 1 and len(told) == 1 and len(world.utility.asked) == asked + 1


def test_holds_that_run_out_while_they_are_taken_over_do_not_deadlock(world: World) -> None:
    umids = [f"umid-{n}" for n in range(10)]
    world.utility.knows(*(meter(u) for u in umids))
    world.prepare(world.application(0, *umids))
    a_program(OTHER_FLEX)
    commands = [world.application(n, *umids[::-1], program_id=OTHER_FLEX) for n in range(1, 4)]

    results = at_once(
        *(lambda c=c: world.prepare(c, now=LATER) for c in commands),  # type: ignore[misc]
        *([lambda: lifecycle.expire_holds(LATER)] * 4),
    )

    assert not [r for r in results if isinstance(r, Exception)]
    assert Counter(state for state, _ in live_claims()) == {"HELD": 10}
    assert isinstance(results[0], Confirmed | Prepared)


def test_people_who_leave_while_their_program_ends_leave_once_and_nobody_deadlocks(world: World) -> None:
    for n in range(12):
        world.utility.knows(meter(f"umid-{n:03d}"))
        world.enrolled(n, f"umid-{n:03d}")
    ending_many.ask(Whose(program_id=FLEX), reason="PROGRAM_ENDED", actor=SYSTEM, now=NOON)

    def work() -> None:
        while bulk.work(LATER):
            pass

    def leave(numbers: Iterable[int]) -> None:
        for n in numbers:
            world.end(n, reason="MOVING", now=LATER)

    results = at_once(work, work, lambda: leave(range(12)), lambda: leave(reversed(range(12))))
    work()

    assert results == [None] * 4
    assert set(Enrollment.objects.values_list("state", "cancelled_at")) == {("CANCELLED", LATER)}
    assert Event.objects.filter(action="enrollment.cancelled").count() == 12
    assert IssuedCredential.objects.filter(revoked_at=None).count() == 0
    assert all(claim.period.upper == LATER for claim in Claim.objects.all())
