"""Each act is written whole or not at all, is journalled without a word about the person, and asks few questions."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from audit.models import Event
from enrollment import lifecycle
from enrollment.commands import ConsentGrant
from enrollment.results import Confirmed, Prepared
from tests.enrollment.world import World
from tests.factories import BINA, NOON, RAJESH, SIGNED_IN, a_program, holder, meter, solar, ten_kw_solar

TABLES = (
    "enrollment_cases",
    "case_checks",
    "claims",
    "program_enrollments",
    "consents",
    "consent_events",
    "cap_counters",
    "issued_credentials",
    "audit_logs",
    "subjects",
    "meters",
)


def everything() -> dict[str, list[Any]]:
    with connection.cursor() as cursor:
        content = {}
        for table in TABLES:
            cursor.execute(f"SELECT t::text FROM {table} t ORDER BY 1")
            content[table] = cursor.fetchall()
    return content


def broken(_: Any) -> None:
    raise OSError("the outbox is full")


ACTS: dict[str, tuple[Callable[[World], object], Callable[[World], object]]] = {
    "init": (lambda w: None, lambda w: w.prepare(also_write=broken)),
    "re-init": (
        lambda w: w.prepare(w.application(credentials=())),
        lambda w: w.prepare(also_write=broken),
    ),
    "init refused at the door": (
        lambda w: w.prepare(),
        lambda w: w.prepare(w.application(provider_id="another"), also_write=broken),
    ),
    "init refused": (lambda w: w.prepare(), lambda w: w.prepare(w.application(1, "umid-9"), also_write=broken)),
    "confirm": (lambda w: w.prepare(), lambda w: w.confirm(also_write=broken)),
    "confirm refused": (lambda w: w.prepare(), lambda w: w.confirm(subject_did=BINA, also_write=broken)),
    "leaving": (lambda w: w.enrolled(1), lambda w: w.end(also_write=broken)),
    "leaving later": (
        lambda w: w.enrolled(1),
        lambda w: w.end(effective_at=NOON + timedelta(days=9), also_write=broken),
    ),
    "cancel": (lambda w: w.prepare(), lambda w: w.cancel(also_write=broken)),
    "withdrawal of consent": (lambda w: w.enrolled(1), lambda w: w.withdraw_consent(also_write=broken)),
    "grant of consent": (
        lambda w: (w.enrolled(1), w.withdraw_consent()),
        lambda w: w.grant_consents(consents=(ConsentGrant("DATA_COLLECTION", True),), also_write=broken),
    ),
}


@pytest.mark.parametrize("name", ACTS)
def test_an_act_whose_answer_cannot_be_written_did_not_happen(bare_world: World, name: str) -> None:
    a_program(max_meters=9, on_required_consent_revoked="SUSPEND")
    before_it, act = ACTS[name]
    before_it(bare_world)
    before = everything()

    with pytest.raises(OSError), transaction.atomic():
        act(bare_world)

    assert everything() == before


def silent(world: World) -> None:
    world.utility.is_down = True


@pytest.mark.parametrize("is_confirm", [False, True])
def test_a_wait_whose_answer_cannot_be_written_does_not_begin(world: World, is_confirm: bool) -> None:
    if is_confirm:
        world.prepare()
    silent(world)
    before = everything()

    with pytest.raises(OSError), transaction.atomic():
        world.confirm(also_write=broken) if is_confirm else world.prepare(also_write=broken)

    assert everything() == before


# --- the journal -----------------------------------------------------------------------------------------------------

PRIVATE = (RAJESH, BINA, "Rajesh", "rajesh@example.com", "CUST-123456", "+91000", "MTR-")


def test_no_line_of_the_journal_or_of_a_check_names_the_person(world: World) -> None:
    person = {"name": "Rajesh Kumar", "email": "rajesh@example.com", "phone": "+910000000001"}
    world.prepare(world.application(person=person))
    world.confirm(subject_did="")
    world.withdraw_consent(reason="USER_REQUESTED")
    world.end(effective_at=NOON + timedelta(days=9))
    world.end(is_withdrawn=True)
    lifecycle.turn_the_clock(NOON + timedelta(days=400))
    world.prepare(world.application(2, subject_did=BINA, person=person))
    silent(world)
    world.prepare(world.application(3, person=person))

    content = everything()
    kept = str(content["audit_logs"]) + str(content["case_checks"]) + str(content["consent_events"])
    assert len(content["audit_logs"]) > 8
    for word in PRIVATE:
        assert word not in kept, word


def test_the_person_s_words_are_nowhere_in_clear(world: World) -> None:
    person = {"name": "Rajesh Kumar", "email": "rajesh@example.com", "phone": "+910000000001"}
    silent(world)
    world.prepare(world.application(person=person))

    whole = str(everything())
    assert not [word for word in ("Rajesh", "rajesh@example.com", "+910000000001", "CUST-123456") if word in whole]


def test_every_line_names_who_did_it_and_about_whom(world: World) -> None:
    world.enrolled(1)
    world.end()

    lines = Event.objects.filter(action__in=["case.ready", "enrollment.confirmed", "enrollment.cancelled"])
    assert {(e.actor_kind, e.actor_id, e.channel) for e in lines} == {
        ("PARTICIPANT", "utility-portal.example.com", "PORTAL")
    }
    assert all(e.subject and e.at == NOON for e in lines)


# --- questions to the database ---------------------------------------------------------------------------------------


def questions(act: Callable[[], Any]) -> tuple[int, Any]:
    with CaptureQueriesContext(connection) as asked:
        result = act()
    return len([q for q in asked.captured_queries if "SAVEPOINT" not in q["sql"]]), result


@pytest.mark.multi_meter
@pytest.mark.parametrize("is_confirm", [False, True])
def test_twenty_meters_take_hardly_more_questions_than_one(world: World, is_confirm: bool) -> None:
    many = [f"umid-{n}" for n in range(20)]
    world.utility.knows(*(meter(u, holders=(holder(),)) for u in many))
    one, twenty = world.application(1), world.application(2, *many, credentials=(), subject_did=RAJESH)
    if is_confirm:
        world.prepare(one)
        world.prepare(twenty, authority=SIGNED_IN)
        few, first = questions(lambda: world.confirm(1))
        more, second = questions(lambda: world.confirm(2))
        assert isinstance(first, Confirmed) and isinstance(second, Confirmed)
    else:
        few, first = questions(lambda: world.prepare(one))
        more, second = questions(lambda: world.prepare(twenty, authority=SIGNED_IN))
        assert isinstance(first, Prepared) and isinstance(second, Prepared)

    assert more <= few + 3


def test_an_init_and_a_confirm_ask_no_more_than_they_did(world: World) -> None:
    """The figures are today's: a change that needs more should know it."""
    world.enrolled("before")
    world.end("before")
    world.utility.knows(solar())

    inits, _ = questions(lambda: world.prepare(world.application(1, ders=(ten_kw_solar(),))))
    confirms, result = questions(lambda: world.confirm(1))

    assert isinstance(result, Confirmed)
    assert inits <= 26 and confirms <= 29, (inits, confirms)
