"""Ending many enrolments by one act: all that belongs to each, once, and everybody is told at a pace they can take."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from audit.log import Actor, ActorKind, Channel
from audit.models import Event
from credentials import bulk, keys
from credentials.models import BulkAct, BulkKind, IssuedCredential, StatusChange
from enrollment import bulk as ending_many
from enrollment.bulk import Foreseen, NobodyThere, Whose
from enrollment.commands import ConsentGrant
from enrollment.models import CapCounter, Claim, Consent, ConsentEvent, Enrollment, EnrollmentCase
from enrollment.results import Ended, Snapshot
from identity.models import Agency
from tests.credentials.test_status import published_bits
from tests.enrollment.world import World, at, journal, live_claims, the_enrollment
from tests.factories import DATA_COLLECTION, FLEX, LONG_AGO, NOON, OTHER_FLEX, RESEARCH, a_program, meter

LATER, SECOND = NOON + timedelta(minutes=5), timedelta(seconds=1)
CLERK = Actor(ActorKind.STAFF, "clerk", Channel.CONSOLE)
Told = list[tuple[str, Any, Any]]


@pytest.fixture(autouse=True)
def room_for_news(settings: Any) -> None:
    settings.NEWS_HAS_ROOM = f"{__name__}.always"


def always(bap_id: str, now: Any) -> bool:
    return True


def never(bap_id: str, now: Any) -> bool:
    return False


def enrolled(world: World, count: int = 2, **more: Any) -> None:
    """So many people's meters, each in an order of its own."""
    for number in range(1, count + 1):
        world.utility.knows(meter(f"umid-{number:03d}"))
        world.enrolled(number, f"umid-{number:03d}", **more)


def end_all(whose: Whose | None = None, now: Any = LATER, **more: Any) -> BulkAct:
    asked = whose or Whose(program_id=FLEX)
    act = ending_many.ask(asked, reason="PROGRAM_ENDED", actor=CLERK, now=now, **more)
    work_off(now)
    return act


def work_off(now: Any = LATER) -> None:
    while bulk.work(now):
        pass


def test_all_enrolments_of_a_program_end_with_all_that_belongs_to_them(world: World) -> None:
    enrolled(world, 3)

    act = end_all()

    for enrollment in Enrollment.objects.all():
        assert (enrollment.state, enrollment.cancelled_at, enrollment.end_reason) == (
            "CANCELLED",
            LATER,
            "PROGRAM_ENDED",
        )
    credentials = IssuedCredential.objects.values_list("revoked_at", "revocation_reason")
    assert list(credentials) == [(LATER, "PROGRAM_ENDED")] * 6  # an enrolment's and a consent's each
    assert set(Consent.objects.values_list("state", "revoked_at", "revocation_reason")) == {
        ("REVOKED", LATER, "PROGRAM_ENDED")
    }
    assert [e.event for e in ConsentEvent.objects.order_by("pk")] == ["GRANTED"] * 3 + ["REVOKED"] * 3
    assert all(claim.period.upper == LATER for claim in Claim.objects.all())
    assert not StatusChange.objects.exists() and bulk.progress_of(act.pk).is_over


def test_the_journal_has_a_line_for_each_person_and_one_for_the_batch(world: World) -> None:
    enrolled(world, 2)
    act = end_all()

    lines = list(Event.objects.filter(action="enrollment.cancelled").order_by("pk"))
    assert [line.object_id for line in lines] == list(
        Enrollment.objects.order_by("case").values_list("enrollment_id", flat=True)
    )
    assert {line.details["act"] for line in lines} == {str(act.pk)} and {line.actor_id for line in lines} == {"clerk"}
    assert {line.details["consents_revoked"] for line in lines} == {1}
    assert [e.end_log_reference for e in Enrollment.objects.order_by("case")] == [line.reference for line in lines]
    (batch,) = Event.objects.filter(action="credential.revoked")
    assert (batch.details["changed"], batch.details["digest"]) == (2, act.batches.get().digest)
    assert "consent.revoked" not in journal()


def test_each_who_placed_an_order_is_told_once_and_why(world: World, told: Told) -> None:
    enrolled(world, 2)
    end_all()

    assert [(action, case.order_id) for action, _, case in told] == [("on_update", "order-1"), ("on_update", "order-2")]
    for _, result, _case in told:
        assert isinstance(result, Ended) and not result.is_pending and result.reason == "PROGRAM_ENDED"
        assert result.order.enrollment is not None and result.order.enrollment.credential.is_revoked
        assert [c.state for c in result.consents] == ["REVOKED"]


