"""A program that asks for the DEG network's credential: whose number it names, and what happens without one."""

from __future__ import annotations

from typing import Any

import pytest

from credentials.models import IssuedCredential
from enrollment.checks import deg_programs_have_a_licensed_issuer
from enrollment.commands import MeterRef
from enrollment.deg import customer_number
from enrollment.facts import Facts
from identity.models import Subject
from tests.enrollment.world import World, at
from tests.factories import NOON, RAJESH, a_program, holder, meter

pytestmark = pytest.mark.django_db


@pytest.fixture
def licensed(settings: Any) -> None:
    settings.ISSUER_NAME, settings.ISSUER_LICENSE_NUMBER = "Sandbox Power", "REG-2026-00001"


@pytest.fixture
def deg_world(bare_world: World, licensed: None) -> World:
    bare_world.version = a_program(credential_profile="DEG")
    return bare_world


def the_credential() -> IssuedCredential:
    return IssuedCredential.objects.get(kind="ENROLLMENT")


def test_the_credential_names_the_customer_as_the_utility_does_and_days_of_its_zone(deg_world: World) -> None:
    end = at(2027, 10, 31, 18)  # 23:30 in Kolkata, still the 31st
    deg_world.enrolled(1, ends_at=end)
    row = the_credential()
    assert row.profile == "DEG" and row.personal_claims == {"consumerNumber": "CUST-123456"}
    assert row.claims == {
        "programName": "Demand Flexibility Program",
        "programCode": "program-flex-demand-response-001",
        "enrollmentDate": "2026-10-15",
        "validUntil": "2027-10-31",
    }


def test_late_in_the_evening_of_utc_it_is_tomorrow_there(deg_world: World) -> None:
    deg_world.now = at(2026, 10, 15, 20)
    deg_world.enrolled(1)
    assert the_credential().claims["enrollmentDate"] == "2026-10-16"


def test_where_no_number_is_known_the_person_gets_our_own_shape(deg_world: World) -> None:
    deg_world.utility.knows(meter(holders=(holder(customer=""),)))
    deg_world.enrolled(1)
    row = the_credential()
    assert row.profile == "" and row.personal_claims is None and row.claims["meters"] == ["umid-001"]


def test_an_issuer_without_a_licence_gives_our_own_shape(bare_world: World, settings: Any) -> None:
    settings.ISSUER_NAME, settings.ISSUER_LICENSE_NUMBER = "Sandbox Power", ""
    bare_world.version = a_program(credential_profile="DEG")
    bare_world.enrolled(1)
    assert the_credential().profile == ""


def test_a_number_that_somebody_names_counts_only_where_the_utility_has_it() -> None:
    somebody = Subject(did="did:example:unknown-to-the-utility")
    facts = Facts(meters={"umid-001": meter()}, ders={}, evidence=())

    def number(named: str, subject: Subject = somebody) -> str:
        return customer_number(facts, [MeterRef("umid-001", "", named)], ["umid-001"], subject, NOON)[0]

    assert number("CUST-123456") == "CUST-123456"
    assert number("CUST-999999") == number("") == ""
    assert number("CUST-999999", Subject(did=RAJESH)) == "CUST-123456"
    assert customer_number(facts, [], ["umid-unknown"], somebody, NOON) == ("", "")


def test_other_programs_and_consents_keep_our_shape(deg_world: World) -> None:
    deg_world.enrolled(1)
    assert set(IssuedCredential.objects.filter(kind="CONSENT").values_list("profile", flat=True)) == {""}


def test_a_deployment_without_a_licence_is_told_of_the_programs_that_need_one(deg_world: World, settings: Any) -> None:
    assert deg_programs_have_a_licensed_issuer(databases=["default"]) == []
    settings.ISSUER_LICENSE_NUMBER = ""
    (found,) = deg_programs_have_a_licensed_issuer(databases=["default"])
    assert found.id == "enrollment.E002" and "program-flex-demand-response-001" in str(found.msg)
