"""Revoking, suspending, resuming; and lists that are exactly the rows."""

import json
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from audit.models import Event
from credentials import bitstring, claims, keys, publishing, services, token_list
from credentials.models import IssuedCredential, Publication, Purpose, StatusChange, StatusList, StatusListVersion
from tests.credentials.conftest import NOON, consent, enrollment

LATER = NOON + timedelta(minutes=5)


def published_bits(kind: str = "ENROLLMENT", purpose: str = Purpose.REVOCATION, number: int = 1) -> bytes:
    """The bits the world sees, out of the signed list."""
    version = publishing.latest(StatusList.objects.get(kind=kind, number=number), purpose)
    assert version is not None
    return bitstring.decode_list(_payload(version)["credentialSubject"]["encodedList"])


def _payload(version: StatusListVersion) -> dict:
    return jwt.decode(version.body, options={"verify_signature": False})


def test_a_new_credential_is_neither_revoked_nor_suspended(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    (entry,) = services.entries([issued.id])
    assert (entry.revoked, entry.revoked_at, entry.suspended) == (False, None, False)
    assert (entry.status_list_url, entry.status_list_index) == (issued.status_list_url, issued.status_list_index)
    assert not StatusChange.objects.exists(), "issuing sets no bit and publishes nothing"
    assert not any(published_bits())


def test_a_revocation_shows_in_the_published_list_at_exactly_one_place(ready: None) -> None:
    one, other = services.issue([enrollment(), enrollment()], now=NOON)
    (entry,) = services.revoke([one.id], at=LATER, reason="unenrolled")
    assert entry.revoked and entry.revoked_at == LATER
    assert not any(published_bits()), "not before it is published"
    assert publishing.publish_due(LATER) == 1
    bits = published_bits()
    assert bitstring.bit_at(bits, int(one.status_list_index)) and not bitstring.bit_at(
        bits, int(other.status_list_index)
    )
    assert not any(published_bits(purpose=Purpose.SUSPENSION))
    assert publishing.publish_due(LATER) == 0


def test_the_first_revocation_stays(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="first")
    (again,) = services.revoke([issued.id], at=LATER, reason="second")
    assert again.revoked_at == NOON
    assert IssuedCredential.objects.get(pk=issued.id).revocation_reason == "first"
    assert Event.objects.filter(action="credential.revoked").count() == 1


def test_a_suspension_comes_and_goes(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    assert services.suspend([issued.id], at=NOON)[0].suspended
    publishing.publish_due(NOON)
    assert bitstring.bit_at(published_bits(purpose=Purpose.SUSPENSION), int(issued.status_list_index))
    assert not any(published_bits())
    assert not services.resume([issued.id], at=LATER)[0].suspended
    publishing.publish_due(LATER)
    assert not any(published_bits(purpose=Purpose.SUSPENSION))


def test_a_revoked_credential_is_neither_suspended_nor_resumed(ready: None) -> None:
    suspended, good = services.issue([enrollment(), enrollment()], now=NOON)
    services.suspend([suspended.id], at=NOON)
    services.revoke([suspended.id, good.id], at=NOON, reason="over")
    assert services.resume([suspended.id], at=LATER)[0].suspended
    assert not services.suspend([good.id], at=LATER)[0].suspended


def test_enrolment_and_consents_are_revoked_in_one_act(ready: None) -> None:
    issued = services.issue([enrollment(), consent(), consent()], now=NOON)
    entries = services.revoke([each.id for each in issued], at=LATER, reason="unenrolled")
    assert [entry.credential_id for entry in entries] == [each.id for each in issued]
    assert StatusChange.objects.count() == 2, "one per list, however many credentials"
    assert publishing.publish_due(LATER) == 2
    assert sum(byte.bit_count() for byte in published_bits("CONSENT")) == 2


@pytest.mark.parametrize("act", ["entries", "revoke", "suspend", "resume"])
def test_an_unknown_id_is_an_error(ready: None, act: str) -> None:
    extra = {"revoke": {"at": NOON, "reason": "x"}, "suspend": {"at": NOON}, "resume": {"at": NOON}}.get(act, {})
    with pytest.raises(IssuedCredential.DoesNotExist):
        getattr(services, act)([uuid4()], **extra)


@pytest.mark.parametrize(
    "changes",
    [
        {"revoked_at": None, "revocation_reason": ""},
        {"revoked_at": LATER},
        {"status_index": 7},
        {"url": "https://elsewhere.example/1"},
    ],
    ids=str,
)
def test_the_database_itself_keeps_a_revocation_and_a_place(ready: None, changes: dict) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    services.revoke([issued.id], at=NOON, reason="over")
    with pytest.raises(IntegrityError), transaction.atomic():
        IssuedCredential.objects.filter(pk=issued.id).update(**changes)


def test_the_database_itself_lets_no_list_go_back_or_shrink(ready: None) -> None:
    for changes in ({"version": 0}, {"size": 262_144}, {"number": 9}):
        with pytest.raises(IntegrityError), transaction.atomic():
            StatusList.objects.filter(kind="CONSENT", number=1).update(**changes)


def test_a_published_list_is_a_signed_credential_of_ours(ready: None) -> None:
    version = publishing.latest(StatusList.objects.get(kind="ENROLLMENT", number=2), Purpose.SUSPENSION)
    assert version is not None
    url = f"{settings.PUBLIC_URL}/status/enrollment-suspension/2"
    payload = jwt.decode(version.body, keys.active().public, algorithms=["ES256"])
    subject = payload["credentialSubject"]
    assert jwt.get_unverified_header(version.body) == {
        "alg": "ES256",
        "typ": "vc+jwt",
        "cty": "vc",
        "kid": f"{settings.ISSUER_DID}#{keys.active().kid}",
    }
    assert payload["id"] == url and payload["issuer"] == settings.ISSUER_DID
    assert payload["type"] == ["VerifiableCredential", "BitstringStatusListCredential"]
    assert payload["validFrom"] == claims.instant(NOON) and payload["validUntil"] > payload["validFrom"]
    assert subject["id"] == f"{url}#list" and subject["type"] == "BitstringStatusList"
    assert subject["statusPurpose"] == "suspension" and subject["ttl"] <= 300_000
    assert len(bitstring.decode_list(subject["encodedList"])) == 16_384


@examples(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=st.lists(
        st.tuples(st.sampled_from(["revoke", "suspend", "resume", "publish"]), st.integers(0, 9)), max_size=30
    )
)
def test_whatever_happens_the_published_lists_are_the_rows(ready: None, acts: list[tuple[str, int]]) -> None:
    issued = services.issue([consent() for _ in range(10)], now=NOON)
    for act, number in acts:
        if act == "publish":
            publishing.publish_due(NOON)
        elif act == "revoke":
            services.revoke([issued[number].id], at=NOON, reason="x")
        else:
            getattr(services, act)([issued[number].id], at=NOON)
    publishing.publish_due(NOON)
    rows = IssuedCredential.objects.filter(kind="CONSENT").values_list("status_index", "revoked_at", "suspended_at")
    revoked = {index for index, revoked_at, _ in rows if revoked_at}
    suspended = {index for index, _, suspended_at in rows if suspended_at}
    for purpose, indexes in ((Purpose.REVOCATION, revoked), (Purpose.SUSPENSION, suspended)):
        bits = published_bits("CONSENT", purpose)
        assert bits == bitstring.pack_bits(indexes, 131_072)
        version = publishing.latest(StatusList.objects.get(kind="CONSENT", number=1), purpose)
        assert version is not None
        in_json = json.loads(version.json_body)["credentialSubject"]["encodedList"]
        assert bitstring.decode_list(in_json) == bits
    token = publishing.latest(StatusList.objects.get(kind="CONSENT", number=1), Publication.TOKEN)
    assert token is not None
    packed = token_list.decode(_payload(token)["status_list"]["lst"], 2)
    told = {index: token_list.status_at(packed, index) for index, _, _ in rows}
    assert told == {index: 1 if index in revoked else 2 if index in suspended else 0 for index in told}
    assert sum(byte != 0 for byte in packed) <= len(revoked | suspended)
