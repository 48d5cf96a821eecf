"""Situations that tests begin with, named as one would say them. Facts first, then rows.

`NOON` is the tests' present; nothing here asks the wall clock.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from enrollment.commands import Authority, DerRef, MeterRef
from enrollment.facts import DER_CERTIFICATION, METER_OWNERSHIP, PROGRAM_ELIGIBILITY, Evidence, Terms
from enrollment.models import ConsentText, Program, ProgramVersion
from utility_systems.ports import (
    Certificate,
    CertificateKind,
    ConnectionType,
    DerFacts,
    Holder,
    MeterFacts,
    Phase,
    Role,
    Standing,
)

NOON = datetime(2026, 10, 15, 12, 0, tzinfo=UTC)
LONG_AGO = datetime(2021, 4, 1, tzinfo=UTC)

RAJESH = "did:example:user-12345"
PRIYA = "did:example:prosumer-789"
BINA = "did:example:neighbour-bina"
UTILITY_A = "utility-example-001"
UTILITY_B = "utility-example-002"
FLEX = "program-flex-demand-response-001"
OTHER_FLEX = "program-flex-other-001"
PROVIDER = "vpp-program-flex-001"
PORTAL = "utility-portal.example.com"

MAY_ASSERT_ALL = Authority(PORTAL, ("*",))
SIGNED_IN = Authority(PORTAL, (), proven_subject=RAJESH, proven_utility=UTILITY_A, acr="1")


# --- what a utility says ---------------------------------------------------------------------------------------------


def holder(did: str = RAJESH, *, customer: str = "CUST-123456", role: Role = Role.OWNER, **dates: Any) -> Holder:
    return Holder(did, customer, role, dates.get("since", LONG_AGO), dates.get("until"))


def meter(umid: str = "umid-001", **changes: Any) -> MeterFacts:
    """A residential smart meter at utility A, 5 kW, account in good standing, owned by Rajesh."""
    values: dict[str, Any] = {
        "umid": umid,
        "utility_id": UTILITY_A,
        "meter_number": f"MTR-{umid}",
        "connection_type": ConnectionType.RESIDENTIAL,
        "phase": Phase.SINGLE,
        "sanctioned_load_kw": 5.0,
        "interval_capable": True,
        "net_meter": False,
        "site_id": "site-001",
        "grid_area": "north-1",
        "holders": (holder(),),
        "account_standing": Standing.GOOD,
        "as_of": NOON,
    }
    return MeterFacts(**{**values, **changes})


def certificate(**changes: Any) -> Certificate:
    values: dict[str, Any] = {
        "kind": CertificateKind.INTERCONNECTION,
        "issuer": "Inspectorate",
        "capacity_kw": 10.0,
        "valid_from": LONG_AGO,
        "valid_until": NOON + timedelta(days=3650),
    }
    return Certificate(**{**values, **changes})


def solar(der_id: str = "der-solar-001", **changes: Any) -> DerFacts:
    """A 10 kW solar plant of Rajesh's, certified, behind umid-001."""
    values: dict[str, Any] = {
        "der_id": der_id,
        "type": "SOLAR_PV",
        "rated_kw": 10.0,
        "energy_kwh": None,
        "manufacturer": "Surya Panels",
        "model": "SP-400",
        "serial_digest": "ab" * 32,
        "commissioned_on": date(2022, 3, 15),
        "umid": "umid-001",
        "bidirectional": False,
        "owner_did": RAJESH,
        "certificates": (certificate(),),
        "as_of": NOON,
    }
    return DerFacts(**{**values, **changes})


def battery(der_id: str = "der-battery-001", **changes: Any) -> DerFacts:
    """A 7.5 kW / 15 kWh battery of Rajesh's."""
    values = {"type": "BATTERY_STORAGE", "rated_kw": 7.5, "energy_kwh": 15.0, "bidirectional": True}
    return solar(der_id, **{**values, "certificates": (certificate(capacity_kw=7.5),), **changes})


# --- what an application says ----------------------------------------------------------------------------------------


def at_home(umid: str = "umid-001", utility_id: str = UTILITY_A, customer: str = "") -> MeterRef:
    return MeterRef(umid, utility_id, customer)


