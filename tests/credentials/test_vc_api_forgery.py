"""What no operator's token makes: a document that passes as an enrolment's, as a status list, or as another's token."""

from typing import Any

import pytest

from audit import clock
from credentials import addresses, services
from credentials.models import IssuedCredential
from tests.credentials.conftest import enrollment
from tests.credentials.vc_api import EXAMPLES, TOKENS, V2, Document, VcApi, document

BASE = addresses.base()
OURS = addresses.context()
A_LIST = {"type": "BitstringStatusList", "statusPurpose": "revocation", "encodedList": "uH4sIAAAAAAAA_w"}
STATUS_TERMS = "https://www.w3.org/ns/credentials/status#"


def of_types(*types: str, contexts: Any = (V2, OURS), **members: Any) -> Document:
    return document(contexts, ("VerifiableCredential", *types), **members)


FORGED: dict[str, Document] = {
    "an enrolment": of_types("ProgramEnrollmentCredential", credentialSubject={"enrollmentId": "e-1"}),
    "an enrolment beside another type": of_types(
        "AlumniCredential", "ProgramEnrollmentCredential", contexts=(V2, EXAMPLES)
    ),
    "an enrolment of the DEG profile": of_types("UtilityProgramEnrollmentCredential", contexts=(V2, EXAMPLES)),
    "an enrolment under another name": of_types(
        "Alias", contexts=(V2, {"Alias": f"{OURS}#ProgramEnrollmentCredential"})
    ),
    "an enrolment under half a name": of_types(
        "ours:EnrollmentCredential", contexts=(V2, {"ours": {"@id": f"{OURS}#Program", "@prefix": True}})
    ),
    "a status list under another name": of_types(
        "Alias", contexts=(V2, {"Alias": f"{STATUS_TERMS}BitstringStatusListCredential"})
    ),
    "an enrolment said of it further down": document(
        (V2, OURS, EXAMPLES),
        id="urn:example:1",
        credentialSubject={"knows": {"@id": "urn:example:1", "type": "ProgramEnrollmentCredential"}},
    ),
    "a consent": of_types("EnergyConsentCredential", credentialSubject={"consentId": "c-1"}),
    "a status list": of_types("BitstringStatusListCredential", credentialSubject=A_LIST),
    "a status list by its whole name": of_types(
        f"{STATUS_TERMS}BitstringStatusListCredential", credentialSubject=A_LIST
    ),
    "a status list by its subject": document(credentialSubject=A_LIST),
    "what lies at a list's address": document(id=f"{BASE}/status/enrollment-list"),
    "what lies at our own address": document(id=BASE),
    "what lies at a list's address in capitals": document(id=f"{BASE.upper()}/status/enrollment-list"),
    "a subject in two halves": document(
        (V2, EXAMPLES), credentialSubject=[{"id": "did:example:1", "name": "A"}, {"id": "did:example:1", "child": "B"}]
    ),
    "a token of another issuer": document(iss="did:example:other"),
    "a token about somebody else": document(sub="did:example:other"),
    "a token that is over": document(exp=5),
    "a token bound to a key": document(cnf={"jwk": {}}),
    "a token of data model 1.1": document((V2, {"vc": "https://example.org/#vc"}), vc={}),
}


@pytest.fixture
def vc_api(ready: None, client: Any, settings: Any) -> VcApi:
    settings.OPERATOR_TOKENS = TOKENS
    return VcApi(client)


@pytest.mark.parametrize("jwt", [False, True], ids=["proof", "JWT"])
@pytest.mark.parametrize("case", FORGED)
def test_a_token_does_not_make(vc_api: VcApi, case: str, jwt: bool) -> None:
    answer = vc_api.issue(FORGED[case], jwt=jwt)
    assert answer.status_code == 400, answer.content
    assert not IssuedCredential.objects.exists()


def test_no_second_credential_goes_by_the_name_of_one_that_is_there(vc_api: VcApi) -> None:
    (issued,) = services.issue([enrollment()], now=clock.now())
    for name in (f"urn:uuid:{issued.id}", f"vc:enrollment:{issued.id}"):
        assert vc_api.issue(document(id=name)).status_code == 400
    assert IssuedCredential.objects.count() == 1
