"""A certificate that stops holding after the confirm: suspended within one poll, repaired or ended (R-P6.6, R-P6.9)."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command

from audit import clock
from audit.models import Event
from beckn.profiles import contents
from credentials import services, trust
from enrollment import certificates, repairing, standing
from enrollment.commands import DerRef, RepairEnrollment
from enrollment.facts import DER_CERTIFICATION, METER_OWNERSHIP
from enrollment.models import ReliedCertificate
from enrollment.results import Confirmed, Ended, Prepared, Refused, Snapshot
from sandbox import issuing
from tests.enrollment.utility import ISSUER
from tests.enrollment.world import World, code, live_claims, nothing, portal, the_case, the_enrollment
from tests.factories import BINA, NOON, SIGNED_IN, a_program, certificate, criterion, meter, solar, ten_kw_solar

DAY = timedelta(days=1)
INDEX = 7


@pytest.fixture
def certified(bare_world: World) -> World:
    """Rajesh is enrolled with a solar plant whose presented certificate has a place in its issuer's list."""
    world = bare_world
    world.version = a_program(
        criteria=[criterion("DER_CERTIFIED")],
        required_credentials=[
            {"type": METER_OWNERSHIP, "description": ""},
            {"type": DER_CERTIFICATION, "description": ""},
        ],
    )
    world.enrolled(ders=(ten_kw_solar(),), credentials=[world.ownership(), der_vc(world, status=INDEX)])
    return world


def der_vc(world: World, **how: Any) -> Any:
    return world.vc(DER_CERTIFICATION, {"derId": "der-solar-001", "derType": "SOLAR_PV", "capacityKW": 10.0}, **how)


def relied() -> ReliedCertificate:
    return ReliedCertificate.objects.get(replaced_at=None)


def is_suspended_in_its_list() -> bool:
    return services.entries([the_enrollment().credential_id])[0].suspended


def test_p6_5_a_certificate_revoked_after_the_confirm_suspends_within_one_poll(
    certified: World, told: list[Any]
) -> None:
    certified.utility.revoked.add(INDEX)

    report = certificates.poll(NOON + DAY)

    assert (report.checked, report.failed) == (1, 1)
    enrollment = the_enrollment()
    assert (enrollment.state, enrollment.suspension_reason) == ("SUSPENDED", "CERTIFICATE_REVOKED")
    assert is_suspended_in_its_list() and live_claims()[0][0] == "CLAIMED"
    (action, result, _) = told[-1]
    assert action == "on_status" and isinstance(result, Snapshot)
    assert result.reason == (
        "The certificate of der-solar-001 was revoked: present a new one by 2026-11-15, or the enrollment ends."
    )
    assert Event.objects.filter(action="certificate.failed").count() == 1