def test_news_waits_while_a_portal_has_enough_to_read(world: World, told: Told, settings: Any) -> None:
    enrolled(world, 2)
    settings.NEWS_HAS_ROOM = f"{__name__}.never"
    act = end_all()
    progress = bulk.progress_of(act.pk)
    assert told == [] and (progress.to_tell, progress.told) == (2, 0) and progress.act.finished_at is not None
    assert not progress.is_over

    settings.NEWS_HAS_ROOM = f"{__name__}.always"
    work_off(LATER + SECOND)
    assert len(told) == 2 and bulk.progress_of(act.pk).is_over


def test_other_programs_and_what_ended_before_are_left_alone(world: World, told: Told) -> None:
    enrolled(world, 2)
    world.end(1, reason="MOVING")
    other = a_program(OTHER_FLEX, conflict_group="OTHER")
    world.utility.knows(meter("umid-009"))
    world.enrolled(9, "umid-009", program_id=other.program.program_id)
    del told[:]

    act = end_all()

    assert (act.count, len(told)) == (1, 1)
    assert the_enrollment(1).end_reason == "MOVING" and the_enrollment(1).cancelled_at == NOON
    assert the_enrollment(9).state == "ACTIVE" and live_claims()[-1] == ("CLAIMED", "umid-009")


def test_who_left_between_asking_and_doing_is_not_ended_a_second_time(world: World, told: Told) -> None:
    enrolled(world, 2)
    act = ending_many.ask(Whose(program_id=FLEX), reason="PROGRAM_ENDED", actor=CLERK, now=NOON)
    world.end(1, reason="MOVING")
    del told[:]
    work_off()

    assert the_enrollment(1).end_reason == "MOVING" and the_enrollment(2).end_reason == "PROGRAM_ENDED"
    assert [case.order_id for _, _, case in told] == ["order-2"]
    assert bulk.progress_of(act.pk).changed == 1


def test_a_consent_granted_after_the_asking_is_revoked_too(bare_world: World) -> None:
    a_program(required_consents=[DATA_COLLECTION, {**RESEARCH, "outlivesEnrollment": False}])
    bare_world.enrolled(1)
    ending_many.ask(Whose(program_id=FLEX), reason="PROGRAM_ENDED", actor=CLERK, now=NOON)
    bare_world.grant_consents(1, consents=(ConsentGrant("RESEARCH", True),))
    work_off()
    assert set(Consent.objects.values_list("state", flat=True)) == {"REVOKED"}


def test_consents_that_outlive_the_enrolment_stay_where_that_was_asked(bare_world: World) -> None:
    a_program(required_consents=[DATA_COLLECTION, RESEARCH])
    both = (ConsentGrant("DATA_COLLECTION", True), ConsentGrant("RESEARCH", True))
    bare_world.enrolled(1, consents=both)

    end_all(keep_outliving=True)

    states = dict(Consent.objects.values_list("consent_type", "state"))
    assert states == {"DATA_COLLECTION": "REVOKED", "RESEARCH": "GRANTED"}
    assert IssuedCredential.objects.filter(revoked_at=None).count() == 1


def test_the_places_of_a_capped_program_are_given_back(bare_world: World) -> None:
    a_program(max_meters=5)
    enrolled(bare_world, 3)
    assert CapCounter.objects.get().used == 3
    end_all()
    assert CapCounter.objects.get().used == 0


def test_a_planned_end_a_suspension_and_a_start_to_come_end_as_well(bare_world: World) -> None:
    a_program(on_required_consent_revoked="SUSPEND")
    enrolled(bare_world, 2)
    bare_world.end(1, effective_at=at(2027, 5, 1))
    bare_world.withdraw_consent(2)
    bare_world.utility.knows(meter("umid-003"))
    bare_world.enrolled(3, "umid-003", starts_at=at(2026, 11, 1))

    end_all()

    assert set(Enrollment.objects.values_list("state", "end_scheduled_for")) == {("CANCELLED", None)}
    assert live_claims() == [("CLAIMED", "umid-001"), ("CLAIMED", "umid-002")]  # for the time that they covered


def test_the_meters_are_free_for_another_program_afterwards(world: World) -> None:
    world.enrolled(1)
    end_all()
    world.now = LATER
    other = a_program(OTHER_FLEX)
    world.enrolled(2, program_id=other.program.program_id)


def test_suspending_an_agency_ends_nothing_and_ending_what_it_brought_is_an_act_of_its_own(world: World) -> None:
    enrolled(world, 2)
    Agency.objects.create(agency_id="ea-1", name="EA", certified_from=LONG_AGO, suspended_at=NOON)
    EnrollmentCase.objects.filter(order_id="order-2").update(agency_id="ea-1")
    work_off()
    assert Enrollment.objects.live().count() == 2  # type: ignore[attr-defined]

    end_all(Whose(agency_id="ea-1"))
    assert [the_enrollment(number).state for number in (1, 2)] == ["ACTIVE", "CANCELLED"]


