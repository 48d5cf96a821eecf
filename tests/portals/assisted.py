"""A case whose customer has agreed, for tests of an agency's journey in process."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from audit import clock
from identity import mandates
from identity.models import Mandate, Membership, Subject, SubjectUtilityLink
from portals.agency import cases
from portals.models import Application, AssistedCase, CatalogProgram
from tests.agencies import a_member
from tests.portals.consent_journeys import READINGS, journey

UTILITY = "utility-example-001"


def a_program() -> CatalogProgram:
    return journey().program


def a_customer(name: str = "Asha Rao", account: str = "ACC-7781234") -> Subject:
    subject = Subject.objects.create(did=f"did:example:{uuid4().hex}", name=name)
    SubjectUtilityLink.objects.create(
        subject=subject,
        utility_id=UTILITY,
        utility_customer_id=account,
        customer_index=uuid4().bytes,
        linked_at=clock.now(),
    )
    return subject


def a_mandate(member: Membership, subject: Subject, **more: Any) -> Mandate:
    said: dict[str, Any] = {"utility_id": UTILITY, "program_id": "program-1", "now": clock.now()} | more
    return mandates.give(
        subject=subject,
        agency=member.agency,
        operator_id=member.operator_id,
        evidence_kind=Mandate.Evidence.OIDC,
        evidence_digest="0" * 64,
        **said,
    )


def a_case(member: Membership | None = None, subject: Subject | None = None) -> AssistedCase:
    """A case in progress: the customer has agreed, and the program was asked (nobody has answered)."""
    member = member or a_member()
    subject = subject or a_customer()
    case = cases.open_case(
        member, a_program(), UTILITY, source=AssistedCase.Source.DESK, now=clock.now(), looked_up={"account": "x"}
    )
    case = cases.read(case, "en", by=member, now=clock.now())
    cases.proved(case, subject, a_mandate(member, subject), now=clock.now())
    return AssistedCase.objects.get(pk=case.pk)


def answered(case: AssistedCase, *required: dict[str, Any], consents: bool = True, state: str = "") -> AssistedCase:
    """The same, with everything but the confirmation: meters, dates, and the customer's own yes to each consent."""
    assert case.application is not None
    row = Application.objects.get(pk=case.application.pk)
    wanted = list(required or (READINGS,))
    order = {
        "beckn:fulfillments": [
            {"beckn:state": {"beckn:descriptor": {"schema:name": state or "PENDING_CONFIRM"}}},
        ],
        "beckn:orderAttributes": {"requiredConsents": wanted},
    }
    row.told = {"on_select": {"message": {}}, "on_init": {"message": {"order": order}}}
    yes = {
        each["type"]: {
            "granted": True,
            "at": "2026-11-21T12:00:00Z",
            "textVersion": each["textVersion"],
            "textDigest": each["texts"][0]["digest"],
        }
        for each in wanted
    }
    row.answers = {
        **row.answers,
        "meters": ["umid-001"],
        "ders": [],
        "starts_on": "2031-01-01",
        "consents": yes if consents else {},
    }
    row.asked_action, row.asked_message_id, row.asked_at = "", "", None
    row.save()
    return AssistedCase.objects.get(pk=case.pk)