def ten_kw_solar(der_id: str = "der-solar-001", kw: float = 10.0) -> DerRef:
    return DerRef(der_id, "SOLAR_PV", kw, "kW")


def ownership(umid: str = "umid-001", position: int = 0, **claims: Any) -> Evidence:
    """A verified MeterOwnershipCredential."""
    content = {"meterId": umid, "utilityId": UTILITY_A, "ownershipStatus": "OWNER", **claims}
    return Evidence(f"vc-meter-ownership-{umid}", METER_OWNERSHIP, "", content, position=position)


def eligibility(program_id: str = FLEX, position: int = 1, **claims: Any) -> Evidence:
    """A verified ProgramEligibilityCredential."""
    content = {"programId": program_id, "eligibilityStatus": "ELIGIBLE", **claims}
    return Evidence("vc-program-eligibility-001", PROGRAM_ELIGIBILITY, "", content, position=position)


def certification(der_id: str = "der-solar-001", position: int = 2, **claims: Any) -> Evidence:
    """A verified DERCertificationCredential for 10 kW of solar."""
    content = {"derId": der_id, "derType": "SOLAR_PV", "capacityKW": 10.0, **claims}
    return Evidence(f"vc-der-{der_id}", DER_CERTIFICATION, "", content, der_id, position)


def terms(*criteria: Mapping[str, Any], required: Sequence[str] = (), **changes: Any) -> Terms:
    """A program's terms with these criteria and required credential types."""
    return Terms(FLEX, criteria, tuple({"type": each, "description": ""} for each in required), **changes)


def criterion(kind: str, text: str = "", **parameters: Any) -> dict[str, Any]:
    return {"kind": kind, "parameters": parameters, "text": text}


# --- rows ------------------------------------------------------------------------------------------------------------

DATA_COLLECTION = {
    "type": "DATA_COLLECTION",
    "description": "We read your meter's intervals",
    "required": True,
    "purposes": ["SETTLEMENT"],
    "data": ["INTERVAL_READINGS"],
    "grantee": PROVIDER,
    "frequency": "PT15M",
    "mode": "STORE",
    "validity": "ENROLLMENT",
    "textVersion": "1",
}
RESEARCH = {**DATA_COLLECTION, "type": "RESEARCH", "required": False, "outlivesEnrollment": True}
DER_CONTROL = {**DATA_COLLECTION, "type": "DER_CONTROL", "mode": "CONTROL"}


def a_program(program_id: str = FLEX, *, texts: bool = True, **changes: Any) -> ProgramVersion:
    """A published program: flexibility group, ownership and eligibility credentials, consent given by confirming."""
    program = Program.objects.create(
        program_id=program_id, provider_id=changes.pop("provider_id", PROVIDER), kind="DEMAND_FLEX", created_at=LONG_AGO
    )
    values: dict[str, Any] = {
        "number": 1,
        "state": "PUBLISHED",
        "published_at": LONG_AGO,
        "name": "Demand Flexibility Program",
        "utilities": [UTILITY_A],
        "conflict_group": "FLEX",
        "consent_capture": "BY_CONFIRM",
        "on_required_consent_revoked": "KEEP",
        "criteria": [criterion("ACCOUNT_STANDING", "An account in good standing", anyOf=["GOOD"])],
        "required_credentials": [
            {"type": METER_OWNERSHIP, "description": "The meter is yours"},
            {"type": PROGRAM_ELIGIBILITY, "description": "You meet the conditions"},
        ],
        "required_consents": [DATA_COLLECTION],
    }
    version = ProgramVersion.objects.create(program=program, **{**values, **changes})
    if texts:
        for consent in version.required_consents:
            consent_text(version, consent["type"], "en", f"You allow {consent['type']}.")
    return version


def consent_text(
    version: ProgramVersion, consent_type: str, locale: str, body: str, number: str = "1", **more: Any
) -> ConsentText:
    digest = "sha256:" + hashlib.sha256(body.encode()).hexdigest()
    return ConsentText.objects.create(
        program=version.program,
        consent_type=consent_type,
        version=number,
        locale=locale,
        body=body,
        digest=digest,
        **more,
    )


def umids(lines: Iterable[Any]) -> list[str]:
    """The meters of an answer, in its order."""
    return [line.umid for line in lines]
