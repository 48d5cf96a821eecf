"""The confirm that succeeds: what one transaction writes, and what a second confirm answers."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.db import transaction

from audit.models import Event
from credentials import services as credentials
from credentials.models import IssuedCredential
from enrollment.models import CapCounter, Claim, Consent, ConsentEvent, Enrollment, EnrollmentDer, EnrollmentMeter
from enrollment.results import Confirmed, MeterState, Result, Stage
from tests.enrollment.world import World, at, code, journal, live_claims, the_case, the_enrollment
from tests.factories import (
    FLEX,
    NOON,
    OTHER_FLEX,
    RAJESH,
    SIGNED_IN,
    a_program,
    battery,
    holder,
    meter,
    solar,
    ten_kw_solar,
)

NOVEMBER = at(2026, 11, 1)
LAST_SECOND = at(2027, 11, 1) - timedelta(seconds=1)


def payload(token: str) -> dict[str, Any]:
    """The content of a JWT, unchecked: its signature is checked where credentials are tested."""
    body = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))  # type: ignore[no-any-return]


# --- one transaction -------------------------------------------------------------------------------------------------


def test_a_confirm_writes_enrolment_claim_consent_credentials_and_journal(world: World) -> None:
    result = world.enrolled(1, starts_at=NOVEMBER, ends_at=LAST_SECOND, end_as_given="2027-10-31T23:59:59Z")

    enrollment = the_enrollment()
    assert enrollment.state == "SCHEDULED" and enrollment.end_as_given == "2027-10-31T23:59:59Z"
    assert (enrollment.period.lower, enrollment.period.upper) == (NOVEMBER, at(2027, 11, 1))
    assert enrollment.order_number == "ENR-2026-000001"
    assert list(enrollment.meters.values_list("umid", flat=True)) == ["umid-001"]

    claim = Claim.objects.get()
    assert (claim.state, claim.reference, claim.enrollment_id) == ("CLAIMED", "umid-001", enrollment.pk)
    assert (claim.period, claim.hold_expires_at) == (enrollment.period, None)

    consent = Consent.objects.get()
    assert (consent.state, consent.consent_type, consent.basis) == ("GRANTED", "DATA_COLLECTION", "CONFIRM")
    assert consent.text_digest.startswith("sha256:") and consent.locale == "en" and consent.meters == ["umid-001"]
    assert [e.event for e in ConsentEvent.objects.all()] == ["GRANTED"]

    assert {c.kind for c in IssuedCredential.objects.all()} == {"ENROLLMENT", "CONSENT"}
    event = Event.objects.get(action="enrollment.confirmed")
    assert event.reference == enrollment.log_reference == result.order.enrollment.log_reference  # type: ignore[union-attr]
    assert (the_case().state, the_case().payload) == ("CONFIRMED", None)
    assert journal() == ["case.ready", "enrollment.confirmed", "consent.granted"]
    assert Event.objects.get(action="consent.granted").details == {"types": ["DATA_COLLECTION"], "bases": ["CONFIRM"]}


def test_the_credential_says_what_was_enrolled_and_nothing_of_the_person(world: World) -> None:
    world.prepare(world.application(person={"name": "Rajesh Kumar", "email": "rajesh@example.com"}))
    world.confirm(starts_at=NOVEMBER, ends_at=LAST_SECOND, end_as_given="2027-10-31T23:59:59Z")

    token = credentials.signed_jwt(the_enrollment().credential_id)
    content, header = payload(token), jwt.get_unverified_header(token)

    assert header["alg"] == "ES256"
    assert content["sub"] == RAJESH
    assert content["nbf"] == int(NOVEMBER.timestamp()) and content["exp"] == int(LAST_SECOND.timestamp())
    subject = content["vc"]["credentialSubject"]
    assert subject["enrollmentId"] == the_enrollment().enrollment_id
    assert (subject["programId"], subject["meters"], subject["status"]) == (FLEX, ["umid-001"], "ACTIVE")
    assert (subject["startDate"], subject["endDate"]) == ("2026-11-01T00:00:00Z", "2027-10-31T23:59:59Z")
    assert len(content["vc"]["credentialStatus"]) == 2
    assert "Rajesh" not in json.dumps(content) and "rajesh@" not in json.dumps(content)


def test_when_the_caller_cannot_write_its_answer_nothing_is_left(world: World) -> None:
    world.prepare()
    before = Event.objects.count()

    def broken(_: Result) -> None:
        raise OSError("the outbox is full")

    with pytest.raises(OSError), transaction.atomic():
        world.confirm(also_write=broken)

    for model in (Enrollment, EnrollmentMeter, Consent, ConsentEvent, IssuedCredential):
        assert model.objects.count() == 0  # type: ignore[attr-defined]
    assert Event.objects.count() == before and live_claims() == [("HELD", "umid-001")]
    assert the_case().state == "READY" and isinstance(world.confirm(), Confirmed)


def test_the_caller_s_answer_is_written_in_the_same_transaction_after_everything_else(world: World) -> None:
    world.prepare()
    seen: list[tuple[bool, int, str]] = []

    def look(result: Result) -> None:
        in_atomic = transaction.get_connection().in_atomic_block
        seen.append((in_atomic, Enrollment.objects.count(), the_case().state))

    world.confirm(also_write=look)

    assert seen == [(True, 1, "CONFIRMED")]


@pytest.mark.django_db(transaction=True)
def test_the_network_is_asked_with_no_transaction_open(utility: Any, settings: Any) -> None:
    from credentials import bootstrap
    from tests.factories import LONG_AGO

    settings.TESTS_WRAP_IN_TRANSACTIONS = False  # the guard of outbound: RuntimeError within a transaction
    bootstrap.ensure(LONG_AGO)
    world = World(utility)
    a_program()
    status = world.ownership(status=3)
    world.prepare(world.application(credentials=(status, world.eligibility())))

    assert isinstance(world.confirm(), Confirmed)


# --- devices, several meters, dates ----------------------------------------------------------------------------------


def test_devices_are_claimed_and_named_in_the_credential_with_their_owner_s_role(world: World) -> None:
    world.utility.knows(solar(), battery())
    world.enrolled(1, ders=(ten_kw_solar(), replace(ten_kw_solar("der-battery-001"), type="BATTERY_STORAGE")))

    subject = payload(credentials.signed_jwt(the_enrollment().credential_id))["vc"]["credentialSubject"]

    assert subject["ders"] == ["der-battery-001", "der-solar-001"] and subject["roles"] == ["consumer", "prosumer"]
    assert EnrollmentDer.objects.count() == 2
    assert [r for _, r in live_claims()] == ["der-battery-001", "der-solar-001", "umid-001"]


@pytest.mark.multi_meter
def test_of_two_meters_the_one_that_was_taken_since_is_refused_and_the_other_enrolled(world: World) -> None:
    a_program(OTHER_FLEX)
    world.utility.knows(meter("umid-002"))
    world.prepare(world.application(1, "umid-001", "umid-002"))
    later = NOON + timedelta(hours=1)
    world.now = later
    world.enrolled(2, "umid-002", program_id=OTHER_FLEX)

    result = world.confirm(1)

    assert isinstance(result, Confirmed)
    assert {m.umid: m.state for m in result.order.meters} == {
        "umid-001": MeterState.ENROLLED,
        "umid-002": MeterState.REJECTED,
    }
    assert [(m.umid, m.refusal.code) for m in result.refused if m.refusal] == [("umid-002", "ENROLLMENT_CONFLICT")]
    content = payload(credentials.signed_jwt(the_enrollment().credential_id))
    assert content["vc"]["credentialSubject"]["meters"] == ["umid-001"]


def test_a_program_of_all_or_nothing_enrols_none_when_one_was_taken(bare_world: World) -> None:
    a_program(partial="ALL_OR_NOTHING")
    a_program(OTHER_FLEX)
    bare_world.utility.knows(meter("umid-002"))
    bare_world.prepare(bare_world.application(1, "umid-001", "umid-002"))
    bare_world.now = NOON + timedelta(hours=1)
    bare_world.enrolled(2, "umid-002", program_id=OTHER_FLEX)

    assert code(bare_world.confirm(1)) == "ENROLLMENT_CONFLICT"
    assert the_case(1).state == "REJECTED" and live_claims() == [("CLAIMED", "umid-002")]


@pytest.mark.multi_meter
def test_a_confirm_may_choose_some_of_the_application_s_meters(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    world.prepare(world.application(1, "umid-001", "umid-002"))

    result = world.confirm(meters=("umid-002", "umid-002"))

    assert isinstance(result, Confirmed) and [m.umid for m in result.order.meters] == ["umid-002"]
    assert live_claims() == [("CLAIMED", "umid-002")]


def test_a_certificate_that_names_a_meter_left_out_still_certifies_its_device(bare_world: World) -> None:
    needs_certificate = {"type": "DERCertificationCredential", "description": ""}
    a_program(required_credentials=[needs_certificate])
    bare_world.utility.knows(meter("umid-002"), solar())
    claims = {"derId": "der-solar-001", "derType": "SOLAR_PV", "capacityKW": 10, "meterId": "umid-001"}
    given = (
        bare_world.ownership(),
        bare_world.ownership("umid-002"),
        bare_world.vc("DERCertificationCredential", claims),
    )
    bare_world.prepare(bare_world.application(1, "umid-001", "umid-002", ders=(ten_kw_solar(),), credentials=given))

    assert isinstance(bare_world.confirm(meters=("umid-002",)), Confirmed)


def test_a_start_within_the_last_day_is_taken_as_written_and_active_at_once(world: World) -> None:
    yesterday = NOON - timedelta(hours=23)

    world.enrolled(1, starts_at=yesterday)

    assert the_enrollment().state == "ACTIVE" and the_enrollment().period.lower == yesterday


def test_the_dates_of_the_init_hold_where_the_confirm_names_none(world: World) -> None:
    world.prepare(world.application(starts_at=NOVEMBER, ends_at=LAST_SECOND, end_as_given="2027-10-31T23:59:59Z"))

    world.confirm()

    assert the_enrollment().period.lower == NOVEMBER and the_enrollment().end_as_given == "2027-10-31T23:59:59Z"


def test_order_numbers_count_within_their_year_and_grow_beyond_six_digits(world: World) -> None:
    from django.db import connection

    from enrollment.enrolling import next_order_number

    world.enrolled(1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('enrollment_numbers_2026', 999999)")

    assert next_order_number(NOON) == "ENR-2026-1000000"
    assert next_order_number(at(2027, 1, 1)) == "ENR-2027-000001"


def test_an_order_number_that_was_rolled_back_with_its_sequence_leaves_the_next_one_to_make_it(world: World) -> None:
    from django.db import connection, transaction

    from enrollment.enrolling import next_order_number

    far = at(2999, 1, 1)
    with transaction.atomic():
        assert [next_order_number(far), next_order_number(far)] == ["ENR-2999-000001", "ENR-2999-000002"]
        transaction.set_rollback(True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass('enrollment_numbers_2999')")
        assert cursor.fetchone() == (None,)

    assert next_order_number(far) == "ENR-2999-000001"


# --- again -----------------------------------------------------------------------------------------------------------


def test_the_same_confirm_again_answers_the_same_enrolment_and_issues_nothing(world: World) -> None:
    first = world.enrolled(1)
    issued = IssuedCredential.objects.count()

    again = world.confirm()

    assert isinstance(again, Confirmed)
    one, two = first.order.enrollment, again.order.enrollment
    assert one is not None and two is not None
    assert (two.enrollment_id, two.order_number, two.log_reference) == (
        one.enrollment_id,
        one.order_number,
        one.log_reference,
    )
    assert two.credential.jwt_ref == one.credential.jwt_ref
    assert IssuedCredential.objects.count() == issued and Enrollment.objects.count() == 1
    assert journal().count("enrollment.confirmed") == 1


def test_only_the_first_answer_carries_the_link_s_token(world: World) -> None:
    first, again = world.enrolled(1), world.confirm()

    assert "?t=" in first.order.enrollment.credential.access_url  # type: ignore[union-attr]
    assert "?t=" not in again.order.enrollment.credential.access_url


def test_a_second_confirm_that_names_somebody_else_is_a_mismatch_and_harms_nothing(world: World) -> None:
    world.enrolled(1)

    assert code(world.confirm(subject_did="did:example:mallory")) == "SUBJECT_MISMATCH"
    assert the_enrollment().state == "ACTIVE" and live_claims() == [("CLAIMED", "umid-001")]


def test_the_confirm_of_an_enrolment_that_ended_since_tells_its_end(world: World) -> None:
    world.enrolled(1)
    world.end()

    again = world.confirm()

    assert isinstance(again, Confirmed) and again.order.enrollment is not None
    assert again.order.enrollment.state == "CANCELLED"


# --- who speaks ------------------------------------------------------------------------------------------------------


def test_what_was_proven_at_init_need_not_be_proven_again(world: World) -> None:
    world.prepare(world.application(credentials=()), authority=SIGNED_IN)

    assert isinstance(world.confirm(authority=replace(SIGNED_IN, proven_subject="")), Confirmed)


def test_a_confirm_need_not_name_the_customer(world: World) -> None:
    world.prepare()

    assert isinstance(world.confirm(subject_did=""), Confirmed)


# --- caps ------------------------------------------------------------------------------------------------------------


@pytest.mark.multi_meter
def test_a_cap_counts_meters_and_is_never_passed(bare_world: World) -> None:
    a_program(max_meters=2)
    bare_world.utility.knows(*(meter(f"umid-{n}") for n in range(3)))
    bare_world.prepare(bare_world.application(2, "umid-2"))
    bare_world.enrolled(1, "umid-0", "umid-1")

    result = bare_world.confirm(2)

    assert code(result) == "CAPACITY_FULL" and result.refusal.details == {"waitlist": False}
    assert the_case(2).state == "REJECTED" and CapCounter.objects.get().used == 2
    assert "umid-2" not in [r for _, r in live_claims()]


def test_an_application_to_a_full_program_is_refused_and_may_come_again(bare_world: World) -> None:
    a_program(max_meters=1)
    bare_world.utility.knows(meter("umid-002", holders=(holder(),)))
    bare_world.enrolled(1)

    result = bare_world.prepare(bare_world.application(2, "umid-002"))

    assert code(result) == "CAPACITY_FULL" and result.stage is Stage.CONFLICTS and not result.conflicts
    assert the_case(2).state == "REJECTED"
    assert live_claims() == [("CLAIMED", "umid-001")] and CapCounter.objects.get().used == 1

    bare_world.end(1)
    assert isinstance(bare_world.enrolled(2, "umid-002"), Confirmed)


def test_a_place_that_becomes_free_is_given_to_the_next(bare_world: World) -> None:
    a_program(max_meters=1)
    bare_world.utility.knows(meter("umid-002", holders=(holder(),)))
    bare_world.enrolled(1)
    bare_world.end(1)

    assert isinstance(bare_world.enrolled(2, "umid-002"), Confirmed)
    assert CapCounter.objects.get().used == 1