def test_a_certificate_is_looked_at_once_a_day_and_whenever_an_operator_asks(
    certified: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert certificates.poll(NOON + DAY - timedelta(seconds=1)).checked == 0
    assert certificates.poll(NOON + DAY).checked == 1
    assert certificates.poll(NOON + DAY + timedelta(hours=1)).checked == 0

    certified.utility.revoked.add(INDEX)
    monkeypatch.setattr(clock, "now", lambda: NOON + DAY + timedelta(hours=1))
    out = StringIO()
    call_command("certificates", "poll", "--json", stdout=out)
    assert json.loads(out.getvalue()) == {"checked": 1, "failed": 1, "repaired": 0, "unanswered": 0}
    out = StringIO()
    call_command("certificates", "list", "--json", stdout=out)
    (failed,) = json.loads(out.getvalue())
    assert (failed["derId"], failed["reason"], failed["repairUntil"][:10]) == ("der-solar-001", "REVOKED", "2026-11-15")


def test_an_issuer_who_does_not_answer_suspends_nothing_and_is_asked_again_in_an_hour(certified: World) -> None:
    certified.utility.revoked.add(INDEX)
    certified.utility.lists_are_down = True

    assert certificates.poll(NOON + DAY).unanswered == 1
    assert the_enrollment().state == "ACTIVE"

    certified.utility.lists_are_down = False
    assert certificates.poll(NOON + DAY + timedelta(minutes=59)).checked == 0
    assert certificates.poll(NOON + DAY + timedelta(hours=1)).failed == 1


def test_thirty_days_without_repair_end_the_enrolment(certified: World, told: list[Any]) -> None:
    certified.utility.revoked.add(INDEX)
    certificates.poll(NOON + DAY)

    assert standing.end_unrepaired(NOON + 31 * DAY - timedelta(seconds=1)) == 0
    assert standing.end_unrepaired(NOON + 31 * DAY) == 1
    assert standing.end_unrepaired(NOON + 31 * DAY) == 0

    enrollment = the_enrollment()
    assert (enrollment.state, enrollment.end_reason) == ("CANCELLED", "NOT_REPAIRED")
    assert told[-1][0] == "on_update" and isinstance(told[-1][1], Ended)


def test_a_newer_approval_in_the_register_repairs_and_an_older_one_does_not(certified: World, told: list[Any]) -> None:
    certified.utility.revoked.add(INDEX)
    certified.utility.knows(solar())  # approved long ago: the same approval that the certificate spoke of
    certificates.poll(NOON + DAY)
    assert certificates.poll(NOON + 2 * DAY).repaired == 0 and the_enrollment().state == "SUSPENDED"

    certified.utility.knows(solar(certificates=(certificate(valid_from=NOON + 2 * DAY),)))
    assert certificates.poll(NOON + 3 * DAY).repaired == 1

    assert the_enrollment().state == "ACTIVE" and not is_suspended_in_its_list()
    assert (relied().source, relied().failed_reason) == ("UTILITY", "")
    assert told[-1][1].reason == "The certificate holds again: the enrollment goes on."
    assert standing.end_unrepaired(NOON + 90 * DAY) == 0


def test_what_stopped_for_another_reason_is_not_resumed_by_a_certificate(certified: World) -> None:
    certified.version = None
    enrollment = the_enrollment()
    type(enrollment).objects.update(state="SUSPENDED", suspended_at=NOON, suspension_reason="CONSENT_REVOKED")
    certified.utility.revoked.add(INDEX)
    certificates.poll(NOON + DAY)
    certified.utility.knows(solar(certificates=(certificate(valid_from=NOON + 2 * DAY),)))

    assert certificates.poll(NOON + 3 * DAY).repaired == 1
    assert the_enrollment().state == "SUSPENDED" and the_enrollment().suspension_reason == "CONSENT_REVOKED"


def test_a_registered_certificate_that_the_register_takes_back_suspends_too(bare_world: World) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED")], required_credentials=[])
    world.utility.knows(solar())
    world.prepare(world.application(ders=(ten_kw_solar(),), credentials=[world.ownership()]), authority=SIGNED_IN)
    world.confirm(authority=SIGNED_IN)
    assert relied().source == "UTILITY"

    world.utility.is_down = True
    assert certificates.poll(NOON + DAY).unanswered == 1
    world.utility.is_down = False
    world.utility.knows(solar(certificates=(certificate(valid_until=NOON + DAY),)))
    assert certificates.poll(NOON + 2 * DAY).failed == 1
    assert the_enrollment().suspension_reason == "CERTIFICATE_REVOKED"


def test_a_certificate_that_ends_first_is_reminded_of_once_and_then_suspends(
    bare_world: World, told: list[Any]
) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED")], required_credentials=[])
    ending = der_vc(world, expires_at=NOON + 60 * DAY)
    prepared = world.prepare(world.application(ders=(ten_kw_solar(),), credentials=[world.ownership(), ending]))
    assert "2026-12-14" in prepared.warnings[0]
    world.confirm()

    assert certificates.remind(NOON + 29 * DAY) == 0
    assert certificates.remind(NOON + 31 * DAY) == 1 and certificates.remind(NOON + 32 * DAY) == 0
    assert told[-1][1].reason == "The certificate of der-solar-001 ends on 2026-12-14: have it renewed."
    certificates.poll(NOON + 60 * DAY)
    assert the_enrollment().suspension_reason == "CERTIFICATE_EXPIRED"


def test_p6_3_an_issuer_that_is_trusted_for_meters_only_certifies_no_device(bare_world: World) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED")], required_credentials=[])
    trust.remove(ISSUER, now=NOON)
    trust.add(ISSUER, types=[METER_OWNERSHIP], jwks=issuing.jwks([world.utility.key]), now=NOON)

    refused = world.prepare(world.application(ders=(ten_kw_solar(),), credentials=[world.ownership(), der_vc(world)]))

    assert code(refused) == "DER_NOT_CERTIFIED"
    assert refused.refusal.details["reason"] == "UNTRUSTED_ISSUER"
    assert refused.refusal.details["der_id"] == "der-solar-001" and refused.refusal.field == "credentials[1]"


def test_an_issuer_trusted_for_another_kind_of_plant_certifies_this_one_not(bare_world: World) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED")], required_credentials=[])
    trust.remove(ISSUER, now=NOON)
    keys = issuing.jwks([world.utility.key])
    trust.add(ISSUER, types=[METER_OWNERSHIP], jwks=keys, now=NOON)
    trust.add(ISSUER, types=[DER_CERTIFICATION], der_types=["WIND"], jwks=keys, now=NOON)

    refused = world.prepare(world.application(ders=(ten_kw_solar(),), credentials=[world.ownership(), der_vc(world)]))

    assert refused.refusal.details["reason"] == "UNTRUSTED_ISSUER"


# --- repaired with a new certificate ---------------------------------------------------------------------------------


def repaired(world: World, *shown: Any) -> Any:
    command = RepairEnrollment(world.order(), tuple(shown))
    return repairing.repair(command, actor=portal(), now=NOON + 2 * DAY, also_write=nothing)


def test_a_new_certificate_presented_with_an_update_resumes_the_enrolment(certified: World) -> None:
    certified.utility.revoked.add(INDEX)
    certificates.poll(NOON + DAY)

    result = repaired(certified, der_vc(certified, status=INDEX + 1))

    assert isinstance(result, Snapshot) and result.order.enrollment is not None
    assert result.order.enrollment.state == "ACTIVE" and not is_suspended_in_its_list()
    assert (relied().source, relied().failed_reason) == ("CREDENTIAL", "")
    assert standing.end_unrepaired(NOON + 90 * DAY) == 0
    certified.utility.revoked.add(INDEX + 1)
    assert certificates.poll(NOON + 4 * DAY).failed == 1  # the new one is looked at like the old one


def test_a_certificate_that_would_not_have_done_at_init_repairs_nothing(certified: World) -> None:
    certified.utility.revoked.add(INDEX)
    certificates.poll(NOON + DAY)
    smaller = {"derId": "der-solar-001", "derType": "SOLAR_PV", "capacityKW": 8.0}

    assert repaired(certified).refusal.details["reason"] == "MISSING"
    assert repaired(certified, der_vc(certified, status=INDEX)).refusal.details["reason"] == "REVOKED"
    wrong_size = repaired(certified, certified.vc(DER_CERTIFICATION, smaller))
    assert wrong_size.refusal.details["reason"] == "CAPACITY_MISMATCH"
    assert code(repaired(certified, der_vc(certified, subject=BINA))) == "CREDENTIAL_VERIFICATION_FAILED"
    certified.utility.is_down = True
    assert code(repaired(certified, der_vc(certified))) == "UTILITY_UNAVAILABLE"
    assert the_enrollment().state == "SUSPENDED"


def test_what_no_certificate_has_suspended_is_not_resumed_by_one(certified: World) -> None:
    assert code(repaired(certified, der_vc(certified))) == "NOT_POSSIBLE_NOW"


# --- at the init -----------------------------------------------------------------------------------------------------


def test_p6_6_a_battery_in_kwh_only_is_asked_for_its_kw_and_goes_on_with_it(bare_world: World) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED", needsKw=True)], required_credentials=[])
    in_kwh = {"derId": "der-battery-001", "derType": "BATTERY_STORAGE", "energyKWh": 15.0}
    shown = [world.ownership(), world.vc(DER_CERTIFICATION, in_kwh)]

    def apply(value: float, unit: str) -> Any:
        device = DerRef("der-battery-001", "BATTERY_STORAGE", value, unit)
        return world.prepare(world.application(ders=(device,), credentials=shown))

    asked = apply(15.0, "kWh")
    assert the_case().state == "NEEDS_INPUT" and [q.target for q in asked.questions] == ["der-battery-001"]
    (step,) = contents.of(asked, str)["nextSteps"]
    assert (step["action"], step["derId"], step["unit"]) == ("PROVIDE_CAPACITY", "der-battery-001", "kW")

    assert apply(7.5, "kW").questions == () and the_case().state == "READY"


def test_p6_7_a_certificate_with_the_number_we_remember_of_a_replaced_meter_still_matches(bare_world: World) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED")], required_credentials=[])
    claims = {"derId": "der-solar-001", "derType": "SOLAR_PV", "capacityKW": 10.0, "meterNumber": "MTR-umid-001"}

    def apply(number: int) -> Any:
        shown = [world.ownership(), world.vc(DER_CERTIFICATION, claims)]
        return world.prepare(world.application(number, ders=(ten_kw_solar(),), credentials=shown))

    assert isinstance(apply(1), Prepared)
    world.utility.knows(meter(meter_number="MTR-NEW"))  # replaced, and the utility tells no history
    world.enrolled(2)
    assert isinstance(apply(3), Refused) and code(apply(3)) == "ENROLLMENT_CONFLICT"  # not for its certificate

    world.utility.knows(meter("umid-002", meter_number="MTR-002"))
    other = [world.ownership("umid-002"), world.vc(DER_CERTIFICATION, claims)]
    refused = world.prepare(world.application(4, "umid-002", ders=(ten_kw_solar(),), credentials=other))
    assert refused.refusal.details["reason"] == "WRONG_DER"


def test_a_program_may_end_the_enrolment_with_the_certificate(bare_world: World) -> None:
    world = bare_world
    a_program(criteria=[criterion("DER_CERTIFIED", onCertificateEnd="END")], required_credentials=[])
    ending = der_vc(world, expires_at=NOON + 60 * DAY)

    prepared = world.prepare(world.application(ders=(ten_kw_solar(),), credentials=[world.ownership(), ending]))
    assert prepared.warnings[0].endswith("the enrollment ends with it.")
    assert isinstance(world.confirm(), Confirmed)

    assert the_enrollment().period.upper == NOON + 60 * DAY
    assert certificates.remind(NOON + 40 * DAY) == 0  # there is nothing to be renewed for
