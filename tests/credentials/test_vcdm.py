"""The data model's rules, each as a case that keeps it and cases that break it.

The cases are those of the W3C suites for Verifiable Credentials 2.0, in our words: what an issuer must accept and
refuse (sections 4.3 to 4.13), relatedResource (5.3), and Bitstring Status List 1.0 (2.1).
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

import base58
import pytest

from credentials import addresses, vcdm
from credentials.data_integrity.jsonld import known_context
from credentials.multikey import b64url

V1, V2 = "https://www.w3.org/2018/credentials/v1", "https://www.w3.org/ns/credentials/v2"
EXAMPLES = "https://www.w3.org/ns/credentials/examples/v2"
NO_URL = "https ://not-a-url/term"
GOOD: dict[str, Any] = {
    "@context": [V2, EXAMPLES],
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "ExampleCredential"],
    "issuer": "did:example:issuer",
    "credentialSubject": {"id": "did:example:subject"},
}
GOOD_1_1: dict[str, Any] = {
    "@context": [V1],
    "type": ["VerifiableCredential"],
    "issuer": "did:example:issuer",
    "issuanceDate": "2026-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:subject"},
}
ENTRY: dict[str, Any] = {
    "id": "https://a.example/status/1#5",
    "type": "BitstringStatusListEntry",
    "statusPurpose": "revocation",
    "statusListIndex": "5",
    "statusListCredential": "https://a.example/status/1",
}
MESSAGES = [{"status": f"0x{number}", "message": "said"} for number in range(4)]
RAW = known_context(V2) or b""
SRI = "sha384-" + base64.b64encode(hashlib.sha384(RAW).digest()).decode()
SHA_256 = hashlib.sha256(RAW).digest()
RESOURCE = {"id": V2, "digestSRI": SRI}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def entry(**change: Any) -> dict[str, Any]:
    return {"credentialStatus": {**ENTRY, **change}}


ACCEPTED: dict[str, Mapping[str, Any]] = {
    "as it is": {},
    "the base context alone": {"@context": [V2], "type": ["VerifiableCredential"]},
    "a context in the document": {
        "@context": [V2, {"Own": "https://a.example/Own"}],
        "type": ["VerifiableCredential", "Own"],
    },
    "a vocabulary switched off": {"@context": [V2, {"@vocab": None}], "type": ["VerifiableCredential"]},
    "our own context": {
        "@context": [V2, addresses.context()],
        "type": ["VerifiableCredential", "ProgramEnrollmentCredential"],
    },
    "another kind of id": {"id": "did:example:credential"},
    "no id": {"id": "urn:a:b"},
    "one type as a text": {"type": "VerifiableCredential"},
    "an absolute URL as type": {"type": ["VerifiableCredential", "https://a.example/T"]},
    "types in any order": {"type": ["ExampleCredential", "VerifiableCredential"]},
    "an issuer as an object": {"issuer": {"id": "did:example:issuer", "name": "Utility", "description": "Power"}},
    "an issuer's URL": {"issuer": "https://issuer.example/#me"},
    "a name": {"name": "A name", "description": "A description"},
    "a name in a language": {"name": {"@value": "A name", "@language": "en"}},
    "a name with a direction": {"name": {"@value": "A name", "@language": "en", "@direction": "ltr"}},
    "a name in several languages": {"name": [{"@value": "A", "@language": "en"}, {"@value": "B", "@language": "fr"}]},
    "several subjects": {"credentialSubject": [{"id": "did:example:a"}, {"id": "did:example:b"}]},
    "a subject without an id": {"credentialSubject": {"name": "Asha"}},
    "a period": {"validFrom": "2023-02-25T00:00:00Z", "validUntil": "2023-02-26T00:00:00Z"},
    "fractions and offsets": {
        "validFrom": "2023-02-25T14:58:43.123456789-06:00",
        "validUntil": "2023-02-25T20:58:43.2Z",
    },
    "one moment": {"validFrom": "2023-02-25T00:00:00Z", "validUntil": "2023-02-25T01:00:00+01:00"},
    "a status entry": entry(),
    "two status entries": {
        "credentialStatus": [ENTRY, {**ENTRY, "id": "https://a.example/2#5", "statusPurpose": "suspension"}]
    },
    "a status entry without an id": {"credentialStatus": {k: v for k, v in ENTRY.items() if k != "id"}},
    "a status of several bits": entry(statusSize=2, statusMessage=MESSAGES, statusPurpose="message"),
    "another kind of status": {"credentialStatus": {"type": "CredentialStatusList2017"}},
    "a schema": {"credentialSchema": {"id": "https://a.example/s.json", "type": "JsonSchema"}},
    "two schemas": {"credentialSchema": [{"id": f"https://a.example/{n}.json", "type": "JsonSchema"} for n in (1, 2)]},
    "terms, evidence and refreshing": {name: {"type": "Some"} for name in ("termsOfUse", "evidence", "refreshService")},
    "evidence with an id": {"evidence": [{"id": "https://a.example/e", "type": ["Some"]}]},
    "a digest as SRI": {"relatedResource": RESOURCE},
    "the digest the suite writes": {
        "relatedResource": [
            {"id": V2, "digestSRI": "sha384-l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU"}
        ]
    },
    "a bare digest in Multibase": {
        "relatedResource": [{"id": V2, "digestMultibase": "uWZVc7WaX1h4D8rJVb-vlMIqxaEKEb1tYbX8fet7JJzQ"}]
    },
    "a multihash": {"relatedResource": [{"id": V2, "digestMultibase": "u" + b64url(b"\x12\x20" + SHA_256)}]},
    "a multihash in base58": {
        "relatedResource": [{"id": V2, "digestMultibase": "z" + base58.b58encode(b"\x12\x20" + SHA_256).decode()}]
    },
    "two digests": {
        "relatedResource": {**RESOURCE, "digestMultibase": "u" + b64url(SHA_256), "mediaType": "application/ld+json"}
    },
}

REFUSED: dict[str, tuple[Mapping[str, Any], str]] = {
    "no list of contexts": ({"@context": V2}, "@context is a list"),
    "no context at all": ({"@context": []}, "@context is a list"),
    "a null context": ({"@context": None}, "@context is a list"),
    "the base context in second place": ({"@context": [EXAMPLES, V2]}, "@context begins with"),
    "another base context": ({"@context": ["https://a.example/v2"]}, "@context begins with"),
    "both base contexts": ({"@context": [V2, V1]}, "first and alone"),
    "a context that is no URL": ({"@context": [V2, NO_URL]}, "URL or an object"),
    "a context that is a number": ({"@context": [V2, 192]}, "URL or an object"),
    "a context that is true": ({"@context": [V2, True]}, "URL or an object"),
    "a context that is null": ({"@context": [V2, None]}, "URL or an object"),
    "a context nobody here knows": ({"@context": [V2, "https://a.example/v1"]}, "none is ever fetched"),
    "a redefined term": ({"@context": [V2, {"VerifiableCredential": "https://a.example/VC"}]}, "protected term"),
    "an own term defined twice": (
        {"@context": [V2, {"@protected": True, "T": "https://a.example/1"}, {"T": "https://a.example/2"}]},
        "protected term",
    ),
    "an id that is no URL": ({"id": NO_URL}, "id of the credential"),
    "an id that is a word": ({"id": "credential-1"}, "id of the credential"),
    "two ids": ({"id": ["urn:a:b", "urn:a:c"]}, "id of the credential"),
    "a null id": ({"id": None}, "id of the credential"),
    "an id that is a number": ({"id": 7}, "id of the credential"),
    "no type": ({"type": None}, "type is one or more"),
    "an empty type": ({"type": []}, "type is one or more"),
    "a type that is a number": ({"type": [7, "VerifiableCredential"]}, "type is one or more"),
    "not the type of a credential": ({"type": ["ExampleCredential"]}, "names no VerifiableCredential"),
    "an undefined type": ({"@context": [V2], "type": ["VerifiableCredential", "Undefined"]}, "'Undefined'"),
    "a type mapped to no URL": ({"@context": [V2, {"T": NO_URL}], "type": ["VerifiableCredential", "T"]}, "JSON-LD"),
    "an undefined term": (
        {"@context": [V2], "type": "VerifiableCredential", "statusEntry": {"type": "BitstringStatusListEntry"}},
        "'statusEntry'",
    ),
    "a null issuer": ({"issuer": None}, "issuer is a URL"),
    "an issuer that is no URL": ({"issuer": "fake-issuer"}, "issuer is a URL"),
    "an issuer that is true": ({"issuer": True}, "issuer is a URL"),
    "a list of issuers": ({"issuer": ["did:example:a"]}, "issuer is a URL"),
    "an issuer without an id": ({"issuer": {"name": "Utility"}}, "issuer is a URL"),
    "an issuer whose id is null": ({"issuer": {"id": None}}, "issuer is a URL"),
    "an issuer whose id is no URL": ({"issuer": {"id": "fake-issuer"}}, "issuer is a URL"),
    "a name with more than a value": (
        {"name": {"@value": "A", "@language": "en", "url": "did:example:x"}},
        "name of the credential",
    ),
    "a description with more than a value": (
        {"description": [{"@value": "A", "url": "x:y"}]},
        "description of the credential",
    ),
    "a name in a language that is none": ({"name": {"@value": "A", "@language": 7}}, "name of the credential"),
    "a name that is a number": ({"name": 7}, "name of the credential"),
    "a null name": ({"name": None}, "name of the credential"),
    "an issuer's name with more than a value": (
        {"issuer": {"id": "did:example:i", "name": {"@value": "A", "url": "x:y"}}},
        "name of the issuer",
    ),
    "a direction that is none": ({"name": {"@value": "A", "@direction": "up"}}, "name of the credential"),
    "no subject": ({"credentialSubject": None}, "credentialSubject"),
    "an empty subject": ({"credentialSubject": {}}, "says something"),
    "no subjects": ({"credentialSubject": []}, "missing or empty"),
    "one empty subject of two": ({"credentialSubject": [{"id": "did:example:a"}, {}]}, "says something"),
    "a subject that is a text": ({"credentialSubject": "did:example:a"}, "says something"),
    "a subject whose id is no URL": ({"credentialSubject": {"id": NO_URL}}, "id of credentialSubject"),
    "a subject with two ids": ({"credentialSubject": {"id": ["urn:a:b", "urn:a:c"]}}, "id of credentialSubject"),
    "a day in words": ({"validFrom": "Sat 25 Feb 2023 14:58:43 UTC"}, "validFrom is no date"),
    "a moment without an offset": ({"validUntil": "2023-02-25T00:00:00"}, "validUntil is no date"),
    "a day alone": ({"validFrom": "2023-02-25"}, "validFrom is no date"),
    "a thirteenth month": ({"validFrom": "2023-13-25T00:00:00Z"}, "validFrom is no date"),
    "a moment that is a number": ({"validFrom": 1700000000}, "validFrom is no date"),
    "an end before the start": (
        {"validFrom": "2023-02-26T00:00:00Z", "validUntil": "2023-02-25T00:00:00Z"},
        "validFrom is after",
    ),
    "a status that is a text": ({"credentialStatus": "https://a.example/1"}, "credentialStatus is one or more objects"),
    "an empty status": ({"credentialStatus": {}}, "credentialStatus has no type"),
    "a status without a type": ({"credentialStatus": {"id": "https://a.example/1"}}, "credentialStatus has no type"),
    "a status whose id is no URL": (entry(id=NO_URL), "id of credentialStatus"),
    "a status with two ids": (entry(id=["https://a.example/1", "https://a.example/2"]), "id of credentialStatus"),
    "a status whose id is the list's": (entry(id="https://a.example/status/1"), "not that of its list"),
    "an index that is a number": (entry(statusListIndex=5), "text of digits"),
    "an index that is no number": (entry(statusListIndex="-1"), "text of digits"),
    "a list that is no URL": (entry(statusListCredential="list"), "statusListCredential"),
    "no purpose": (entry(statusPurpose=None), "statusPurpose"),
    "a size of nothing": (entry(statusSize=0), "statusSize"),
    "a size that is true": (entry(statusSize=True), "statusSize"),
    "a size that fills the memory": (entry(statusSize=64, statusMessage=[]), "statusSize"),
    "several bits without messages": (entry(statusSize=2), "needs statusMessage"),
    "too few messages": (entry(statusSize=2, statusMessage=MESSAGES[:3]), "for every status"),
    "a message without words": (
        entry(statusSize=1, statusMessage=[{"status": "0x0"}, {"status": "0x1"}]),
        "has a status and a message",
    ),
    "a schema without an id": ({"credentialSchema": {"type": "JsonSchema"}}, "id of credentialSchema"),
    "a schema whose id is no URL": (
        {"credentialSchema": {"id": NO_URL, "type": "JsonSchema"}},
        "id of credentialSchema",
    ),
    "a schema without a type": (
        {"credentialSchema": {"id": "https://a.example/s.json"}},
        "credentialSchema has no type",
    ),
    "terms without a type": ({"termsOfUse": [{"id": "https://a.example/t"}]}, "termsOfUse has no type"),
    "evidence without a type": ({"evidence": {"id": "https://a.example/e"}}, "evidence has no type"),
    "refreshing without a type": ({"refreshService": {"id": "https://a.example/r"}}, "refreshService has no type"),
    "refreshing at no URL": ({"refreshService": {"id": NO_URL, "type": "Some"}}, "id of refreshService"),
    "a resource that is a text": ({"relatedResource": V2}, "relatedResource is one or more objects"),
    "a resource without an id": ({"relatedResource": {"digestSRI": SRI}}, "id of relatedResource"),
    "a resource twice": ({"relatedResource": [RESOURCE, RESOURCE]}, "the same id"),
    "a resource without a digest": ({"relatedResource": {"id": V2}}, "has no digest"),
    "a digest of something else": (
        {"relatedResource": {"id": V2, "digestSRI": "sha256-" + base64.b64encode(bytes(32)).decode()}},
        "not that of the resource",
    ),
    "one right and one wrong digest": (
        {"relatedResource": {**RESOURCE, "digestMultibase": "u" + b64url(bytes(32))}},
        "not that of the resource",
    ),
    "a digest that is none": ({"relatedResource": {"id": V2, "digestSRI": "md5-AAAA"}}, "SHA-256, SHA-384 or SHA-512"),
    "a digest that is no ASCII": ({"relatedResource": {"id": V2, "digestSRI": "sha256-é"}}, "digestSRI is no SHA-2"),
    "a digest in no base": ({"relatedResource": {"id": V2, "digestMultibase": "xAAAA"}}, "digestMultibase is no"),
    "an empty digest": ({"relatedResource": {"id": V2, "digestSRI": " "}}, "digestSRI is a text"),
    "a resource nobody here has": (
        {"relatedResource": {"id": "https://a.example/x", "digestSRI": SRI}},
        "cannot be checked",
    ),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_a_credential_may_have(case: str) -> None:
    assert vcdm.problem({**GOOD, **ACCEPTED[case]}) == ""


@pytest.mark.parametrize("case", REFUSED)
def test_a_credential_may_not_have(case: str) -> None:
    change, said = REFUSED[case]
    assert said in vcdm.problem({**GOOD, **change})


@pytest.mark.parametrize("name", ["@context", "type", "issuer", "credentialSubject"])
def test_a_credential_needs(name: str) -> None:
    assert name in vcdm.problem(without(name))


def test_a_credential_without_an_id_is_one() -> None:
    assert vcdm.problem(without("id")) == ""


@pytest.mark.parametrize("what", [None, [], "credential", 7, [GOOD]])
def test_what_is_no_object_is_no_credential(what: Any) -> None:
    assert vcdm.problem(what) == "a credential is an object"


def test_terms_may_be_left_to_whoever_makes_the_document_canonical() -> None:
    undefined = {**GOOD, "@context": [V2], "nickname": "A"}
    assert "nickname" in vcdm.problem(undefined) or "ExampleCredential" in vcdm.problem(undefined)
    assert vcdm.problem(undefined, json_ld=False) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"expirationDate": "2027-01-01T00:00:00Z"}, ""),
        ({"issuanceDate": None}, "issuanceDate is no date"),
        ({"issuanceDate": "yesterday"}, "issuanceDate is no date"),
        ({"expirationDate": "2025-01-01T00:00:00Z"}, "issuanceDate is after expirationDate"),
        ({"credentialStatus": {"type": "https://a.example/Status"}}, "id of credentialStatus"),
        ({"credentialStatus": {"id": "https://a.example/1", "type": "https://a.example/Status"}}, ""),
        ({"nickname": "A"}, "no context defines 'nickname'"),
    ],
)
def test_a_credential_of_data_model_1_1(change: dict[str, Any], said: str) -> None:
    found = vcdm.problem({**GOOD_1_1, **change})
    assert said in found and bool(found) == bool(said)


def test_a_credential_of_data_model_1_1_needs_the_day_it_was_issued() -> None:
    missing = {name: value for name, value in GOOD_1_1.items() if name != "issuanceDate"}
    assert vcdm.problem(missing) == "issuanceDate is missing"


# ── presentations and envelopes ──

HOLDING: dict[str, Any] = {"@context": [V2], "type": ["VerifiablePresentation"]}
ENVELOPED: dict[str, Any] = {
    "@context": [V2],
    "type": "EnvelopedVerifiableCredential",
    "id": "data:application/vc+jwt,eyJ0.eyJh.c2ln",
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"verifiableCredential": []},
        {"verifiableCredential": GOOD},
        {"verifiableCredential": [GOOD, ENVELOPED]},
        {"id": "urn:a:b", "holder": "did:example:holder"},
        {"holder": {"id": "did:example:holder"}},
        {"type": ["Own", "VerifiablePresentation"], "@context": [V2, {"Own": "https://a.example/Own"}]},
    ],
)
def test_a_presentation_may_have(change: dict[str, Any]) -> None:
    assert vcdm.presentation_problem({**HOLDING, **change}) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"@context": []}, "@context"),
        ({"@context": [EXAMPLES, V2]}, "@context begins with"),
        ({"@context": [V2, "https://example.com"]}, "none is ever fetched"),
        ({"@context": [V2, NO_URL]}, "URL or an object"),
        ({"@context": [V2, 123192875]}, "URL or an object"),
        ({"type": None}, "type is one or more"),
        ({"type": ["VerifiableCredential"]}, "names no VerifiablePresentation"),
        ({"id": NO_URL}, "id of the presentation"),
        ({"holder": {"name": "x"}}, "holder"),
        ({"holder": 7}, "holder"),
        ({"termsOfUse": {"id": "https://a.example/t"}}, "termsOfUse has no type"),
        ({"verifiableCredential": ["eyJ0.eyJh.c2ln"]}, "each verifiableCredential is an object"),
        ({"verifiableCredential": [7]}, "each verifiableCredential is an object"),
        ({"verifiableCredential": [without("type")]}, "type is one or more"),
        ({"verifiableCredential": [{**ENVELOPED, "id": "urn:a:b"}]}, "data: URL"),
        ({"nickname": "A"}, "no context defines 'nickname'"),
    ],
)
def test_a_presentation_may_not_have(change: dict[str, Any], said: str) -> None:
    assert said in vcdm.presentation_problem({**HOLDING, **change})


@pytest.mark.parametrize("kind", ["EnvelopedVerifiableCredential", "EnvelopedVerifiablePresentation"])
def test_an_envelope_is_known_by_its_type(kind: str) -> None:
    for types in (kind, [kind]):
        envelope = {**ENVELOPED, "type": types}
        assert vcdm.is_envelope(envelope) and vcdm.envelope_problem(envelope) == ""
    assert vcdm.envelope_problem({**ENVELOPED, "@context": V2}) == ""
    assert not vcdm.is_envelope(GOOD)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"@context": []}, "@context of an envelope"),
        ({"@context": [EXAMPLES]}, "@context of an envelope"),
        ({"type": None}, "type of an envelope"),
        ({"type": ["VerifiableCredential"]}, "type of an envelope"),
        ({"type": ["EnvelopedVerifiableCredential", "VerifiableCredential"]}, "type of an envelope"),
        ({"id": None}, "data: URL"),
        ({"id": "data:application/vc+jwt"}, "data: URL"),
        ({"id": "https://a.example/credential.jwt"}, "data: URL"),
        ({"id": "data:text/plain,hello"}, "data: URL"),
    ],
)
def test_an_envelope_may_not_have(change: dict[str, Any], said: str) -> None:
    assert said in vcdm.envelope_problem({**ENVELOPED, **change})
