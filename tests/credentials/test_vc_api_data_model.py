"""What the W3C suite of the data model 2.0 sends to an issuer, and what it expects; ported, section by section.

Each document is refused, or accepted and verified again, both as JSON with a proof and as a JWT.
"""

from typing import Any

import pytest

from credentials.models import IssuedCredential
from tests.credentials.vc_api import EXAMPLES, TOKENS, V2, Document, VcApi, document

NO_URL = "https ://not-a-url/1"
MULTI = [{"@value": "Dog", "@language": "en"}, {"@value": "Chien", "@language": "fr"}]
STATUS = {"CredentialStatusList2017": "https://example.org/examples#CredentialStatusList2017"}
POLICY = {"OdrlPolicy2017": "https://example.org/examples#OdrlPolicy2017"}
SCHEMA = "https://example.org/#ExampleTestSuiteSchema"
REFRESH = "https://example.org/#ExampleTestSuiteRefreshService"
V2_SRI = "sha384-l/HrjlBCNWyAX91hr6LFV2Y3heB5Tcr6IeE4/Tje8YyzYBM8IhqjHWiWpr8+ZbYU"
V2_MULTIBASE = "uWZVc7WaX1h4D8rJVb-vlMIqxaEKEb1tYbX8fet7JJzQ"
PURPOSE = {"type": "BitstringStatusListEntry", "statusPurpose": "revocation"}

ACCEPTED: dict[str, Document] = {
    "a further context we know": document((V2, EXAMPLES)),
    "a context of its own": document((V2, {"Mine": "https://example.org/#Mine"}), ("VerifiableCredential", "Mine")),
    "an id": document(id="urn:uuid:9c9a36f8-518f-4976-a934-6649502d0008"),
    "a subject without an id": document((V2, EXAMPLES), credentialSubject={"description": "no id"}),
    "another issuer's name": document(issuer={"id": "did:example:issuer", "name": "Somebody"}),
    "a type that is a URL": document(types=("VerifiableCredential", "https://example.org/#Example")),
    "the types in another order": document(types=("https://example.org/#Example", "VerifiableCredential")),
    "a type of a vocabulary": document((V2, EXAMPLES), ("VerifiableCredential", "RelationshipCredential")),
    "a name": document(name="Example", description="An example"),
    "a name in a language": document(name={"@value": "Example", "@language": "en", "@direction": "ltr"}),
    "a name in several languages": document(name=MULTI, issuer={"id": "did:example:i", "description": MULTI}),
    "several subjects": document(credentialSubject=[{"id": "did:example:one"}, {"id": "did:example:two"}]),
    "a start in milliseconds": document(validFrom="2023-02-26T01:02:58.447Z"),
    "a start with an offset": document(validFrom="2023-02-25T19:10:39-06:00"),
    "an end in the past": document(validFrom="2023-02-26T01:19:19Z", validUntil="2023-02-26T01:19:20Z"),
    "an end that is the start": document(validFrom="2023-02-26T01:19:19Z", validUntil="2023-02-26T01:19:19Z"),
    "an end and no start": document(validUntil="2023-02-26T01:19:20Z"),
    "a status of another kind": document((V2, STATUS), credentialStatus={"type": "CredentialStatusList2017"}),
    "terms of use": document((V2, POLICY), termsOfUse=[{"type": "OdrlPolicy2017", "id": "did:example:terms/1"}]),
    "schemas": document(
        credentialSchema=[{"type": SCHEMA, "id": "did:example:1"}, {"type": SCHEMA, "id": "did:example:2"}]
    ),
    "a refresh service": document(refreshService={"type": REFRESH, "id": "did:example:refresh/1"}),
    "evidence": document((V2, POLICY), evidence={"type": "OdrlPolicy2017"}),
    "a related resource by SRI": document(relatedResource={"id": V2, "digestSRI": V2_SRI}),
    "a related resource by Multibase": document(
        relatedResource=[{"id": V2, "digestMultibase": V2_MULTIBASE, "mediaType": "application/ld+json"}]
    ),
}

