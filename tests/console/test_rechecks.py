"""EA-7, the program owner's half: a suspended agency's enrolments stay; its last thirty days are looked at again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from audit import clock
from audit.log import SYSTEM
from audit.models import Event
from console import news
from enrollment.models import Enrollment, EnrollmentCase, Recheck
from identity import agencies, mandates
from identity.models import Agency, User
from identity.staff import Role
from tests.enrollment.conftest import bare_world, nothing_remembered, running_utility, utility, world  # noqa: F401
from tests.enrollment.world import World
from tests.factories import LONG_AGO, meter
from tests.staff import desk


@pytest.fixture
def enrolled(world: World) -> list[Enrollment]:  # noqa: F811
    """Three of the agency ea-001: today's, one of 29 days ago, one of 31 days ago; and one of nobody's."""
    for agency_id in ("ea-001", "ea-002"):
        agencies.add(agency_id, agencies.Details("Agency", LONG_AGO), actor=SYSTEM, at=clock.now())
    for number in range(1, 5):
        world.utility.knows(meter(f"umid-00{number}"))
        world.enrolled(number, f"umid-00{number}")
    rows = list(Enrollment.objects.order_by("pk"))
    for row, days in zip(rows[:3], (0, 29, 31), strict=True):
        EnrollmentCase.objects.filter(pk=row.case_id).update(agency_id="ea-001", operator_id="op-1")
        Enrollment.objects.filter(pk=row.pk).update(enrolled_at=clock.now() - timedelta(days=days))
    return rows


def waiting() -> list[int]:
    return list(Recheck.objects.filter(done_at=None).order_by("pk").values_list("enrollment_id", flat=True))


def suspend(agency_id: str = "ea-001") -> None:
    agencies.suspend(agency_id, reason="complaints", actor=SYSTEM, at=clock.now())


def test_ea_7_a_suspension_leaves_enrolments_untouched_and_queues_its_last_thirty_days_once(
    enrolled: list[Enrollment],
) -> None:
    before = list(Enrollment.objects.order_by("pk").values())

    suspend()
    suspend()
    suspend("ea-002")

    assert waiting() == [enrolled[0].pk, enrolled[1].pk]
    assert list(Enrollment.objects.order_by("pk").values()) == before
    (line,) = Event.objects.filter(action="recheck.queued")
    assert (line.object_id, (line.details or {})["enrollments"]) == ("ea-001", 2)
    agencies.resume("ea-001", reason="mended", actor=SYSTEM, at=clock.now())
    suspend()
    assert len(waiting()) == 2, "what waits already waits once"


def test_the_console_lists_what_waits_and_keeps_what_came_of_it(enrolled: list[Enrollment]) -> None:
    suspend()
    client = desk(Role.CASE_WORKER)
    assert any("2 enrolments of suspended agencies" in each.text for each in news.of_today(clock.now()))
    listed = client.get(reverse("admin:enrollment_recheck_changelist")).content.decode()
    assert enrolled[0].order_number in listed and enrolled[2].order_number not in listed
    row = Recheck.objects.get(enrollment=enrolled[0])
    page = reverse("admin:enrollment_recheck_change", args=[row.pk])
    mandate = mandates.give(
        subject=enrolled[0].subject,
        agency=Agency.objects.get(agency_id="ea-001"),
        operator_id="op-1",
        utility_id="utility-example-001",
        program_id="program-flex-demand-response-001",
        now=clock.now(),
        evidence_kind="CODE",
        evidence_digest="ab" * 32,
    )
    EnrollmentCase.objects.filter(pk=enrolled[0].case_id).update(mandate_id=mandate.mandate_id)
    assert "agreed by a code to their registered contact" in client.get(page).content.decode()
    assert "ask the customer at the contact" in client.get(page).content.decode()

    act = reverse("admin:enrollment_recheck_done", args=[row.pk])
    for said, problem in (({}, "Select what came of it"), ({"outcome": "IN_ORDER"}, "Write how you know")):
        refused = client.post(act, said)
        assert refused.status_code == 422 and problem in refused.content.decode()
    said = {"outcome": "CUSTOMER_ASKED", "note": "She answered the telephone and knew of it."}
    assert client.post(act, said).status_code == 303
    assert client.post(act, said).status_code == 409

    row.refresh_from_db()
    assert (row.outcome, row.done_by) == ("CUSTOMER_ASKED", str(User.objects.get().pk))
    assert waiting() == [enrolled[1].pk]
    assert (
        enrolled[0].order_number
        not in client.get(reverse("admin:enrollment_recheck_changelist") + "?done=no").content.decode()
    )
    line = Event.objects.get(action="recheck.done")
    assert line.object_id == enrolled[0].enrollment_id and "telephone" not in str(line.details)
    assert said["note"] in client.get(page).content.decode()


def test_who_may_only_look_keeps_nothing_and_the_database_wants_the_whole_answer(
    enrolled: list[Enrollment],
) -> None:
    suspend()
    row = Recheck.objects.all()[0]
    client = desk(Role.VIEWER)
    act = reverse("admin:enrollment_recheck_done", args=[row.pk])
    said: dict[str, Any] = {"outcome": "IN_ORDER", "note": "looked"}

    assert client.post(act, said).status_code == 403 and client.get(act).status_code in (403, 405)
    assert (
        "What came of it?" not in client.get(reverse("admin:enrollment_recheck_change", args=[row.pk])).content.decode()
    )
    for half in ({"done_at": clock.now()}, {"outcome": "IN_ORDER"}, {"done_at": clock.now(), "done_by": "1"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Recheck.objects.filter(pk=row.pk).update(**half)
