"""Checking what others present: every kind of issuer, every step, in its order."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings

from credentials import keys, list_documents, presented, publishing, services, trust
from credentials.models import IssuedCredential, PresentedCredential, SignedForm
from credentials.multikey import b64url, multikey_of
from credentials.verification import Presented, Verdict, recheck_status, verify_presented
from tests.credentials.conftest import NOON, consent, enrollment
from tests.credentials.issuer import V2, Issuer, jwk_of, key_of, seconds

HOLDER = "did:example:user-12345"
METER = {"id": HOLDER, "meterId": "umid-001", "utilityId": "utility-example-001", "ownershipStatus": "OWNER"}
OWNERSHIP = "MeterOwnershipCredential"


def check(data: str, *, type: str = OWNERSHIP, now: Any = NOON, holder: str | None = HOLDER, **changes: Any) -> Verdict:
    values = {"credential_id": "vc-1", "type": type, "format": "VC-JWT", "data": data, **changes}
    return verify_presented([Presented(**values)], subject_did=holder, now=now)[0]


def test_a_good_credential_passes_every_check_and_says_what_was_found(trusted: Issuer) -> None:
    token = trusted.credential(OWNERSHIP, METER, credentialStatus=trusted.status(5))
    verdict = check(token)
    assert verdict.ok and verdict.reason == ""
    assert verdict.claims == METER and verdict.issuer == trusted.did
    assert [each.name for each in verdict.checks] == [
        "format",
        "issuer",
        "signature",
        "trust",
        "dates",
        "status",
        "holder",
    ]
    entry = {"list": f"{trusted.url}/status/1", "index": 5, "purpose": "revocation"}
    assert verdict.status_entry == {"issuer": trusted.did, "credential": "", "entries": [entry]}
    assert verdict.trusted_utilities == ("utility-example-001",)


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "RS256", "PS256"])
def test_every_allowed_algorithm_is_believed_with_its_own_kind_of_key(db: None, algorithm: str) -> None:
    issuer = Issuer(algorithm)
    trust.add(issuer.did, types=[OWNERSHIP], now=NOON)
    assert check(issuer.credential(OWNERSHIP, METER)).reason == ""
    issuer.stop()


def test_the_2_0_form_is_believed_too(trusted: Issuer) -> None:
    credential = {
        "@context": [V2],
        "type": ["VerifiableCredential", OWNERSHIP],
        "issuer": {"id": trusted.did, "name": "Utility A"},
        "validFrom": "2026-01-01T00:00:00+05:30",
        "validUntil": "2026-12-31T23:59:59Z",
        "credentialSubject": [METER],
        "credentialStatus": [trusted.status(1), {"type": "BitstringStatusListEntry", "statusPurpose": "refresh"}],
    }
    verdict = check(trusted.sign(credential, header={"typ": "vc+jwt", "cty": "vc"}))
    assert verdict.reason == ""
    assert verdict.valid_from.isoformat() == "2025-12-31T18:30:00+00:00"  # type: ignore[union-attr]
    assert verdict.valid_until.isoformat() == "2026-12-31T23:59:59+00:00"  # type: ignore[union-attr]


def test_a_multikey_in_the_did_document_is_enough(trusted: Issuer) -> None:
    text = multikey_of(trusted.private.public_key())
    method = {"id": f"#{trusted.kid}", "type": "Multikey", "controller": trusted.did, "publicKeyMultibase": text}
    trusted.publish_keys(verificationMethod=[method], assertionMethod=[f"#{trusted.kid}"])
    assert check(trusted.credential(OWNERSHIP, METER)).reason == ""


@pytest.mark.parametrize("kid", ["key-1", "#key-1", None])
def test_a_key_may_be_named_by_its_fragment_or_not_at_all(trusted: Issuer, kid: str | None) -> None:
    assert check(trusted.sign(trusted.payload(OWNERSHIP, METER), header={"kid": kid})).reason == ""


def test_did_key_and_did_jwk_need_no_network(db: None) -> None:
    for private in (key_of("ES256"), key_of("EdDSA")):
        jwk = json.dumps(jwk_of(private)).encode()
        dids = [f"did:jwk:{b64url(jwk)}"]
        if private.public_key().__class__.__name__.startswith("EC"):
            dids.append(f"did:key:{multikey_of(private.public_key())}")
        for did in dids:
            issuer = Issuer("ES256" if len(dids) == 2 else "EdDSA")
            issuer.private, issuer.did = private, did
            issuer.kid = did.rpartition(":")[2] if "did:key" in did else "0"
            trust.add(did, types=[OWNERSHIP], now=NOON)
            assert check(issuer.credential(OWNERSHIP, METER)).reason == ""
            assert issuer.asked == []
            issuer.stop()


def test_did_example_is_believed_only_with_pinned_keys(db: None, utility: Issuer) -> None:
    utility.did = "did:example:utility-credential-issuer"
    token = utility.sign(utility.payload(OWNERSHIP, METER), header={"kid": None})
    assert check(token).reason == "UNTRUSTED_ISSUER"
    with pytest.raises(trust.TrustRefused):
        trust.add(utility.did, types=[OWNERSHIP], now=NOON)
    trust.add(utility.did, types=[OWNERSHIP], jwks={"keys": [jwk_of(utility.private)]}, now=NOON)
    assert check(token).reason == ""
    assert utility.asked == []


def test_pinned_keys_win_over_whatever_the_did_says_today(db: None, utility: Issuer) -> None:
    trust.add(utility.did, types=[OWNERSHIP], jwks={"keys": [jwk_of(key_of("ES256"))]}, now=NOON)
    token = utility.sign(utility.payload(OWNERSHIP, METER), header={"kid": None})
    assert check(token).reason == "BAD_SIGNATURE"
    assert utility.asked == []


# ── trust ──


def test_an_unknown_issuer_is_not_even_asked(db: None, utility: Issuer) -> None:
    assert check(utility.credential(OWNERSHIP, METER)).reason == "UNTRUSTED_ISSUER"
    assert utility.asked == []


@pytest.mark.parametrize(
    ("type", "claims", "reason"),
    [
        (OWNERSHIP, METER, ""),
        (OWNERSHIP, {**METER, "utilityId": "utility-example-002"}, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        (OWNERSHIP, {**METER, "utilityId": ["utility-example-001"]}, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        (OWNERSHIP, {"id": HOLDER, "meterId": "umid-001"}, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        ("ProgramEligibilityCredential", {**METER, "programId": "program-1"}, ""),
        ("ProgramEligibilityCredential", {**METER, "programId": "program-2"}, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        ("ProgramEligibilityCredential", METER, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        ("DERCertificationCredential", {"id": HOLDER, "generationType": "SOLAR_PV"}, ""),
        ("DERCertificationCredential", {"id": HOLDER, "derType": "V2G_EV"}, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
        ("GovernmentCredential", METER, "TYPE_NOT_ALLOWED_FOR_ISSUER"),
    ],
)
def test_trust_is_for_a_type_a_utility_a_program_and_a_der_type(
    trusted: Issuer, type: str, claims: dict[str, Any], reason: str
) -> None:
    trust.add(trusted.did, types=["ProgramEligibilityCredential"], programs=["program-1"], now=NOON)
    trust.add(trusted.did, types=["DERCertificationCredential"], der_types=["SOLAR_PV"], now=NOON)
    assert check(trusted.credential(type, claims), type=type).reason == reason


def test_trust_ends_at_once_when_it_is_removed_also_for_one_type(trusted: Issuer) -> None:
    trust.add(trusted.did, types=["ProgramEligibilityCredential", "DERCertificationCredential"], now=NOON)
    token = trusted.credential(OWNERSHIP, METER)
    der = trusted.credential("DERCertificationCredential", {"id": HOLDER, "derId": "der-1"})
    assert trust.remove(trusted.did, credential_type="ProgramEligibilityCredential", now=NOON) == 1
    assert check(der, type="DERCertificationCredential").ok and check(token).ok
    assert trust.remove(trusted.did, now=NOON) == 2
    assert check(token).reason == "UNTRUSTED_ISSUER"


def test_adding_the_same_trust_twice_adds_it_once(trusted: Issuer) -> None:
    again = trust.add(trusted.did, types=[OWNERSHIP], utilities=["utility-example-001"], source="manual", now=NOON)
    assert again.source == "sandbox"


# ── dates, holder, type ──


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"nbf": seconds(NOON + timedelta(seconds=59))}, ""),
        ({"nbf": seconds(NOON + timedelta(seconds=61))}, "NOT_YET_VALID"),
        ({"iat": seconds(NOON + timedelta(hours=1))}, "NOT_YET_VALID"),
        ({"exp": seconds(NOON - timedelta(seconds=59))}, ""),
        ({"exp": seconds(NOON - timedelta(seconds=60))}, "EXPIRED"),
        ({"exp": True}, "MALFORMED"),
        ({"exp": "tomorrow"}, "MALFORMED"),
        ({"exp": 1e300}, "MALFORMED"),
        ({"nbf": -1}, "MALFORMED"),
        ({"sub": "did:example:other"}, "MALFORMED"),
        ({"sub": None}, ""),
        ({"iss": "did:example:other"}, "UNTRUSTED_ISSUER"),
    ],
    ids=str,
)
def test_registered_claims_are_checked_with_a_minutes_leeway(
    trusted: Issuer, changes: dict[str, Any], reason: str
) -> None:
    assert check(trusted.sign({**trusted.payload(OWNERSHIP, METER), **changes})).reason == reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"issuanceDate": "2026-10-15T13:00:00Z"}, "NOT_YET_VALID"),
        ({"expirationDate": "2026-10-15T11:00:00Z"}, "EXPIRED"),
        ({"expirationDate": "2026-10-15"}, "MALFORMED"),
        ({"expirationDate": "2026-10-15T11:00:00"}, "MALFORMED"),
        ({"expirationDate": 5}, "MALFORMED"),
        ({"issuanceDate": "0001-01-01T00:00:00+23:59"}, "MALFORMED"),
        ({"issuer": "did:example:other"}, "MALFORMED"),
        ({"issuer": {"id": 5}}, "MALFORMED"),
        ({"type": ["VerifiableCredential", "DERCertificationCredential"]}, "MALFORMED"),
        ({"type": OWNERSHIP}, "MALFORMED"),
        ({"type": [OWNERSHIP]}, "MALFORMED"),
        ({"@context": []}, "MALFORMED"),
        ({"@context": "https://www.w3.org/2018/credentials/v1"}, "MALFORMED"),
        ({"credentialSubject": [METER, METER]}, "MALFORMED"),
        ({"credentialSubject": {}}, "MALFORMED"),
        ({"credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": ["revocation"]}}, "MALFORMED"),
        ({"credentialStatus": {"type": "BitstringStatusListEntry", "statusPurpose": {}}}, "MALFORMED"),
        ({"credentialSubject": "did:example:user-12345"}, "MALFORMED"),
        ({"credentialSubject": {**METER, "meterId": "umid\x00001"}}, "MALFORMED"),
        ({"credentialSubject": {**METER, "meterId": "\ud800"}}, "MALFORMED"),
    ],
    ids=str,
)
def test_what_the_credential_says_of_itself_is_checked(trusted: Issuer, changes: dict[str, Any], reason: str) -> None:
    assert check(trusted.credential(OWNERSHIP, METER, **changes)).reason == reason


def test_somebody_elses_credential_is_refused_and_whose_it_is_may_be_left_open(trusted: Issuer) -> None:
    token = trusted.credential(OWNERSHIP, METER)
    assert check(token, holder="did:example:other").reason == "WRONG_SUBJECT"
    assert check(token, holder="").reason == "WRONG_SUBJECT"
    assert check(token, holder=None).ok


def test_a_format_we_do_not_check_is_malformed(trusted: Issuer) -> None:
    assert check(trusted.credential(OWNERSHIP, METER), format="VC-JSON-LD").reason == "MALFORMED"


# ── status ──


def test_revoked_and_suspended_are_told_apart(trusted: Issuer) -> None:
    trusted.publish_list(7)
    assert check(trusted.credential(OWNERSHIP, METER, credentialStatus=trusted.status(7))).reason == "REVOKED"
    assert check(trusted.credential(OWNERSHIP, METER, credentialStatus=trusted.status(6))).reason == ""
    suspended = Issuer()
    suspended.publish_list(7, purpose="suspension")
    trust.add(suspended.did, types=[OWNERSHIP], now=NOON)
    token = suspended.credential(OWNERSHIP, METER, credentialStatus=suspended.status(7, "suspension"))
    assert check(token).reason == "SUSPENDED"
    suspended.stop()


def test_a_revocation_is_seen_when_the_cached_list_has_had_its_time(trusted: Issuer) -> None:
    trusted.headers["Cache-Control"] = "max-age=30"
    trusted.publish_list(ttl=300)
    token = trusted.credential(OWNERSHIP, METER, credentialStatus=trusted.status(7))
    entry = check(token).status_entry
    trusted.publish_list(7, ttl=300)
    assert check(token).ok, "believed within the list's ttl"
    assert trusted.asked.count("/status/1") == 1
    time.sleep(0.35)
    assert check(token).reason == "REVOKED"
    assert recheck_status([entry, None], now=NOON)[0].reason == "REVOKED"
    assert recheck_status([None], now=NOON)[0].ok


def test_a_status_we_cannot_check_fails_closed(trusted: Issuer) -> None:
    good = trusted.status(7)
    for status in (
        {**good, "type": "RevocationList2020Status"},
        {**good, "statusPurpose": "mood"},
        {**good, "statusSize": 2},
        {**good, "statusListIndex": "131072"},
        {**good, "statusListCredential": f"{trusted.url}/status/none"},
        {**good, "statusPurpose": "suspension"},
        [good, {**good, "type": "Other"}],
    ):
        assert check(trusted.credential(OWNERSHIP, METER, credentialStatus=status)).reason == "STATUS_UNAVAILABLE"
    only_ietf = {**trusted.payload(OWNERSHIP, METER), "status": {"status_list": {"idx": 1, "uri": "https://x.example"}}}
    assert check(trusted.sign(only_ietf)).reason == "STATUS_UNAVAILABLE"
    for status in (
        {**good, "statusListIndex": "-1"},
        {**good, "statusListIndex": "٣"},
        {**good, "statusListIndex": 1.5},
        {**good, "statusListIndex": "9" * 13},
        {**good, "statusListCredential": "file:///etc/passwd"},
        "revoked",
        [good] * 9,
    ):
        assert check(trusted.credential(OWNERSHIP, METER, credentialStatus=status)).reason == "MALFORMED"


def test_an_issuer_that_is_down_is_told_apart_from_a_bad_credential(trusted: Issuer) -> None:
    token = trusted.credential(OWNERSHIP, METER, credentialStatus=trusted.status(7))
    trusted.stop()
    verdict = check(token)
    assert (verdict.reason, verdict.retryable) == ("UNKNOWN_KEY", True)
    started = time.monotonic()
    assert check(token).retryable
    assert time.monotonic() - started < 0.1, "not asked again a moment after"


def test_a_list_that_is_missing_or_over_is_retryable_unavailability(trusted: Issuer) -> None:
    token = trusted.credential(OWNERSHIP, METER, credentialStatus=trusted.status(7))
    del trusted.documents["/status/1"]
    assert check(token).reason == "STATUS_UNAVAILABLE"
    trusted.publish_list(validUntil="2026-10-15T11:58:00Z")
    verdict = check(token)
    assert (verdict.reason, verdict.retryable) == ("STATUS_UNAVAILABLE", True)


def test_a_rotated_key_is_found_by_looking_again_but_not_at_every_message(trusted: Issuer) -> None:
    trusted.headers["Cache-Control"] = "max-age=300"
    assert check(trusted.credential(OWNERSHIP, METER)).ok
    trusted.private, trusted.kid = key_of("ES256"), "key-2"
    trusted.publish_keys()
    assert check(trusted.credential(OWNERSHIP, METER)).ok
    asked = len(trusted.asked)
    trusted.kid = "key-3"
    for _ in range(5):
        assert check(trusted.credential(OWNERSHIP, METER)).reason == "UNKNOWN_KEY"
    assert len(trusted.asked) == asked


def test_a_key_replaced_under_its_old_name_is_found_by_looking_again(trusted: Issuer) -> None:
    trusted.headers["Cache-Control"] = "max-age=300"
    old = trusted.credential(OWNERSHIP, METER)
    assert check(old).ok
    trusted.private = key_of("ES256")
    trusted.publish_keys()
    assert check(trusted.credential(OWNERSHIP, METER)).ok
    asked = len(trusted.asked)
    for _ in range(5):
        assert check(old).reason == "BAD_SIGNATURE"
    assert len(trusted.asked) == asked


# ── our own ──


def test_our_own_credentials_are_checked_without_asking_ourselves(ready: None) -> None:
    issued = services.issue([consent()], now=NOON)[0]
    verdict = check(issued.jwt, type="EnergyConsentCredential")
    assert verdict.ok and verdict.issuer == settings.ISSUER_DID
    services.suspend([issued.id], at=NOON)
    assert check(issued.jwt, type="EnergyConsentCredential").reason == "SUSPENDED"
    services.revoke([issued.id], at=NOON, reason="x")
    assert check(issued.jwt, type="EnergyConsentCredential").reason == "REVOKED"
    assert recheck_status([verdict.status_entry], now=NOON)[0].reason == "REVOKED"


def test_before_its_start_our_credential_is_not_yet_valid_and_revoked_once_it_is_revoked(ready: None) -> None:
    issued = services.issue([enrollment()], now=NOON)[0]
    assert check(issued.jwt, type="ProgramEnrollmentCredential").reason == "NOT_YET_VALID"
    services.revoke([issued.id], at=NOON, reason="x")
    assert check(issued.jwt, type="ProgramEnrollmentCredential").reason == "REVOKED"


def test_a_credential_signed_with_our_key_that_we_never_issued_is_not_believed(ready: None) -> None:
    issued = services.issue([consent()], now=NOON)[0]
    SignedForm.objects.filter(credential=issued.id).delete()
    IssuedCredential.objects.filter(pk=issued.id).delete()
    assert check(issued.jwt, type="EnergyConsentCredential").reason == "STATUS_UNAVAILABLE"


def test_a_retired_key_is_still_believed_and_a_revoked_one_is_not(ready: None) -> None:
    issued = services.issue([consent()], now=NOON)[0]
    old = keys.active().kid
    keys.announce(now=NOON, actor=services.log.SYSTEM)
    keys.activate(at_once=True, now=NOON, actor=services.log.SYSTEM)
    assert check(issued.jwt, type="EnergyConsentCredential").ok
    assert keys.revoke(old, now=NOON, actor=services.log.SYSTEM)[1] == 1
    assert check(issued.jwt, type="EnergyConsentCredential").reason == "UNKNOWN_KEY"


def test_we_may_not_state_what_we_are_not_trusted_for(ready: None) -> None:
    key = keys.active()
    issuer = Issuer()
    issuer.did, issuer.kid = settings.ISSUER_DID, key.kid
    issuer.private = keys._opened(key.kid).signer._private_key  # type: ignore[attr-defined]
    assert check(issuer.credential(OWNERSHIP, METER)).reason == "TYPE_NOT_ALLOWED_FOR_ISSUER"
    issuer.stop()


def test_a_type_beside_the_one_it_is_trusted_for_gives_an_issuer_no_other_voice(trusted: Issuer) -> None:
    payload = trusted.payload(OWNERSHIP, METER)
    payload["vc"]["type"] = ["VerifiableCredential", "ProgramEligibilityCredential", OWNERSHIP]
    verdict = check(trusted.sign(payload), type="")
    assert (verdict.ok, verdict.type) == (True, OWNERSHIP)


# ── keeping what was shown ──


def test_what_was_presented_is_kept_encrypted_and_wiped_after_a_while(trusted: Issuer) -> None:
    items = [
        Presented("vc-1", OWNERSHIP, "VC-JWT", trusted.credential(OWNERSHIP, METER)),
        Presented("", "", "", "junk"),
    ]
    verdicts = verify_presented(items, subject_did=HOLDER, now=NOON)
    presented.remember(items, verdicts, now=NOON)
    good, bad = PresentedCredential.objects.order_by("pk")
    assert (good.verified, good.reason, good.body) == (True, "", items[0].data)
    assert (bad.verified, bad.reason, bad.digest) == (False, "MALFORMED", verdicts[1].digest)
    assert presented.forget_bodies(NOON) == 0
    assert presented.forget_bodies(NOON + timedelta(days=31)) == 2
    assert PresentedCredential.objects.filter(body__isnull=True).count() == 2


def test_twenty_credentials_cost_one_look_at_the_trust_list(trusted: Issuer, django_assert_num_queries: Any) -> None:
    items = [Presented("", OWNERSHIP, "VC-JWT", trusted.credential(OWNERSHIP, METER)) for _ in range(20)]
    with django_assert_num_queries(1):
        assert all(verdict.ok for verdict in verify_presented(items, subject_did=HOLDER, now=NOON))
    assert trusted.asked.count("/.well-known/did.json") == 1


def test_a_published_list_of_ours_is_read_by_our_own_reader_of_foreign_lists(ready: None) -> None:
    issued = services.issue([consent()], now=NOON)[0]
    services.revoke([issued.id], at=NOON, reason="x")
    publishing.publish_due(NOON)
    version = publishing.latest(issued.status_list_id, "revocation")
    found = list_documents.read(version.body.encode(), settings.ISSUER_DID, issued.status_list_url)  # type: ignore[union-attr]
    assert found.status_at(int(issued.status_list_index)) == 1
