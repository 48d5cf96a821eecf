"""Issuing: what a credential says, where it stands, and that nobody gets the same place twice."""

from credentials import services
from tests.credentials.conftest import NOON, consent, enrollment


def test_an_enrolment_and_its_consent_are_issued_together(ready: None) -> None:
    issued = services.issue([enrollment(), consent()], now=NOON)
    assert [each.kind for each in issued] == ["ENROLLMENT", "CONSENT"]
