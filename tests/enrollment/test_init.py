"""The init: what it answers, writes and holds. Real PostgreSQL, a real utility over HTTP, really signed credentials."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from audit.models import Event
from credentials import services as credentials
from enrollment.commands import Authority, DerRef, PresentedCredential
from enrollment.models import CaseCheck, EnrollmentCase
from enrollment.results import Prepared, Refused, Stage
from identity.models import Subject
from sandbox import issuing
from tests.enrollment.world import World, at, code, journal, live_claims, the_case, the_enrollment
from tests.factories import (
    BINA,
    FLEX,
    NOON,
    PORTAL,
    RAJESH,
    SIGNED_IN,
    UTILITY_B,
    a_program,
    at_home,
    criterion,
    holder,
    meter,
    solar,
    ten_kw_solar,
)
from utility_systems.models import Der

# --- ready -----------------------------------------------------------------------------------------------------------


def test_a_complete_application_is_ready_and_holds_its_meter_for_half_an_hour(world: World) -> None:
    result = world.prepare()

    assert isinstance(result, Prepared) and not result.missing and not result.conflicts
    assert result.order.case_state == "READY"
    assert [(c.type, c.is_verified) for c in result.credentials] == [
        ("MeterOwnershipCredential", True),
        ("ProgramEligibilityCredential", True),
    ]
    assert live_claims() == [("HELD", "umid-001")]
    hold = the_case().claims.get()
    assert hold.hold_expires_at == NOON + timedelta(minutes=30)
    assert (hold.period.lower, hold.period.upper) == (NOON, NOON + timedelta(days=365))
    assert journal() == ["case.ready"]


def test_the_journal_tells_what_was_done_step_by_step(world: World) -> None:
    world.utility.knows(solar())
    world.prepare(world.application(ders=(ten_kw_solar(),)))

    steps = ["presented.checked", "meter.resolved", "der.resolved", "conflict.checked", "hold.placed", "case.ready"]
    lines = list(Event.objects.order_by("pk"))[-len(steps) :]
    assert [line.action for line in lines] == steps
    assert {(line.actor_id, line.subject, line.object_id) for line in lines} == {
        (PORTAL, str(the_case().subject_id), str(the_case().pk))
    }
    assert lines[0].details == {"verified": 2, "failed": []} and lines[3].details == {"rules": []}


def test_the_consents_asked_for_name_the_meters_they_cover_and_who_grants_them(world: World) -> None:
    world.utility.knows(meter("umid-002", holders=(holder("did:example:somebody-else"),)))
    result = world.prepare(world.application(1, "umid-001", "umid-002"))

    assert isinstance(result, Prepared)
    assert [(c["meters"], c["grantor"]) for c in result.requirements.consents] == [(["umid-001"], RAJESH)]


def test_an_enrolment_said_to_exist_is_a_hint_that_is_warned_of_when_it_does_not_verify(world: World) -> None:
    unsigned = PresentedCredential("vc:existing-001", "ProgramEnrollmentCredential", "VC-JWT", "e30.e30.signature")
    result = world.prepare(world.application(existing=(unsigned,)))

    assert isinstance(result, Prepared) and the_case().state == "READY" and not result.conflicts
    assert [w for w in result.warnings if "vc:existing-001" in w and "does not count" in w]


def test_an_enrolment_of_ours_that_verifies_is_no_warning(world: World) -> None:
    world.enrolled(1)
    jwt = credentials.signed_jwt(the_enrollment(1).credential_id)
    world.utility.knows(meter("umid-002"))
    ours = PresentedCredential("ours", "ProgramEnrollmentCredential", "VC-JWT", jwt)
    result = world.prepare(world.application(2, "umid-002", existing=(ours,)))

    assert isinstance(result, Prepared) and result.warnings == ()


def test_what_was_checked_is_kept_line_by_line(world: World) -> None:
    world.prepare()

    assert list(CaseCheck.objects.values_list("kind", "result").order_by("pk")) == [
        ("CREDENTIAL", "PASS"),
        ("CREDENTIAL", "PASS"),
        ("CRITERION", "PASS"),
        ("CRITERION", "PASS"),
        ("CONFLICTS", "PASS"),
    ]


def test_each_meter_says_whether_it_is_proven(world: World) -> None:
    result = world.prepare()

    assert [(m.umid, m.is_proven) for m in result.order.meters] == [("umid-001", True)]


def test_the_dates_of_the_application_govern_its_hold(world: World) -> None:
    world.prepare(world.application(starts_at=at(2026, 11, 1), ends_at=at(2027, 2, 1)))

    period = the_case().claims.get().period
    assert (period.lower, period.upper) == (at(2026, 11, 1), at(2027, 2, 1))


def test_a_person_s_contact_is_kept_with_the_subject_and_not_with_the_case(world: World) -> None:
    person = {"name": "Rajesh Kumar", "email": "rajesh@example.com"}

    world.prepare(world.application(person=person, locale="hi-IN"))

    subject = Subject.objects.get(did=RAJESH)
    assert (subject.name, subject.email, subject.locale) == ("Rajesh Kumar", "rajesh@example.com", "hi-IN")
    assert the_case().payload["init"]["person"] == {}


def test_a_locale_that_is_none_is_left_out(world: World) -> None:
    world.prepare(world.application(locale="x" * 500))

    assert Subject.objects.get(did=RAJESH).locale == ""


def test_the_credentials_bytes_are_not_kept_with_the_case(world: World) -> None:
    world.prepare()

    assert [c["data"] for c in the_case().payload["init"]["credentials"]] == ["", ""]


def test_what_a_portal_says_of_a_stranger_s_meter_leaves_no_contact(world: World) -> None:
    world.utility.knows(meter(holders=(holder(BINA),)))

    world.prepare(world.application(person={"name": "Mallory"}))

    assert Subject.objects.get(did=RAJESH).name == ""


# --- authority (decision 56), agency and program come first ----------------------------------------------------------


def test_a_portal_that_may_not_speak_for_the_customer_is_asked_for_their_sign_in(world: World) -> None:
    result = world.prepare(authority=Authority(PORTAL))

    assert code(result) == "AUTH_REQUIRED" and result.refusal.field == "user_auth"
    assert world.utility.asked == [] and not EnrollmentCase.objects.exists()
    assert journal() == ["case.refused"]


def test_a_portal_may_speak_for_the_customers_of_its_own_utilities_only(world: World) -> None:
    at_b = Authority(PORTAL, (UTILITY_B,))

    assert code(world.prepare(authority=at_b)) == "AUTH_REQUIRED"


def test_a_meter_without_a_utility_is_asked_for_everywhere_so_the_portal_needs_all_of_them(bare_world: World) -> None:
    a_program(utilities=[])
    portal_of_a = Authority(PORTAL, ("utility-example-001",))
    command = bare_world.application(meters=(at_home(), at_home("umid-020", utility_id="")))

    assert code(bare_world.prepare(command, authority=portal_of_a)) == "AUTH_REQUIRED"
    assert bare_world.utility.asked == []


def test_a_signed_in_customer_needs_no_portal_that_may_speak_for_them(world: World) -> None:
    result = world.prepare(world.application(credentials=()), authority=SIGNED_IN)

    assert isinstance(result, Prepared) and not result.missing
    assert {c["type"]: (c["status"], c.get("source")) for c in result.requirements.credentials} == {
        "MeterOwnershipCredential": ("PROVIDED", "UTILITY"),
        "ProgramEligibilityCredential": ("PROVIDED", "UTILITY"),
    }


def test_a_signed_in_customer_need_not_be_named(world: World) -> None:
    result = world.prepare(world.application(subject_did="", credentials=()), authority=SIGNED_IN)

    assert isinstance(result, Prepared) and result.order.subject_did == RAJESH


def test_another_customer_than_the_one_signed_in_is_a_mismatch(world: World) -> None:
    assert code(world.prepare(world.application(subject_did=BINA), authority=SIGNED_IN)) == "SUBJECT_MISMATCH"


def test_a_token_that_failed_is_refused_with_its_own_code(world: World) -> None:
    failed = Authority(PORTAL, ("*",), refusal_code="TOKEN_EXPIRED", refusal_sentence="Sign in again.")

    assert code(world.prepare(authority=failed)) == "TOKEN_EXPIRED"


@pytest.mark.parametrize(
    "changes",
    [
        {"program_id": "program-unknown"},
        {"provider_id": "another-provider"},
    ],
)
def test_a_program_nobody_offers_is_not_available(world: World, changes: dict[str, str]) -> None:
    result = world.prepare(world.application(**changes))

    assert code(result) == "PROGRAM_NOT_AVAILABLE" and result.refusal.details["program_id"]


@pytest.mark.parametrize(
    "version",
    [
        {"state": "DRAFT", "published_at": None},
        {"state": "RETIRED"},
        {"closes_at": NOON},
        {"opens_at": NOON + timedelta(seconds=1)},
    ],
)
def test_a_program_that_is_not_open_now_is_not_available(bare_world: World, version: dict[str, object]) -> None:
    a_program(**version)

    assert code(bare_world.prepare()) == "PROGRAM_NOT_AVAILABLE"


def test_dates_that_cannot_be_are_refused_before_anybody_is_asked(world: World) -> None:
    result = world.prepare(world.application(starts_at=at(2027, 1, 1), ends_at=at(2026, 12, 1)))

    assert code(result) == "DATES_INVALID" and world.utility.asked == []


# --- proofs ----------------------------------------------------------------------------------------------------------


def test_a_bad_signature_is_refused_before_the_utility_is_asked_and_holds_nothing(world: World) -> None:
    forged = world.ownership(key=issuing.make_key("ES256"))

    result = world.prepare(world.application(credentials=(forged, world.eligibility())))

    assert code(result) == "CREDENTIAL_VERIFICATION_FAILED"
    assert result.refusal.details["reason_code"] in ("BAD_SIGNATURE", "UNKNOWN_KEY")
    assert result.stage is Stage.PROOFS and world.utility.asked == [] and live_claims() == []
    assert the_case().state == "REJECTED" and the_case().payload is None


def test_a_credential_about_somebody_else_is_wrong_subject(world: World) -> None:
    result = world.prepare(world.application(credentials=(world.ownership(subject=BINA),)))

    assert result.refusal.details["reason_code"] == "WRONG_SUBJECT"


def test_a_credential_of_another_meter_is_told_by_its_place(world: World) -> None:
    result = world.prepare(world.application(credentials=(world.eligibility(), world.ownership("umid-777"))))

    assert result.refusal.details["reason_code"] == "WRONG_METER"
    assert result.refusal.field == "credentials[1]"
    assert [c.reason for c in result.credentials] == ["", "WRONG_METER"]


def test_an_expired_and_a_revoked_credential_are_refused_with_their_reason(world: World) -> None:
    world.utility.revoked.add(7)
    expired = world.prepare(world.application(1, credentials=(world.ownership(expires_at=at(2026, 1, 1)),)))
    revoked = world.prepare(world.application(2, credentials=(world.ownership(status=7),)))

    assert expired.refusal.details["reason_code"] == "EXPIRED"
    assert revoked.refusal.details["reason_code"] == "REVOKED"


def test_without_credentials_the_application_needs_input_and_holds_nothing(world: World) -> None:
    result = world.prepare(world.application(credentials=()))

    assert isinstance(result, Prepared) and the_case().state == "NEEDS_INPUT"
    assert {c["type"]: c["status"] for c in result.requirements.credentials} == {
        "MeterOwnershipCredential": "MISSING",
        "ProgramEligibilityCredential": "MISSING",
    }
    assert live_claims() == [] and journal() == ["case.submitted"]
    # Nobody looked for conflicts, so nobody says that there are none.
    assert not result.are_conflicts_checked and not CaseCheck.objects.filter(kind="CONFLICTS").exists()


def test_what_was_missing_makes_the_same_order_ready_when_it_comes(world: World) -> None:
    world.prepare(world.application(credentials=()))

    again = world.prepare()

    assert isinstance(again, Prepared) and the_case().state == "READY"
    assert EnrollmentCase.objects.count() == 1 and journal() == ["case.submitted", "case.ready"]


def test_a_refused_order_is_opened_again_by_the_next_init_and_keeps_what_was_checked(world: World) -> None:
    world.prepare(world.application(credentials=(world.ownership("umid-777"),)))
    before = CaseCheck.objects.count()

    world.prepare(replace(world.application(), order=replace(world.order(), transaction_id="tx-second")))

    case = the_case()
    assert (case.state, case.refusal_code) == ("READY", "")
    assert case.transaction_ids == ["tx-1", "tx-second"]
    assert CaseCheck.objects.count() > before > 0


def test_a_refusal_at_the_door_takes_the_open_order_s_hold_back(world: World) -> None:
    world.prepare()

    refused = world.prepare(world.application(provider_id="another-provider"))

    assert code(refused) == "PROGRAM_NOT_AVAILABLE"
    assert the_case().state == "REJECTED" and live_claims() == []


# --- meters, devices, criteria ---------------------------------------------------------------------------------------


def test_an_unknown_meter_is_not_found_at_any_of_the_program_s_utilities(world: World) -> None:
    result = world.prepare(world.application(1, "umid-999"))

    assert code(result) == "METER_NOT_FOUND" and result.refusal.details == {"meter_id": "umid-999"}


def test_a_meter_of_a_utility_nobody_configured_is_not_found(world: World) -> None:
    command = world.application(meters=(at_home(utility_id="utility-nowhere"),), credentials=(world.eligibility(),))

    assert code(world.prepare(command)) == "METER_NOT_FOUND"


def test_an_account_in_arrears_is_not_eligible_and_told_why(world: World) -> None:
    from utility_systems.ports import Standing

    world.utility.knows(meter(account_standing=Standing.ARREARS))

    result = world.prepare()

    assert code(result) == "NOT_ELIGIBLE"
    assert result.refusal.details["failed"] == [
        {"criterion": "ACCOUNT_STANDING", "needed": "An account in good standing", "actual": "ARREARS"}
    ]


def test_a_region_the_program_is_not_offered_in_is_not_eligible(bare_world: World) -> None:
    a_program(regions=["south-1"])

    assert code(bare_world.prepare()) == "NOT_ELIGIBLE"


def test_an_organisation_s_program_takes_the_organisation_we_know(bare_world: World) -> None:
    a_program(criteria=[criterion("SUBJECT_KIND", anyOf=["ORGANISATION"])])
    assert code(bare_world.prepare()) == "NOT_ELIGIBLE"

    Subject.objects.filter(did=RAJESH).update(kind="ORGANISATION")

    assert isinstance(bare_world.prepare(), Prepared)


@pytest.mark.multi_meter
def test_of_two_meters_one_may_be_refused_and_the_other_held(world: World) -> None:
    world.utility.knows(meter("umid-003", holders=(holder(BINA),)))

    result = world.prepare(world.application(1, "umid-001", "umid-003"))

    assert isinstance(result, Prepared)
    assert {m.umid: m.state for m in result.order.meters} == {"umid-001": None, "umid-003": "REJECTED"}
    assert live_claims() == [("HELD", "umid-001")]


def test_a_meter_named_at_no_utility_is_found_where_the_program_is_offered(world: World) -> None:
    result = world.prepare(world.application(meters=(at_home(utility_id=""),)))

    assert isinstance(result, Prepared) and len(world.utility.asked) == 1


def test_devices_are_resolved_and_held_with_their_meter(world: World) -> None:
    world.utility.knows(solar())

    result = world.prepare(world.application(ders=(ten_kw_solar(),)))

    assert [(d.der_id, d.type) for d in result.order.ders] == [("der-solar-001", "SOLAR_PV")]
    assert live_claims() == [("HELD", "der-solar-001"), ("HELD", "umid-001")]


def test_a_device_no_register_knows_is_taken_as_declared_where_no_certificate_is_asked(world: World) -> None:
    result = world.prepare(world.application(ders=(DerRef("der-heat-9", "HEAT_PUMP", 3.0, "kW"),)))

    assert isinstance(result, Prepared) and result.order.ders[0].type == "HEAT_PUMP"


@pytest.mark.multi_meter
def test_five_hundred_meters_are_five_requests_and_few_queries(
    bare_world: World, django_assert_max_num_queries: object
) -> None:
    a_program(required_credentials=[{"type": "MeterOwnershipCredential", "description": ""}])
    many = [f"umid-{n:04}" for n in range(500)]
    bare_world.utility.knows(*(meter(umid) for umid in many))
    command = bare_world.application(1, *many, credentials=())

    with django_assert_max_num_queries(45):  # type: ignore[operator]
        result = bare_world.prepare(command, authority=SIGNED_IN)

    assert isinstance(result, Prepared) and len(live_claims()) == 500
    assert len(bare_world.utility.asked) == 5


def test_a_refused_answer_is_a_refused_value_with_its_order(world: World) -> None:
    result = world.prepare(world.application(1, "umid-999"))

    assert isinstance(result, Refused)
    assert (result.order.order_id, result.order.program_id, result.order.case_state) == ("order-1", FLEX, "REJECTED")


def test_a_device_that_a_register_knows_as_a_neighbours_is_nobody_elses_by_declaring_it(world: World) -> None:
    world.utility.knows(
        meter("umid-bina", holders=(holder(BINA, customer="CUST-2"),)),
        solar("der-bina", owner_did=BINA, umid="umid-bina"),
    )
    hers = world.application(1, "umid-bina", subject_did=BINA, ders=(ten_kw_solar("der-bina"),))
    assert isinstance(world.prepare(hers), Prepared)
    world.cancel(1)
    world.utility.ders.clear()  # the attacker's own utility does not know it

    result = world.prepare(world.application(2, ders=(DerRef("der-bina", "HEAT_PUMP", 1.0, "kW"),)))

    assert code(result) == "DER_NOT_CERTIFIED" and live_claims() == []
    assert Der.objects.get(der_id="der-bina").type == "SOLAR_PV"


# --- a customer number or a DID alone proves nothing (decision 56) ---------------------------------------------------


def test_without_proof_of_ownership_nobody_learns_who_is_enrolled_with_a_meter(world: World) -> None:
    world.enrolled(1)

    result = world.prepare(world.application(2, credentials=()))

    assert isinstance(result, Prepared) and next(m.type for m in result.missing) == "MeterOwnershipCredential"
    assert result.conflicts == () and live_claims() == [("CLAIMED", "umid-001")]


def test_an_application_that_no_longer_shows_ownership_loses_its_hold(world: World) -> None:
    world.prepare()

    world.prepare(world.application(1, credentials=()))

    assert the_case().state == "NEEDS_INPUT" and live_claims() == []


def test_without_proof_of_ownership_nobodys_address_is_replaced(world: World) -> None:
    world.prepare(world.application(1, person={"email": "rajesh@home.example"}))

    world.prepare(world.application(2, credentials=(), person={"email": "mallory@elsewhere.example"}))

    assert Subject.objects.get(did=RAJESH).email == "rajesh@home.example"


# --- messages of one order that overtake each other ------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_an_order_that_was_withdrawn_while_its_init_was_at_work_stays_withdrawn(world: World) -> None:
    world.prepare()
    second = timedelta(seconds=1)
    world.utility.meanwhile(lambda: world.cancel(now=NOON + 2 * second))

    result = world.prepare(now=NOON + second)

    assert code(result) == "NOT_POSSIBLE_NOW" and result.refusal.details == {"state": "WITHDRAWN"}
    assert the_case().state == "WITHDRAWN" and live_claims() == []


@pytest.mark.django_db(transaction=True)
def test_of_two_inits_at_work_at_once_the_later_one_counts(world: World) -> None:
    world.utility.knows(meter("umid-002"))
    second = timedelta(seconds=1)
    world.utility.meanwhile(lambda: world.prepare(world.application(1, "umid-002"), now=NOON + second))

    assert code(world.prepare(now=NOON)) == "NOT_POSSIBLE_NOW"
    assert the_case().meters == ["umid-002"] and live_claims() == [("HELD", "umid-002")]


def test_a_clock_that_was_set_back_closes_no_order(world: World) -> None:
    world.prepare(now=NOON + timedelta(hours=1))

    assert isinstance(world.prepare(now=NOON), Prepared)