REFUSED: dict[str, Any] = {
    "no @context": {name: value for name, value in document().items() if name != "@context"},
    "an empty @context": document(()),
    "another context first": document((EXAMPLES,)),
    "the context as a text": document() | {"@context": V2},
    "a number as @context": document() | {"@context": 4},
    "a context that is no URL": document((V2, NO_URL)),
    "a context that is a number": document((V2, 123192875)),
    "a context that nobody bundled": document((V2, "https://example.com/context/v1")),
    "a redefined type": document((V2, {"VerifiableCredential": "https://example.org/#Bad"})),
    "a redefined term of its own": document(
        (V2, {"@protected": True, "Mine": "https://example.org/#Mine"}, {"Mine": "https://example.org/#Other"}),
        ("VerifiableCredential", "Mine"),
    ),
    "no type": document(types=(), type=...),
    "a type that is a number": document(type=4),
    "no VerifiableCredential": document((V2, EXAMPLES), ("RelationshipCredential",)),
    "a type nobody defines": document((V2, {"@vocab": None}), ("VerifiableCredential", "ExampleTestCredential")),
    "a type mapped to no URL": document((V2, {"Mine": "https ://no#Mine"}), ("VerifiableCredential", "Mine")),
    "a member nobody defines": document(statusEntry={"type": "BitstringStatusListEntry"}),
    "a member only a vocabulary names": document((V2, EXAMPLES), badExtension={"huh": "what?"}),
    "a null id": document(id=None),
    "two ids": document(id=["https://example.org/1", "https://example.org/2"]),
    "an id that is no URL": document(id=NO_URL),
    "no issuer": document(issuer=...),
    "a null issuer": document(issuer=None),
    "an issuer that is a number": document(issuer=4),
    "an issuer that is no URL": document(issuer="fake-issuer"),
    "an issuer without an id": document(issuer={"name": "Nobody"}),
    "an issuer with a null id": document(issuer={"id": None}),
    "an issuer whose id is no URL": document(issuer={"id": "fake-issuer"}),
    "a name with more than language and direction": document(name={"@value": "E", "@language": "en", "url": "did:x:y"}),
    "an issuer's name with more": document(issuer={"id": "did:x:y", "name": {"@value": "E", "url": "did:x:y"}}),
    "no subject": document(credentialSubject=...),
    "an empty subject": document(credentialSubject={}),
    "one empty subject among others": document(credentialSubject=[{"id": "did:example:one"}, {}]),
    "a subject that is a text": document(credentialSubject="did:example:1234"),
    "a subject with two ids": document(credentialSubject={"id": ["did:example:one", "did:example:two"]}),
    "a start that is no dateTimeStamp": document(validFrom="Sat 25 Feb 2023 07:16:31 PM CST"),
    "an end that is no dateTimeStamp": document(validUntil="Sun, 26 Feb 2023 01:22:14 +0000"),
    "an end before the start": document(validFrom="2027-01-01T00:00:00Z", validUntil="2026-01-01T00:00:00Z"),
    "a status without a type": document(credentialStatus={"id": "did:example:status"}),
    "a status whose type is a number": document(credentialStatus={"type": 2}),
    "a status with two ids": document(
        (V2, STATUS), credentialStatus={"id": ["did:x:1", "did:x:2"], "type": next(iter(STATUS))}
    ),
    "a status entry without an index": document(
        credentialStatus={**PURPOSE, "statusListCredential": "https://example.com/1"}
    ),
    "a status entry of our own lists": document(
        credentialStatus={
            **PURPOSE,
            "statusListIndex": "7",
            "statusListCredential": "http://127.0.0.1:8000/status/credential-list",
        }
    ),
    "terms of use without a type": document(termsOfUse={"id": "did:example:terms/1"}),
    "evidence without a type": document(evidence={}),
    "a refresh service without a type": document(refreshService={"id": "did:example:refresh/1"}),
    "a schema without a type": document(credentialSchema={"id": "did:example:schemas/1"}),
    "a schema without an id": document(credentialSchema={"type": SCHEMA}),
    "a schema whose id is no URL": document(credentialSchema={"type": SCHEMA, "id": NO_URL}),
    "a related resource as a text": document(relatedResource=[V2]),
    "a related resource without an id": document(relatedResource=[{"digestMultibase": V2_MULTIBASE}]),
    "a related resource twice": document(
        relatedResource=[{"id": V2, "digestSRI": V2_SRI}, {"id": V2, "digestMultibase": V2_MULTIBASE}]
    ),
    "a related resource without a digest": document(relatedResource=[{"id": V2}]),
    "a related resource with a wrong digest": document(
        relatedResource=[{"id": V2, "digestMultibase": "uM4RgWQc3RUDtjJCSgTJtTfvpZ7SPEg_LNO0ESlovQC0"}]
    ),
    "a proof already": document(proof={"type": "DataIntegrityProof"}),
    "an id among our addresses": document(id="http://127.0.0.1:8000/credentials/0b0d1a9e-7c55-4d0c-8d8c-0f6f6d3f9a11"),
    "data model 1.1": document(("https://www.w3.org/2018/credentials/v1",), issuanceDate="2026-10-15T12:00:00Z"),
    "a list": [],
    "a text": "credential",
}


@pytest.fixture
def vc_api(ready: None, client: Any, settings: Any) -> VcApi:
    settings.OPERATOR_TOKENS = TOKENS
    return VcApi(client)


@pytest.mark.parametrize("jwt", [False, True], ids=["proof", "JWT"])
def test_every_credential_of_the_data_model_is_issued_and_verifies(vc_api: VcApi, jwt: bool) -> None:
    wrong = {}
    for case, credential in ACCEPTED.items():
        issued = vc_api.issue(credential, jwt=jwt)
        answer = vc_api.verify(issued.json().get("verifiableCredential"), checks=["proof"])
        if (issued.status_code, answer.status_code, answer.json()["verified"]) != (201, 200, True):
            wrong[case] = (issued.content, answer.content)
    assert not wrong


@pytest.mark.parametrize("jwt", [False, True], ids=["proof", "JWT"])
def test_what_breaks_the_data_model_is_refused_with_a_problem_and_nothing_is_kept(vc_api: VcApi, jwt: bool) -> None:
    wrong = {}
    for case, credential in REFUSED.items():
        answer = vc_api.issue(credential, jwt=jwt)
        problem = answer.json() if answer.headers["Content-Type"] == "application/problem+json" else {}
        if answer.status_code != 400 or not problem["type"].endswith(("MALFORMED_VALUE_ERROR", "PARSING_ERROR")):
            wrong[case] = answer.content
    assert not wrong
    assert not IssuedCredential.objects.exists()
