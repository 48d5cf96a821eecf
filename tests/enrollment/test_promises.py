"""What the database itself refuses, whoever asks: constraints and triggers of enrollment."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import DataError, IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models.deletion import RestrictedError

from enrollment.conflicts import Wanted
from enrollment.models import (
    CapCounter,
    CaseCheck,
    Claim,
    ConflictPair,
    Consent,
    ConsentEvent,
    ConsentText,
    Enrollment,
    EnrollmentCase,
    EnrollmentMeter,
    Program,
    ProgramVersion,
)
from tests.enrollment.world import World, at, the_case, the_enrollment
from tests.factories import LONG_AGO, NOON, a_program, criterion

REFUSED = (IntegrityError, DataError)


def refused(do: Callable[[], object], by: str) -> None:
    """The database refuses this act, naming the promise it would break."""
    with pytest.raises(REFUSED) as problem, transaction.atomic():
        do()
    assert by in str(problem.value), problem.value


@pytest.fixture
def enrolled(world: World) -> World:
    world.enrolled(1, starts_at=at(2026, 11, 1), ends_at=at(2027, 11, 1))
    return world


# --- claims ----------------------------------------------------------------------------------------------------------


def claim(**changes: Any) -> Claim:
    enrollment, wanted = the_enrollment(), Wanted("METER", "umid-001", "FLEX")
    values: dict[str, Any] = {
        "resource": wanted.resource,
        "conflict_group": wanted.group_key,
        "kind": "METER",
        "reference": "umid-001",
        "group_name": "FLEX",
        "period": DateTimeTZRange(at(2027, 5, 1), at(2028, 5, 1), "[)"),
        "state": "CLAIMED",
        "case": enrollment.case,
        "enrollment": enrollment,
        "subject": enrollment.subject,
        "program": enrollment.program_version.program,
    }
    return Claim.objects.create(**{**values, **changes})


TAKEN = "a_resource_is_claimed_once_per_group_and_time"


def test_one_resource_group_and_time_is_claimed_once(enrolled: World) -> None:
    refused(claim, TAKEN)
    refused(lambda: claim(state="HELD", enrollment=None, hold_expires_at=NOON), TAKEN)
    refused(lambda: claim(period=DateTimeTZRange(at(2020, 1, 1), None, "[)")), TAKEN)


@pytest.mark.parametrize(
    "free",
    [
        {"resource": 7},
        {"conflict_group": 7},
        {"period": DateTimeTZRange(at(2027, 11, 1), None, "[)")},
        {"period": DateTimeTZRange(at(2026, 10, 1), at(2026, 11, 1), "[)")},
        {"state": "RELEASED"},
    ],
    ids=["another resource", "another group", "from its end on", "until its start", "released"],
)
def test_what_does_not_meet_it_is_let_in(enrolled: World, free: dict[str, Any]) -> None:
    assert claim(**free).pk


def test_a_claim_s_period_has_a_start_and_is_not_empty(enrolled: World) -> None:
    refused(lambda: claim(resource=7, period=DateTimeTZRange(NOON, NOON, "[)")), "claim_period_is_not_empty")
    refused(lambda: claim(resource=7, period=DateTimeTZRange(None, NOON, "[)")), "claim_period_is_not_empty")


def test_a_hold_expires_and_a_claim_has_its_enrolment(enrolled: World) -> None:
    by = "a_hold_expires_and_a_claim_has_its_enrollment"
    refused(lambda: claim(resource=7, state="HELD", enrollment=None), by)
    refused(lambda: claim(resource=7, enrollment=None), by)
    refused(lambda: claim(resource=7, hold_expires_at=NOON), by)


def test_keys_stay_where_a_range_over_them_exists(enrolled: World) -> None:
    refused(lambda: claim(resource=2**63 - 1), "")
    assert claim(resource=2**62 - 1).pk


# --- cases, enrolments, consents -------------------------------------------------------------------------------------


def test_an_order_has_one_case_per_portal(enrolled: World) -> None:
    twin = EnrollmentCase.objects.get()
    twin.pk = None
    refused(lambda: twin.save(force_insert=True), "one_case_per_bap_and_order")


def test_case_number_and_credential_belong_to_one_enrolment(enrolled: World) -> None:
    def again(**changes: Any) -> Callable[[], None]:
        row = the_enrollment()
        values = {"enrollment_id": "enrollment-x", "order_number": "ENR-2026-999999", **changes}
        row.pk = None
        for name, value in values.items():
            setattr(row, name, value)
        return lambda: row.save(force_insert=True)

    other = EnrollmentCase.objects.get()
    other.pk, other.order_id = None, "order-other"
    other.save(force_insert=True)
    consent_s = Consent.objects.get().credential
    refused(again(credential=consent_s), "case_id")
    refused(again(case=other), "credential_id")
    refused(again(case=other, credential=consent_s, order_number=the_enrollment().order_number), "order_number")
    again(case=other, credential=consent_s)()


def test_a_waiting_case_knows_when_it_asks_again(enrolled: World) -> None:
    refused(lambda: EnrollmentCase.objects.update(waiting_act="init"), "waiting_case_knows_its_next_attempt")
    refused(lambda: EnrollmentCase.objects.update(retry_at=NOON), "waiting_case_knows_its_next_attempt")


def test_a_ready_case_has_subject_and_program(enrolled: World) -> None:
    refused(lambda: EnrollmentCase.objects.update(state="READY", subject=None), "ready_case_has_subject_and_program")


def test_an_enrolment_ends_after_it_starts(enrolled: World) -> None:
    empty = DateTimeTZRange(NOON, NOON, "[)")
    refused(lambda: Enrollment.objects.update(period=empty), "enrollment_ends_after_it_starts")
    refused(lambda: Enrollment.objects.update(period=DateTimeTZRange(at(2027, 1, 1), NOON, "[)")), "lower bound")


def test_cancelled_and_suspended_enrolments_have_their_moments(enrolled: World) -> None:
    refused(lambda: Enrollment.objects.update(state="CANCELLED"), "cancelled_enrollment_has_its_moment")
    refused(lambda: Enrollment.objects.update(cancelled_at=NOON), "cancelled_enrollment_has_its_moment")
    refused(lambda: Enrollment.objects.update(state="SUSPENDED"), "suspended_enrollment_has_its_moment")


def test_a_meter_stands_once_in_an_enrolment(enrolled: World) -> None:
    twin = EnrollmentMeter.objects.get()
    twin.pk = None
    refused(lambda: twin.save(force_insert=True), "a_meter_once_per_enrollment")


def test_a_consent_of_a_type_lives_once_per_enrolment(enrolled: World) -> None:
    twin = Consent.objects.get()
    twin.pk, twin.consent_id, twin.credential = None, "consent-x", the_enrollment().credential
    refused(lambda: twin.save(force_insert=True), "one_live_consent_per_type_direction_and_enrollment")


def test_a_revoked_consent_has_its_moment(enrolled: World) -> None:
    refused(lambda: Consent.objects.update(state="REVOKED"), "revoked_consent_has_its_moment")
    refused(lambda: Consent.objects.update(revoked_at=NOON), "revoked_consent_has_its_moment")


def test_a_cap_counter_is_never_negative(enrolled: World) -> None:
    counter = CapCounter.objects.create(program=Program.objects.get())
    refused(lambda: CapCounter.objects.filter(pk=counter.pk).update(used=-1), "")


def test_a_pair_of_groups_is_written_once_and_in_order(db: None) -> None:
    ConflictPair.objects.create(group_a="FLEX", group_b="TRADE", verdict="DENY")

    again = {"group_a": "FLEX", "group_b": "TRADE", "verdict": "ALLOW"}
    refused(lambda: ConflictPair.objects.create(**again), "a_pair_of_groups_once")
    turned = {"group_a": "TRADE", "group_b": "FLEX", "verdict": "DENY"}
    refused(lambda: ConflictPair.objects.create(**turned), "pair_of_groups_is_written_in_order")


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [CaseCheck, ConsentEvent, ConsentText])
def test_evidence_is_only_added(enrolled: World, model: Any) -> None:
    table = model._meta.db_table
    assert model.objects.exists()

    def run(sql: str) -> Callable[[], None]:
        def do() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # TRUNCATE waits for no foreign key
                cursor.execute(sql)

        return do

    for sql in (f"UPDATE {table} SET id = id", f"DELETE FROM {table}", f"TRUNCATE {table} CASCADE"):
        refused(run(sql), "rows are only added")


@pytest.mark.parametrize("model", [EnrollmentCase, Enrollment, Program, ProgramVersion])
def test_what_evidence_hangs_on_cannot_be_deleted(enrolled: World, model: Any) -> None:
    with pytest.raises((RestrictedError, IntegrityError)), transaction.atomic():
        model.objects.all().delete()


# --- program versions ------------------------------------------------------------------------------------------------

PUBLISHED = "a published program version does not change"


@pytest.mark.parametrize(
    "change",
    [
        {"name": "Another name"},
        {"criteria": []},
        {"conflict_group": "TRADE"},
        {"max_meters": 5},
        {"state": "DRAFT", "published_at": None},
        {"state": "RETIRED", "name": "Another name"},
    ],
    ids=lambda c: " and ".join(c),
)
def test_a_published_version_is_immutable(db: None, change: dict[str, Any]) -> None:
    version = a_program()

    refused(lambda: ProgramVersion.objects.filter(pk=version.pk).update(**change), PUBLISHED)


def test_a_published_version_may_only_be_retired_and_never_comes_back(db: None) -> None:
    version = a_program()
    rows = ProgramVersion.objects.filter(pk=version.pk)

    assert rows.update(state="RETIRED") == 1
    refused(lambda: rows.update(state="PUBLISHED"), PUBLISHED)
    refused(lambda: rows._raw_delete("default"), "never deleted")  # type: ignore[attr-defined]


def test_a_draft_may_change_and_go(db: None) -> None:
    draft = a_program(state="DRAFT", published_at=None)
    draft.name = "Another name"
    draft.save()

    assert ProgramVersion.objects.filter(pk=draft.pk).delete()[0] == 1


def test_a_program_has_one_published_version(db: None) -> None:
    version = a_program()
    version.pk, version.number = None, 2

    refused(lambda: version.save(force_insert=True), "one_published_version_per_program")


def test_versions_are_numbered_once_and_published_with_their_moment(db: None) -> None:
    version = a_program(state="DRAFT", published_at=None)
    version.pk = None
    refused(lambda: version.save(force_insert=True), "program_version_number_is_unique")
    version.number, version.published_at = 2, NOON
    refused(lambda: version.save(force_insert=True), "published_version_has_its_moment")
    version.published_at, version.opens_at, version.closes_at = None, NOON, NOON - timedelta(days=1)
    refused(lambda: version.save(force_insert=True), "program_closes_after_it_opens")


@pytest.mark.parametrize("criteria", [[criterion("MOON_PHASE")], [{"parameters": {}}], ["GOOD"]])
def test_a_version_that_asks_for_what_nobody_checks_cannot_be_published(db: None, criteria: list[Any]) -> None:
    with pytest.raises(ValidationError):
        a_program(criteria=criteria)
    assert a_program("program-draft", criteria=criteria, state="DRAFT", published_at=None).pk


def test_the_case_in_these_tests_is_the_one_that_was_enrolled(enrolled: World) -> None:
    assert the_case().state == "CONFIRMED" and the_case().created_at > LONG_AGO
