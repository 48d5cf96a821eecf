"""Conflict rules with what changing one would find, and a version tried on a meter (screen C7)."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from enrollment import catalog
from enrollment.models import ConflictPair
from identity.staff import Role
from tests.console.programs.test_writing import address, page, post, sent
from tests.enrollment.conftest import bare_world, running_utility, utility, world  # noqa: F401 - fixtures
from tests.enrollment.world import World
from tests.factories import UTILITY_A, a_program, meter
from tests.staff import Desk, desk

PAIR = "/admin/conflict-rules/pair/?a=FLEX&b=TRADE"


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    catalog.forget()


@pytest.fixture
def editor(db: None) -> Desk:
    return desk(Role.PROGRAM_EDITOR)


@pytest.fixture
def both(world: World) -> World:  # noqa: F811
    a_program("program-trade-001", conflict_group="TRADE")
    world.enrolled(1)
    world.enrolled(2, program_id="program-trade-001")
    return world


@pytest.mark.django_db
def test_a_pair_shows_whom_it_would_refuse_and_is_saved_with_what_was_shown(both: World, editor: Desk):
    with CaptureQueriesContext(connection) as asked:
        shown = page(editor.get(PAIR))
    assert len(asked) <= 12
    assert "1 pair of living enrolments (2 enrolments) shares a meter" in shown and "ENR-2026-" in shown
    assert "may meet : FLEX, TRADE" in page(editor.get("/admin/conflict-rules/"))
    stale = {"wanted": "DENY", "simulated": "0" * 64, "reason": "Paid twice"}
    late = editor.post(PAIR, stale)
    assert late.status_code == 409 and "not what you were shown" in page(late)
    assert post(editor, PAIR, reason="").status_code == 422

    told = sent(editor, PAIR, reason="Paid twice")
    assert "FLEX and TRADE may not meet from now on" in page(told) and "kept apart : FLEX, TRADE" in page(told)
    assert ConflictPair.objects.get().verdict == "DENY"
    sent(editor, PAIR, reason="They share nothing")
    assert ConflictPair.objects.get().verdict == "ALLOW"
    reasons = Event.objects.filter(action="rule.changed").order_by("pk").values_list("details__reason", flat=True)
    assert list(reasons) == ["Paid twice", "They share nothing"]


@pytest.mark.django_db
def test_whoever_may_only_look_sees_the_rules_and_changes_none(both: World):
    viewer = desk(Role.VIEWER)
    assert viewer.get(PAIR).status_code == 200 and "Reason" not in page(viewer.get(PAIR))
    assert viewer.post(PAIR, {"wanted": "DENY"}).status_code == 403
    assert viewer.get("/admin/conflict-rules/pair/?a=FLEX&b=NOTHING").status_code == 404


@pytest.mark.django_db
def test_a_trial_says_the_verdict_condition_by_condition_and_is_not_kept(world: World, editor: Desk):  # noqa: F811
    assert world.version is not None
    world.utility.knows(meter("umid-009", sanctioned_load_kw=9.0))
    trial = post(editor, address(world.version, "try/"), utility=UTILITY_A, meter="umid-009")

    assert trial.status_code == 200 and "no-store" in trial.headers["Cache-Control"]
    shown = page(trial)
    assert "This meter could join." in shown and "An account in good standing GOOD" in shown
    assert "OWNER" in shown and "9.0 kW" in shown and "CUST-123456" not in shown
    assert post(editor, address(world.version, "try/"), utility=UTILITY_A, meter="umid-404").status_code == 404
    world.utility.is_down = True
    silent = post(editor, address(world.version, "try/"), utility=UTILITY_A, meter="umid-001")
    assert silent.status_code == 503 and "does not answer at the moment" in page(silent)