def test_nobody_can_be_meant_by_mistake(world: World) -> None:
    for nobody in (Whose(program_id="flex-typo"), Whose(agency_id="ea-typo")):
        with pytest.raises(NobodyThere):
            ending_many.ask(nobody, reason="X", actor=CLERK, now=NOON)
    assert not BulkAct.objects.exists()


def test_what_would_be_ended_is_foreseen_and_nothing_happens(world: World) -> None:
    enrolled(world, 2)
    seen = ending_many.foresee(Whose(program_id=FLEX), now=NOON)
    assert seen == Foreseen(
        enrollments=2,
        consents=2,
        lists={("CONSENT", 1): 2, ("ENROLLMENT", 1): 2},
        baps={"utility-portal.example.com": 2},
        is_still_open=True,
    )
    assert not BulkAct.objects.exists()


def test_the_command_says_what_it_would_do_asks_and_shows_how_far_it_is(world: World, capsys: Any) -> None:
    enrolled(world, 2)

    def said(*arguments: str) -> Any:
        call_command(*arguments, "--json")
        return json.loads(capsys.readouterr().out)

    end = ("enrollments", "end", "--program", FLEX, "--reason", "PROGRAM_ENDED")
    foreseen = said(*end, "--dry-run")
    assert (foreseen["enrollments"], foreseen["consents"], foreseen["isStillOpen"]) == (2, 2, True)
    assert not BulkAct.objects.exists()

    done = said(*end, "--wait")
    assert (done["count"], done["changed"], done["told"], done["isOver"]) == (2, 2, 2, True)
    assert Enrollment.objects.filter(state="CANCELLED").count() == 2
    assert said("bulk", "show", done["id"])["digest"] == done["digest"]
    assert [each["id"] for each in said("bulk", "list")] == [done["id"]]


@pytest.mark.parametrize(
    "wrong",
    [
        ("--program", "flex-typo", "--reason", "PROGRAM_ENDED"),
        ("--program", FLEX, "--reason", "because Mr Kumar moved"),
        ("--program", FLEX),
        ("--reason", "PROGRAM_ENDED"),
        ("--program", FLEX, "--agency", "ea-1", "--reason", "PROGRAM_ENDED"),
    ],
)
def test_the_command_refuses_what_it_cannot_mean(world: World, wrong: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        call_command("enrollments", "end", *wrong)
    assert not BulkAct.objects.exists()


# --- a lost key ------------------------------------------------------------------------------------------------------


def test_whoever_placed_an_order_gets_the_credentials_that_were_signed_again(world: World, told: Told) -> None:
    enrolled(world, 2)
    world.end(2)
    del told[:]
    keys.revoke(keys.active().kid, now=LATER, actor=CLERK)
    work_off()

    ((action, result, case),) = told  # once for the enrolment and its consent; the ended one has nothing living
    assert (action, case.order_id) == ("on_status", "order-1")
    assert isinstance(result, Snapshot) and result.with_credentials


def test_a_consent_signed_by_the_lost_key_is_told_of_even_if_its_enrolment_was_not(
    bare_world: World, told: Told
) -> None:
    a_program(required_consents=[DATA_COLLECTION, RESEARCH])
    bare_world.enrolled(1, consents=(ConsentGrant("DATA_COLLECTION", True),))
    other = keys.announce(now=NOON, actor=CLERK)
    keys.activate(other.kid, now=NOON, actor=CLERK, at_once=True)
    bare_world.grant_consents(1, consents=(ConsentGrant("RESEARCH", True),))
    del told[:]
    keys.revoke(keys.active().kid, now=LATER, actor=CLERK)
    work_off()

    assert BulkAct.objects.get(kind=BulkKind.RESIGN).count == 1
    assert [case.order_id for _, _, case in told] == ["order-1"]


def test_the_message_carries_the_new_bytes(world: World, told: Told) -> None:
    from beckn.profiles import onboarding

    world.enrolled(1)
    keys.revoke(keys.active().kid, now=LATER, actor=CLERK)
    work_off()
    ((action, result, _),) = told
    attributes = onboarding.write(action, result)["order"]["beckn:orderAttributes"]
    enrollment = the_enrollment()
    assert attributes["credential"]["credentialData"] == f"sealed:credential:{enrollment.credential_id}"
    (consent,) = attributes["consents"]
    assert consent["credentialData"] == f"sealed:credential:{Consent.objects.get().credential_id}"
    plain = onboarding.write("on_status", Snapshot(result.order, LATER))["order"]["beckn:orderAttributes"]
    assert "credentialData" not in plain["credential"] and "credentialData" not in plain["consents"][0]


def test_the_lists_are_public_when_the_act_is_called_finished(world: World) -> None:
    enrolled(world, 2)
    end_all()
    assert [sum(byte.bit_count() for byte in published_bits(kind)) for kind in ("ENROLLMENT", "CONSENT")] == [2, 2]
