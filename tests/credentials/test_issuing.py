"""Issuing: what a credential says, who can check it, and where it stands."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext, override_settings
from joserfc import jws
from joserfc.jwk import KeySet

from audit.models import Event
from credentials import addresses, bootstrap, claims, keys, lists, services
from credentials.models import LIST_SIZE, Form, IssuedCredential, KeyAlgorithm, Kind, SignedForm, StatusList
from credentials.signing import OwnOutputInvalid, check_own, sign_jwt
from tests.credentials.conftest import NOON, consent, enrollment

pytestmark = pytest.mark.empty_database

BASE = settings.PUBLIC_URL
DID = settings.ISSUER_DID


def _published() -> dict[str, Any]:
    return claims.jwks(DID, [(row.kid, row.multikey, row.public_jwk) for row in keys.published()])


def _forms(credential_id: object) -> dict[str, str]:
    return dict(SignedForm.objects.filter(credential=credential_id).values_list("form", "body"))


def _decode(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload, proven by a JOSE library that did not sign."""
    proven = jws.deserialize_compact(token, KeySet.import_key_set(_published()), algorithms=["ES256"])
    return proven.headers(), json.loads(proven.payload)


def test_the_1_1_form_is_field_by_field_what_the_specification_says(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    header, payload = _decode(issued.jwt)
    key = keys.active()
    index = int(issued.status_list_index)
    list_url, suspension_url = f"{BASE}/status/enrollment-list", f"{BASE}/status/enrollment-suspension"
    assert header == {"alg": "ES256", "typ": "JWT", "kid": f"{DID}#{key.multikey}"}
    assert payload == {
        "iss": DID,
        "sub": "did:example:user-12345",
        "jti": issued.url,
        "iat": int(NOON.timestamp()),
        "nbf": int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()),
        "exp": int(datetime(2027, 10, 31, 23, 59, 59, tzinfo=UTC).timestamp()),
        "vc": {
            "@context": [
                "https://www.w3.org/2018/credentials/v1",
                "https://www.w3.org/ns/credentials/status/v1",
                f"{BASE}/contexts/energy-credentials-v1.jsonld",
            ],
            "id": issued.url,
            "type": ["VerifiableCredential", "ProgramEnrollmentCredential"],
            "issuer": DID,
            "issuanceDate": "2026-10-15T12:00:00Z",
            "expirationDate": "2027-10-31T23:59:59Z",
            "credentialSubject": {**enrollment().claims, "id": "did:example:user-12345"},
            "credentialStatus": [
                {
                    "id": f"{url}#{index}",
                    "type": "BitstringStatusListEntry",
                    "statusPurpose": purpose,
                    "statusListIndex": str(index),
                    "statusListCredential": url,
                }
                for url, purpose in ((list_url, "revocation"), (suspension_url, "suspension"))
            ],
            "credentialSchema": {"id": f"{BASE}/schemas/ProgramEnrollmentCredential-v1.json", "type": "JsonSchema"},
        },
        "status": {"status_list": {"idx": index, "uri": list_url}},
    }


def test_the_2_0_form_is_the_credential_itself_under_the_same_id_and_index(ready: None) -> None:
    (issued,) = services.issue([consent()], now=NOON)
    header, payload = _decode(_forms(issued.id)[Form.JWT_2_0])
    assert header == {"alg": "ES256", "typ": "vc+jwt", "cty": "vc", "kid": f"{DID}#{keys.active().kid}"}
    assert "vc" not in payload and "exp" not in payload
    assert payload["@context"][0] == "https://www.w3.org/ns/credentials/v2"
    assert payload["id"] == issued.url and payload["type"][1] == "EnergyConsentCredential"
    assert payload["validFrom"] == "2026-10-15T12:00:00Z" and payload["validUntil"] == "2027-10-15T12:00:00Z"
    assert payload["iat"] == int(NOON.timestamp())
    assert [entry["statusListIndex"] for entry in payload["credentialStatus"]] == [issued.status_list_index] * 2
    assert payload["credentialStatus"][0]["statusListCredential"] == f"{BASE}/status/consent-list"


