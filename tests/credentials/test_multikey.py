"""Keys as text, against published vectors, and keys that are refused."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from credentials import multikey
from credentials.multikey import BadKey
from tests.credentials.issuer import jwk_of, key_of

# did:key method specification, test vectors for P-256.
DID_KEY_P256 = "zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169"
JWK_P256 = {
    "kty": "EC",
    "crv": "P-256",
    "x": "fyNYMN0976ci7xqiSdag3buk-ZCwgXU4kz9XNkBlNUI",
    "y": "hW2ojTNfH7Jbi8--CJUo3OCbH3y5n91g-IMA9MLMbTU",
}
RFC_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    assert multikey.thumbprint(RFC_7638) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_a_p256_key_is_the_published_multikey_both_ways() -> None:
    key = multikey.read_multikey(DID_KEY_P256)
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert multikey.jwk_of(key) == JWK_P256
    assert multikey.multikey_of(key) == DID_KEY_P256


def test_an_ed25519_multikey_of_the_did_key_specification_is_read() -> None:
    key = multikey.read_multikey("z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK")
    assert isinstance(key, ed25519.Ed25519PublicKey)
    raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    assert raw.hex() == "2e6fcce36701dc791488e0d0b1745cc1e33a4c1c9fcc41c63bd343dbbe0970e6"
    assert multikey.multikey_of(key) == "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"


def test_the_thumbprint_of_an_ed25519_key_is_that_of_rfc_8037() -> None:
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    key = multikey.read_jwk(jwk)
    assert isinstance(key, ed25519.Ed25519PublicKey) and multikey.jwk_of(key) == jwk
    assert multikey.thumbprint(jwk) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("algorithm", ["ES256", "ES384", "EdDSA", "RS256"])
def test_a_jwk_is_read_and_allows_only_its_own_algorithms(algorithm: str) -> None:
    key = multikey.read_jwk(jwk_of(key_of(algorithm)))
    assert algorithm in multikey.algorithms_of(key)
    assert not {"none", "HS256"} & multikey.algorithms_of(key)


def _weak_rsa(bits: int) -> dict[str, str]:
    return jwk_of(rsa.generate_private_key(public_exponent=65537, key_size=bits))


@pytest.mark.parametrize(
    "jwk",
    [
        None,
        [],
        "text",
        {},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"kty": []},
        {**JWK_P256, "crv": "secp256k1"},
        {**JWK_P256, "x": JWK_P256["y"]},
        {**JWK_P256, "x": JWK_P256["x"][:-2]},
        {**JWK_P256, "x": 17},
        {**JWK_P256, "use": "enc"},
        {**JWK_P256, "key_ops": ["sign"]},
        {"kty": "OKP", "crv": "X25519", "x": "L"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {**RFC_7638, "e": "AQ"},
        {**RFC_7638, "n": "AQAB"},
        {**RFC_7638, "n": "A" * 4000},
        _weak_rsa(1024),
    ],
    ids=range(18),
)
def test_a_weak_or_odd_jwk_is_refused(jwk: object) -> None:
    with pytest.raises(BadKey):
        multikey.read_jwk(jwk)


@pytest.mark.parametrize("text", ["", "z", "zzzz", "uABC", "z0OIl", DID_KEY_P256[:-1], "z" * 5000, DID_KEY_P256 + "1"])
def test_what_is_no_multikey_is_refused(text: str) -> None:
    with pytest.raises(BadKey):
        multikey.read_multikey(text)


@given(st.binary(max_size=80))
def test_base64url_has_one_spelling(raw: bytes) -> None:
    assert multikey.from_b64url(multikey.b64url(raw)) == raw


@pytest.mark.parametrize("text", ["AB", "AAAA=", "A+A/", "é", "A", " AAA", 7, None])
def test_other_spellings_of_base64url_are_refused(text: object) -> None:
    with pytest.raises(ValueError, match="base64url"):
        multikey.from_b64url(text)
