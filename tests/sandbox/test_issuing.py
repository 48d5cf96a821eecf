import jwt
import pytest

from audit import clock
from sandbox import issuing


@pytest.mark.parametrize("alg", ["ES256", "RS256", "EdDSA"])
@pytest.mark.parametrize("form", ["1.1", "2.0"])
def test_any_issuer_signs_any_claims_in_both_forms(alg: issuing.Algorithm, form: str) -> None:
    key = issuing.make_key(alg)
    token = issuing.sign_vc(
        key,
        issuer="did:example:utility-credential-issuer",
        subject="did:example:user-12345",
        type="MeterOwnershipCredential",
        claims={"meterId": "umid-001"},
        id="vc-meter-ownership-001",
        now=clock.now(),
        form=form,  # type: ignore[arg-type]
    )
    public = jwt.PyJWKSet.from_dict(issuing.jwks([key])).keys[0]
    payload = jwt.decode(token, public, algorithms=[alg])
    credential = payload["vc"] if form == "1.1" else payload
    assert credential["credentialSubject"] == {"id": "did:example:user-12345", "meterId": "umid-001"}
    assert ("vc" in payload) is (form == "1.1")


def test_a_kept_key_is_the_same_key() -> None:
    key = issuing.make_key("ES256")
    assert issuing.read_key("ES256", key.pem()).kid == key.kid


def test_entry_0_is_the_left_most_bit() -> None:
    encoded = issuing.encoded_list([0, 9, issuing.LIST_SIZE - 1])
    assert [i for i in (0, 1, 8, 9, issuing.LIST_SIZE - 1) if issuing.bit_is_set(encoded, i)] == [
        0,
        9,
        issuing.LIST_SIZE - 1,
    ]


@pytest.mark.parametrize(
    ("url", "did"),
    [
        ("http://127.0.0.1:8001", "did:web:127.0.0.1%3A8001"),
        ("http://127.0.0.1:8001/issuers/program", "did:web:127.0.0.1%3A8001:issuers:program"),
        ("https://issuer.example.com/", "did:web:issuer.example.com"),
    ],
)
def test_did_web_is_made_of_an_address(url: str, did: str) -> None:
    assert issuing.did_web(url) == did
