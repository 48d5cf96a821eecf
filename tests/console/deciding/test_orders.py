"""Orders that their customers have stopped, in the queue of cases: an application is released or closed here."""

from __future__ import annotations

from typing import Any

import pytest

from audit import clock
from enrollment import freezing, not_me_links
from enrollment.models import CustomerNotice
from identity.staff import Role
from tests.console.deciding.test_files import QUEUE, text_of
from tests.enrollment.conftest import bare_world, running_utility, utility  # noqa: F401 - fixtures
from tests.enrollment.world import World, live_claims, the_case
from tests.factories import NOON, a_program
from tests.staff import Desk, desk

pytestmark = pytest.mark.django_db


@pytest.fixture
def stopping_world(bare_world: World, monkeypatch: pytest.MonkeyPatch) -> World:  # noqa: F811
    monkeypatch.setattr(clock, "now", lambda: NOON)
    bare_world.version = a_program()
    return bare_world


def stopped(number: int) -> str:
    """The page of an order whose customer has said that it was not them."""
    case = the_case(number)
    link = not_me_links.make(CustomerNotice.objects.filter(case=case).order_by("-pk")[0], NOON)
    freezing.stop(link.url.rpartition("/")[2], NOON)
    return f"{QUEUE}order/{case.pk}/"


def decide(who: Desk, page: str, **said: Any) -> Any:
    assert who.post(page, {"act": "take"}).status_code == 303
    return who.post(page, {"act": "decide", **said})


def test_a_stopped_application_is_released_or_closed_and_its_customer_is_told(stopping_world: World) -> None:
    for number in (1, 2):
        stopping_world.prepare(stopping_world.application(number))
    released, closed = stopped(1), stopped(2)
    meera = desk(Role.CASE_WORKER)
    assert text_of(meera.get(QUEUE)).count("Stopped by its customer") >= 2
    assert "call them at the number their utility has" in text_of(meera.get(released))

    assert decide(meera, released, verdict="RELEASE").status_code == 400, "how do they know?"
    assert decide(meera, released, verdict="RELEASE", reason="CALLED_BACK").status_code == 303
    assert (
        decide(meera, closed, verdict="CLOSE", reason="AT_THE_COUNTER", note="Her brother did it.").status_code == 303
    )
    assert not the_case(1).is_frozen and the_case(1).state == "READY"
    assert not the_case(2).is_frozen and the_case(2).state == "WITHDRAWN" and live_claims() == []
    assert list(CustomerNotice.objects.order_by("-pk").values_list("template", flat=True)[:2]) == [
        "not-me-ended",
        "not-me-released",
    ]
    assert meera.post(closed, {"act": "take"}).status_code == 409
    assert "Nothing waits for a decision" in text_of(meera.get(QUEUE))
    assert "What was written down at each check" in text_of(meera.get(f"{closed}why/"))


def test_an_order_that_became_an_enrolment_is_decided_on_its_own_page(stopping_world: World) -> None:
    stopping_world.enrolled(1)
    page = stopped(1)
    meera = desk(Role.CASE_WORKER)
    shown = meera.get(page)
    assert the_case().enrollment.order_number in text_of(shown)
    assert f"/admin/enrollments/{the_case().enrollment.pk}/" in shown.content.decode()
    answer = decide(meera, page, verdict="RELEASE", reason="CALLED_BACK")
    assert answer.status_code == 409 and "on its own page" in text_of(answer) and the_case().is_frozen
