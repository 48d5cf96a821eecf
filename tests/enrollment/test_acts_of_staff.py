"""What staff does to one order or to many: everybody's services, with a reason, a note, and two persons for many."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction

from audit.log import Actor, ActorKind, Channel
from audit.models import Event
from credentials import bulk
from credentials.models import BulkAct, IssuedCredential, PublicCheck
from enrollment import by_staff, freezing, many
from enrollment.by_staff import Asked, NotPossible
from enrollment.filtering import Filter
from enrollment.models import Claim, Consent, CustomerNotice, Enrollment, EnrollmentCase, StaffAct
from enrollment.results import ConsentWithdrawn, Ended, Snapshot
from tests.enrollment.test_bulk_ending import always, enrolled, never, room_for_news, work_off  # noqa: F401
from tests.enrollment.world import World, at, the_case, the_enrollment
from tests.factories import FLEX, NOON, a_program, meter

LATER = NOON + timedelta(minutes=5)
CLERK = Actor(ActorKind.STAFF, "17", Channel.CONSOLE)
ASHA, RAVI = str(uuid4()), str(uuid4())
FLEXIBLE = Filter(program=FLEX)


def asked(reason: str = "MISUSE", **more: Any) -> Asked:
    return Asked(reason, more.pop("actor", CLERK), more.pop("now", LATER), **more)


def ask_many(kind: str = "END", count: int = 2, **more: Any) -> BulkAct:
    return many.ask(kind, more.pop("what", FLEXIBLE), asked(), person=more.pop("person", ASHA), count=count, **more)


def approve(act: BulkAct, person: str = RAVI, digest: str = "") -> None:
    many.approve(act, asked("CHECKED"), person=person, digest=digest or act.digest)


# --- one -------------------------------------------------------------------------------------------------------------


def test_staff_ends_an_enrolment_with_all_that_belongs_to_it_and_leaves_reason_and_note(
    world: World, told: list[Any]
) -> None:
    world.enrolled()
    act = by_staff.end(the_enrollment(), asked(note="Rang twice."))

    row = the_enrollment()
    assert (row.state, row.cancelled_at, row.end_reason) == ("CANCELLED", LATER, "MISUSE")
    assert {claim.period.upper for claim in Claim.objects.all()} == {LATER}
    assert Consent.objects.get().state == "REVOKED"
    assert (act.kind, act.note, act.by, act.log_reference) == ("END", "Rang twice.", "17", row.end_log_reference)
    assert set(act.credentials) == set(IssuedCredential.objects.values_list("pk", flat=True))
    ((action, result, case),) = told
    assert action == "on_update" and isinstance(result, Ended) and result.reason == "MISUSE" and case == row.case
    line = Event.objects.get(action="enrollment.cancelled")
    assert (line.actor_kind, line.actor_id, line.channel) == ("STAFF", "17", "CONSOLE") and "Rang" not in str(
        line.details
    )
    with connection.cursor() as cursor:
        cursor.execute("SELECT note::text FROM staff_acts")
        assert "Rang" not in cursor.fetchone()[0]


def test_both_lists_of_an_end_are_to_be_looked_at_from_outside(world: World) -> None:
    world.enrolled()
    act = by_staff.end(the_enrollment(), asked())

    row, consent = the_enrollment(), Consent.objects.get()
    checks = PublicCheck.objects.filter(about=by_staff.about(act)).order_by("status_list__kind")
    assert [(c.status_list_id, c.purpose, c.indexes, c.is_set, c.due_at) for c in checks] == [
        (each.credential.status_list_id, "revocation", [each.credential.status_index], True, LATER)
        for each in (consent, row)
    ]


def test_an_end_at_a_moment_to_come_is_planned_and_can_be_taken_back(world: World, told: list[Any]) -> None:
    world.enrolled()
    moment = at(2026, 12, 1)
    act = by_staff.end(the_enrollment(), asked("USER_REQUESTED"), at=moment)
    assert (act.kind, act.effective_at, act.credentials) == ("PLAN_END", moment, [])
    assert the_enrollment().end_scheduled_for == moment and not PublicCheck.objects.exists()
    assert told[-1][1].is_pending

    by_staff.stay(the_enrollment(), asked("MADE_IN_ERROR"))
    assert the_enrollment().end_scheduled_for is None
    with pytest.raises(NotPossible, match="No end is planned"):
        by_staff.stay(the_enrollment(), asked("MADE_IN_ERROR"))


def test_what_is_over_is_not_ended_twice_and_nothing_is_left_behind(world: World, told: list[Any]) -> None:
    world.enrolled()
    world.end()
    before = (StaffAct.objects.count(), Event.objects.count(), len(told))
    for act in (by_staff.end, by_staff.suspend, by_staff.resume, by_staff.stay):
        with pytest.raises(NotPossible):
            act(the_enrollment(), asked())
    assert (StaffAct.objects.count(), Event.objects.count(), len(told)) == before
    assert by_staff.possible(the_enrollment()) == {}


def test_staff_suspends_and_resumes_and_everybody_is_told(world: World, told: list[Any]) -> None:
    world.enrolled()
    assert list(by_staff.possible(the_enrollment())) == ["END", "SUSPEND"]
    by_staff.suspend(the_enrollment(), asked("UNDER_REVIEW"))
    row = the_enrollment()
    assert (row.state, row.suspension_reason, row.credential.suspended_at) == ("SUSPENDED", "UNDER_REVIEW", LATER)
    assert by_staff.possible(row) == {"END": None, "RESUME": None}

    by_staff.resume(row, asked("CLEARED_UP"))
    row = the_enrollment()
    assert (row.state, row.credential.suspended_at) == ("ACTIVE", None)
    assert [(action, type(result)) for action, result, _ in told] == [("on_status", Snapshot)] * 2
    templates = CustomerNotice.objects.order_by("pk").values_list("template", flat=True)
    assert list(templates)[-2:] == ["enrollment-suspended", "enrollment-resumed"]
    assert list(PublicCheck.objects.order_by("pk").values_list("purpose", "is_set")) == [
        ("suspension", True),
        ("suspension", False),
    ]


def test_nobody_resumes_over_a_consent_that_the_program_needs(bare_world: World) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    bare_world.enrolled()
    act = by_staff.revoke_consent(Consent.objects.get(), asked())
    row = the_enrollment()
    assert row.state == "SUSPENDED" and act.consent == Consent.objects.get()
    assert set(PublicCheck.objects.values_list("purpose", flat=True)) == {"revocation", "suspension"}
    assert "consent" in str(by_staff.possible(row)["RESUME"])
    with pytest.raises(NotPossible, match="consent"):
        by_staff.resume(row, asked("CLEARED_UP"))
    with pytest.raises(NotPossible, match="not given any more"):
        by_staff.revoke_consent(Consent.objects.get(), asked())


def test_a_revoked_consent_is_told_to_the_portal(world: World, told: list[Any]) -> None:
    world.enrolled()
    by_staff.revoke_consent(Consent.objects.get(consent_type="DATA_COLLECTION"), asked("USER_REQUESTED"))
    action, result, _case = told[-1]
    assert action == "on_update" and isinstance(result, ConsentWithdrawn) and result.consent.state == "REVOKED"


def test_what_the_customer_has_stopped_goes_on_only_by_its_release(world: World) -> None:
    world.enrolled()
    freezing._stop(the_case(), NOON)
    row = the_enrollment()
    assert set(by_staff.possible(row)) == {"RELEASE", "END", "RESUME"} and by_staff.possible(row)["RESUME"]
    with pytest.raises(NotPossible, match="not them"):
        by_staff.resume(row, asked("CLEARED_UP"))
    act = by_staff.release(the_case(), asked("CALLED_BACK"))
    assert the_enrollment().state == "ACTIVE" and act.credentials == [row.credential_id]
    with pytest.raises(NotPossible, match="not stopped"):
        by_staff.release(the_case(), asked("CALLED_BACK"))


# --- many ------------------------------------------------------------------------------------------------------------


def test_nothing_is_due_before_a_second_person_has_approved_the_frozen_set(world: World) -> None:
    enrolled(world, 2)
    act = ask_many()
    work_off(LATER + timedelta(hours=1))
    assert act.due_at is None and set(Enrollment.objects.values_list("state", flat=True)) == {"ACTIVE"}

    approve(act)
    work_off()
    assert set(Enrollment.objects.values_list("state", flat=True)) == {"CANCELLED"}
    assert bulk.progress_of(act.pk).is_over and bulk.progress_of(act.pk).changed == 2
    actions = Event.objects.filter(action__startswith="bulk.").order_by("pk")
    assert list(actions.values_list("action", flat=True)) == ["bulk.asked", "bulk.approved", "bulk.finished"]
    kinds = act.staff_acts.order_by("at", "kind").values_list("kind", flat=True)
    assert sorted(kinds) == ["APPROVE", "ASK"]
    checks = PublicCheck.objects.filter(about=f"bulk:{act.pk}")
    assert {(c.status_list.kind, len(c.indexes), c.is_set) for c in checks} == {
        ("ENROLLMENT", 2, True),
        ("CONSENT", 2, True),
    }


def test_who_asked_cannot_approve_and_another_digest_is_another_set(world: World) -> None:
    enrolled(world, 2)
    act = ask_many()
    for person, digest, why in ((ASHA, "", "yourself"), ("", "", "yourself"), (RAVI, "0" * 64, "not the set")):
        with pytest.raises(NotPossible, match=why):
            approve(act, person, digest)
    assert BulkAct.objects.get().due_at is None


@pytest.mark.parametrize(
    "change",
    [
        {"approved_by": ASHA, "approved_digest": "DIGEST"},  # who asked
        {"approved_by": RAVI, "approved_digest": "0" * 64},  # another set
        {"approved_by": "", "approved_digest": "DIGEST"},  # nobody
        {"approved_by": RAVI, "approved_digest": "DIGEST", "approved_at": LATER + timedelta(days=8)},  # too late
        {"approved_at": None, "approved_by": "", "approved_digest": ""},  # due without approval
    ],
)
def test_the_database_itself_refuses_what_is_not_another_persons_approval(world: World, change: dict[str, Any]) -> None:
    enrolled(world, 1)
    act = ask_many(count=1)
    values = {"approved_at": LATER, "due_at": LATER, **change}
    values = {name: act.digest if value == "DIGEST" else value for name, value in values.items()}
    with pytest.raises(IntegrityError), transaction.atomic():
        BulkAct.objects.filter(pk=act.pk).update(**values)


def test_what_was_asked_for_never_changes_between_asking_and_approving(world: World) -> None:
    enrolled(world, 1)
    act = ask_many(count=1)
    for change in ({"kind": "PAUSE"}, {"digest": "1" * 64}, {"count": 5}, {"asked_by": RAVI}, {"reason": "OTHER"}):
        with pytest.raises(IntegrityError, match="keeps what was asked for"), transaction.atomic():
            BulkAct.objects.filter(pk=act.pk).update(**change)


def test_an_act_that_nobody_approved_in_a_week_or_that_was_refused_is_never_done(world: World) -> None:
    enrolled(world, 2)
    late, refused = ask_many(), ask_many("PAUSE")
    assert list(bulk.to_approve(LATER)) == [late, refused]
    many.refuse(refused, asked("WRONG_SET"), person=RAVI)
    week = Asked("CHECKED", CLERK, LATER + timedelta(days=7))
    for act in (late, refused):
        with pytest.raises(NotPossible, match="does not wait"):
            many.approve(act, week, person=RAVI, digest=act.digest)
    assert not bulk.to_approve(LATER + timedelta(days=7)).exists()
    assert Event.objects.get(action="bulk.refused").details["refusal"] == "WRONG_SET"


def test_the_second_person_sees_what_has_changed_since(world: World) -> None:
    enrolled(world, 3)
    act = ask_many(count=3)
    world.end(1)
    by_staff.suspend(the_enrollment(2), asked())
    enrolled_later(world, 4)

    since = many.since(act)
    assert (since.still, since.gone, since.new, since.is_more) == (2, 1, 1, False)
    assert since.at_asking == {"ACTIVE": 3}
    assert since.by_state == {"ACTIVE": 1, "CANCELLED": 1, "SUSPENDED": 1}

    approve(act)
    work_off()
    states = [the_enrollment(number).state for number in (1, 2, 3, 4)]
    assert states == ["CANCELLED", "CANCELLED", "CANCELLED", "ACTIVE"]
    assert the_enrollment(1).end_reason != "MISUSE", "what had ended before keeps its own end"


def enrolled_later(world: World, number: int) -> None:
    world.utility.knows(meter(f"umid-{number:03d}"))
    world.enrolled(number, f"umid-{number:03d}")


def test_many_are_suspended_and_resumed_but_for_those_that_something_keeps(bare_world: World, told: list[Any]) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    enrolled(bare_world, 3)
    pause = ask_many("PAUSE", 3)
    approve(pause)
    work_off()
    assert set(Enrollment.objects.values_list("state", "suspension_reason")) == {("SUSPENDED", "MISUSE")}
    assert IssuedCredential.objects.filter(kind="ENROLLMENT", suspended_at=LATER).count() == 3
    assert [action for action, _, _ in told] == ["on_status"] * 3

    EnrollmentCase.objects.filter(pk=the_case(1).pk).update(frozen_at=LATER)
    by_staff.revoke_consent(Consent.objects.get(enrollment=the_enrollment(2)), asked())
    go_on = many.ask("GO_ON", FLEXIBLE, asked("CLEARED_UP"), person=ASHA, count=3)
    many.approve(go_on, asked("CHECKED"), person=RAVI, digest=go_on.digest)
    work_off()
    assert [the_enrollment(number).state for number in (1, 2, 3)] == ["SUSPENDED", "SUSPENDED", "ACTIVE"]
    assert the_enrollment(3).credential.suspended_at is None and bulk.progress_of(go_on.pk).changed == 1
    lines = Event.objects.filter(action__in=["enrollment.suspended", "enrollment.resumed"], details__has_key="act")
    assert lines.count() == 4


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"person": ""}, "account of their own"),
        ({"what": Filter()}, "Narrow the list"),
        ({"what": Filter(program="nobody's")}, "no such enrolment"),
        ({"count": 5}, "other enrolments"),
    ],
)
def test_nobody_is_meant_by_mistake(world: World, more: dict[str, Any], why: str) -> None:
    enrolled(world, 1)
    with pytest.raises(NotPossible, match=why):
        ask_many(**{"count": 1, **more})
    assert not BulkAct.objects.exists()