def test_every_kid_of_a_header_is_in_the_did_document_and_in_the_key_set(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    document = claims.did_document(DID, [(row.kid, row.multikey, row.public_jwk) for row in keys.published()])
    kids = {jwt.get_unverified_header(body)["kid"] for body in _forms(issued.id).values()}
    published = {method["id"] for method in document["verificationMethod"]}
    assert published == set(document["assertionMethod"])
    assert kids == {jwk["kid"] for jwk in _published()["keys"]}
    assert published - kids == {f"{DID}#{keys.active(KeyAlgorithm.ED25519).multikey}"}, "for embedded proofs"
    assert {method["type"] for method in document["verificationMethod"]} == {"JsonWebKey", "Multikey"}


def test_the_kept_bytes_are_those_that_were_told(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    assert services.signed_jwt(issued.id) == issued.jwt == _forms(issued.id)[Form.JWT_1_1]


def test_an_open_ended_credential_names_no_end(ready: None) -> None:
    (issued,) = services.issue([consent(valid_until=None)], now=NOON)
    payload = _decode(issued.jwt)[1]
    assert "exp" not in payload and "expirationDate" not in payload["vc"]
    assert "validUntil" not in _decode(_forms(issued.id)[Form.JWT_2_0])[1]


def test_the_database_keeps_of_the_links_token_only_its_digest(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    token = issued.access_url.removeprefix(f"{issued.url}?t=")
    row = IssuedCredential.objects.get(pk=issued.id)
    assert len(token) == 22 and services.access_digest(token) == bytes(row.access_digest)
    assert token not in json.dumps(list(IssuedCredential.objects.values()), default=str)


def test_a_batch_of_fifty_costs_as_many_queries_as_one(ready: None) -> None:
    with CaptureQueriesContext(
        connection,
    ) as one:
        services.issue([enrollment()], now=NOON)
    with CaptureQueriesContext(connection) as fifty:
        issued = services.issue([enrollment() for _ in range(50)], now=NOON)
    assert len(fifty) == len(one) <= 8
    assert len({each.status_list_index for each in issued}) == 50


def test_enrolment_and_consents_come_back_in_the_order_given(ready: None) -> None:
    issued = services.issue([consent(), enrollment(), consent()], now=NOON)
    assert [each.kind for each in issued] == ["CONSENT", "ENROLLMENT", "CONSENT"]
    assert issued[1].status_list_url == f"{BASE}/status/enrollment-list"
    assert issued[1].url == f"{BASE}/credentials/{issued[1].id}"
    assert issued[1].verification_url == f"{BASE}/verify/{issued[1].id}"


def test_each_credential_is_journalled_without_the_subjects_did(ready: None) -> None:
    issued = services.issue([enrollment(subject_pk="subject-7"), consent()], now=NOON)
    lines = Event.objects.filter(action="credential.issued")
    assert [line.object_id for line in lines] == [str(each.id) for each in issued]
    assert [line.subject for line in lines] == ["subject-7", ""]
    assert "did:example" not in json.dumps(list(lines.values()), default=str)


def test_a_new_credential_may_supersede_an_old_one(ready: None) -> None:
    (old,) = services.issue([enrollment()], now=NOON)
    (new,) = services.issue([enrollment(supersedes=old.id)], now=NOON)
    assert IssuedCredential.objects.get(pk=new.id).supersedes_id == old.id


def test_claims_that_break_the_schema_leave_nothing_behind(ready: None) -> None:
    wrong = {**enrollment().claims, "status": "MAYBE"}
    with pytest.raises(OwnOutputInvalid, match="schema"):
        services.issue([enrollment(), enrollment(claims=wrong)], now=NOON)
    assert not IssuedCredential.objects.exists() and not SignedForm.objects.exists()


@pytest.mark.parametrize("name", ["name", "email", "mobile", "address", "utilityCustomerId", "nationalId"])
def test_a_credential_never_carries_personal_particulars(ready: None, name: str) -> None:
    with pytest.raises(OwnOutputInvalid):
        services.issue([enrollment(claims={**enrollment().claims, name: "x"})], now=NOON)


def test_output_that_does_not_verify_never_leaves(ready: None) -> None:
    key, other = keys.active(), keys.announce(now=NOON, actor=services.log.SYSTEM)
    token = sign_jwt({"a": 1}, header={"typ": "JWT"}, signer=key.signer)
    check_own(token, payload={"a": 1}, header={"typ": "JWT"}, key=key.public)
    with pytest.raises(OwnOutputInvalid):
        check_own(token, payload={"a": 1}, header={"typ": "JWT"}, key=keys.public_key(other.kid, other.public_jwk))
    with pytest.raises(OwnOutputInvalid):
        check_own(token, payload={"a": 2}, header={"typ": "JWT"}, key=key.public)
    with pytest.raises(OwnOutputInvalid):
        check_own(token, payload={"a": 1}, header={"typ": "vc+jwt"}, key=key.public)


def test_nothing_is_issued_before_the_bootstrap(db: None) -> None:
    with pytest.raises(keys.NoActiveKey):
        services.issue([enrollment()], now=NOON)
    keys.ensure(now=NOON)
    lists.create_missing(now=NOON)
    with pytest.raises(lists.NoPlaceLeft):
        services.issue([enrollment()], now=NOON)
    bootstrap.ensure(NOON)
    assert services.issue([enrollment()], now=NOON)


def test_a_full_list_flows_over_into_the_next(ready: None) -> None:
    first = StatusList.objects.get(kind="ENROLLMENT", number=1)
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER SEQUENCE {first.sequence} RESTART {first.size - 3}")
    issued = services.issue([enrollment() for _ in range(8)], now=NOON)
    numbers = [each.status_list_url.rpartition("/")[2] for each in issued]
    assert numbers == ["enrollment-list"] * 3 + ["2"] * 5
    assert len({(each.status_list_url, each.status_list_index) for each in issued}) == 8


def test_the_next_list_is_published_before_the_last_one_is_full(ready: None) -> None:
    first = StatusList.objects.get(kind="CONSENT", number=1)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT setval('{first.sequence}', {first.size})")
    assert not lists.create_missing(now=NOON)  # list 2 is empty: one whole list is free
    lists.close_full(now=NOON)
    (issued,) = services.issue([consent()], now=NOON)
    assert issued.status_list_url == f"{BASE}/status/consent-list/2"
    assert bootstrap.ensure(NOON)
    third = StatusList.objects.get(kind="CONSENT", number=3)
    assert third.version > 0 and StatusList.objects.filter(kind="ENROLLMENT").count() == 2


def test_how_much_has_to_be_free_is_a_setting(ready: None) -> None:
    with override_settings(STATUS_LIST_MINIMUM_FREE=3 * LIST_SIZE):
        made = lists.create_missing(now=NOON)
    assert sorted(StatusList.objects.filter(pk__in=made).values_list("kind", "number")) == [
        (kind, 3) for kind in sorted(Kind.values)
    ]


def test_exhausted_lists_refuse_instead_of_repeating(ready: None) -> None:
    for each in StatusList.objects.filter(kind="CONSENT"):
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT setval('{each.sequence}', {each.size - 2})")
    services.issue([consent(), consent()], now=NOON)
    with pytest.raises(lists.NoPlaceLeft):
        services.issue([consent()], now=NOON)


def test_the_database_refuses_a_second_credential_at_the_same_place(ready: None) -> None:
    (issued,) = services.issue([enrollment()], now=NOON)
    row = IssuedCredential.objects.get(pk=issued.id)
    row.pk, row.url = uuid4(), row.url + "x"
    with pytest.raises(IntegrityError, match="status_index_is_given_once"), transaction.atomic():
        row.save(force_insert=True)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{uuid}", True),
        (BASE + "/credentials/{uuid}", True),
        (BASE + "/credentials/{uuid}?t=abc", True),
        ("vc:enrollment:{uuid}", True),
        ("vc:consent:{uuid}", True),
        ("urn:uuid:{uuid}", True),
        ("{upper}", True),
        ("https://elsewhere.example/credentials/{uuid}", False),
        (BASE + "/verify/{uuid}", False),
        ("vc:other:{uuid}", False),
        ("{{{uuid}}}", False),
        ("{hex}", False),
        ("vc:enrollment:consumer-001", False),
        ("", False),
        ("\x00", False),
        ("ENR-2026-000001", False),
        ("9" * 100_000, False),
    ],
)
def test_one_function_reads_every_spelling_of_an_id(text: str, found: bool) -> None:
    uuid = uuid4()
    spelled = text.format(uuid=uuid, hex=uuid.hex, upper=str(uuid).upper())
    assert addresses.resolve_id(spelled) == (uuid if found else None)


def test_signing_takes_nothing_but_the_two_methods_of_a_signer(ready: None) -> None:
    """What a KMS has to offer: a public key and a signature."""
    key = keys.active()

    class Remote:
        public_jwk = key.signer.public_jwk

        def sign(self, message: bytes) -> bytes:
            return key.signer.sign(message)

    token = sign_jwt({"a": 1}, header={"typ": "JWT"}, signer=Remote())
    check_own(token, payload={"a": 1}, header={"typ": "JWT"}, key=key.public)


def test_a_start_long_after_the_issue_is_no_reason_not_to_issue(ready: None) -> None:
    later = NOON + timedelta(days=400)
    (issued,) = services.issue([consent(valid_from=later, valid_until=later + timedelta(days=1))], now=NOON)
    assert _decode(issued.jwt)[1]["nbf"] == int(later.timestamp())
