"""Situations that tests of credentials begin with."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from credentials import trust
from credentials.lists import LISTS_AT_START
from credentials.models import Kind, Publication
from credentials.services import NewCredential
from tests.credentials.issuer import Issuer

NOON = datetime(2026, 10, 15, 12, 0, tzinfo=UTC)
LISTS = LISTS_AT_START * len(Kind.values)
"""Lists of a new deployment."""
PUBLISHED = LISTS * len(Publication.values)
"""What is published of them, each under its own address or media type."""


def enrollment(**changes: object) -> NewCredential:
    """A new enrolment credential from 1 November 2026 for a year."""
    claims = {
        "enrollmentId": "enrollment-1",
        "programId": "program-flex-demand-response-001",
        "programName": "Flex",
        "meters": ["umid-001"],
        "ders": [],
        "roles": ["consumer"],
        "constraints": {},
        "status": "ACTIVE",
        "startDate": "2026-11-01T00:00:00Z",
        "endDate": "2027-10-31T23:59:59Z",
    }
    values: dict[str, object] = {
        "kind": "ENROLLMENT",
        "subject_did": "did:example:user-12345",
        "claims": claims,
        "valid_from": datetime(2026, 11, 1, tzinfo=UTC),
        "valid_until": datetime(2027, 11, 1, tzinfo=UTC),
        "wire_valid_until": "2027-10-31T23:59:59Z",
    }
    return NewCredential(**{**values, **changes})  # type: ignore[arg-type]


def consent(**changes: object) -> NewCredential:
    """A new consent credential that holds from noon on."""
    values: dict[str, object] = {
        "kind": "CONSENT",
        "subject_did": "did:example:user-12345",
        "claims": {"consentId": "consent-1", "consentType": "DATA_COLLECTION", "purposes": ["SETTLEMENT"]},
        "valid_from": NOON,
        "valid_until": NOON + timedelta(days=365),
    }
    return NewCredential(**{**values, **changes})  # type: ignore[arg-type]


@pytest.fixture
def ready(bootstrapped_at_noon: None) -> None:
    """A key and published lists."""


@pytest.fixture
def utility() -> Iterator[Issuer]:
    """A foreign issuer with a DID document, a status list, and no trust yet."""
    issuer = Issuer()
    issuer.publish_list()
    yield issuer
    issuer.stop()


@pytest.fixture
def trusted(db: None, utility: Issuer) -> Issuer:
    """The same issuer, believed for meters of one utility."""
    trust.add(
        utility.did, types=["MeterOwnershipCredential"], utilities=["utility-example-001"], source="sandbox", now=NOON
    )
    return utility
