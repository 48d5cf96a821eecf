"""A presentation proves who signed it: with their own key, for us, for this order, now. And nothing else does."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from credentials import asking, issuers
from credentials.presentations import MAXIMUM_BYTES, Holder, Unproven, prove_holder
from outbound.cache import default_cache
from tests.credentials.conftest import NOON
from tests.credentials.issuer import Issuer, b64url, key_of
from tests.wallet import V1, V2, Wallet, did_jwk, did_key, ed25519, p256

US = "http://127.0.0.1:8000"
OWNER = "owner.example.com"
ORDER = "order-1"
WALLETS = [did_key(ed25519()), did_key(p256()), did_jwk(ed25519()), did_jwk(p256())]
GITA, MALLORY = did_key(ed25519("gita")), did_key(ed25519("mallory"))


def prove(jwt: Any, **changes: Any) -> Holder | Unproven:
    return prove_holder(jwt, **{"audience": {US, OWNER}, "nonce": ORDER, "now": NOON, **changes})


def why(jwt: Any, **changes: Any) -> str:
    """ "" for a presentation that proves."""
    found = prove(jwt, **changes)
    return "" if isinstance(found, Holder) else found.reason.value


def presented(wallet: Wallet = GITA, **claims: Any) -> str:
    return wallet.present(**{"aud": US, "nonce": ORDER, "now": NOON, **claims})


def unsigned(header: Any, payload: Any) -> str:
    return ".".join(b64url(json.dumps(part).encode()) for part in (header, payload))


@pytest.fixture
def server() -> Iterator[Issuer]:
    """Where somebody's did:web lies; the document names one key, for authentication only."""
    issuer = Issuer("EdDSA")
    issuer.publish_keys(authentication=[f"{issuer.did}#key-1"], assertionMethod=[])
    default_cache().clear()
    asking._failures.clear()
    issuers._looked.clear()
    yield issuer
    issuer.stop()


def at(server: Issuer) -> Wallet:
    return Wallet(server.private, server.did, f"{server.did}#key-1")


# ── what proves ──


@pytest.mark.parametrize("form", ["1.1", "2.0"])
@pytest.mark.parametrize("wallet", WALLETS, ids=lambda wallet: f"{wallet.did[:8]} {wallet.algorithm}")
def test_a_key_that_is_a_did_proves_its_holder_in_both_data_models(wallet: Wallet, form: Any) -> None:
    proven = prove(presented(wallet, form=form))
    assert isinstance(proven, Holder)
    assert (proven.did, proven.expires_at) == (wallet.did, NOON + timedelta(minutes=10))
    assert wallet.did not in repr(proven)


@pytest.mark.parametrize(
    "aud", [US, OWNER, [US], ["https://another.example", OWNER]], ids=["url", "subscriber", "list", "among others"]
)
def test_either_of_our_names_is_us(aud: Any) -> None:
    assert why(presented(aud=aud)) == ""


def test_a_wallet_may_leave_out_what_the_standards_let_it_leave_out() -> None:
    payload = GITA.presentation(aud=US, nonce=ORDER, now=NOON)
    del payload["vp"]["holder"]
    assert why(GITA.sign(payload, typ=None, kid=None)) == ""
    payload["vp"]["type"] = "VerifiablePresentation"
    payload["vp"]["holder"] = {"id": GITA.did}
    assert why(GITA.sign(payload)) == ""


def test_a_presentation_is_named_by_its_jti_or_by_what_was_signed() -> None:
    named = prove(presented(jti="urn:uuid:1"))
    assert isinstance(named, Holder) and named.jti_or_digest == "urn:uuid:1"
    wallet = WALLETS[1]
    text = presented(wallet)
    content, _, signature = text.rpartition(".")
    raw = issuers.from_b64url(signature)
    rest = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551 - int.from_bytes(raw[32:], "big")
    twin = f"{content}.{b64url(raw[:32] + rest.to_bytes(32, 'big'))}"
    first, second = prove(text), prove(twin)
    assert isinstance(first, Holder) and first == second, "a second signature made of the first names the same one"


# ── not for us, not for this order, not now ──


@pytest.mark.parametrize(
    "aud", ["https://another.example", None, "", [], [""], {"a": US}, 5, [[US]], US + "/x", US.upper()]
)
def test_one_that_was_made_for_somebody_else_proves_nothing(aud: Any) -> None:
    assert why(presented(aud=aud)) == "WRONG_AUDIENCE"


@pytest.mark.parametrize("nonce", ["order-2", None, "", 1, ["order-1"], "ORDER-1", "order-1 "])
def test_one_that_was_made_for_another_order_proves_nothing(nonce: Any) -> None:
    assert why(presented(nonce=nonce)) == "WRONG_NONCE"


def test_without_an_order_nothing_is_proven() -> None:
    assert why(presented(nonce=""), nonce="") == "WRONG_NONCE"


@pytest.mark.parametrize(
    ("issued", "expires", "expected"),
    [
        (-600, -60, "EXPIRED"),
        (-600, -59, ""),
        (0, 3600, ""),
        (0, 3601, "WRONG_DATES"),
        (59, 600, ""),
        (61, 600, "WRONG_DATES"),
        (0, 0, "WRONG_DATES"),
        (0, -1, "WRONG_DATES"),
        (None, 600, "WRONG_DATES"),
        (0, None, "WRONG_DATES"),
    ],
)
def test_it_lives_an_hour_at_most_and_clocks_may_differ_by_a_minute(
    issued: int | None, expires: int | None, expected: str
) -> None:
    noon = int(NOON.timestamp())
    dates = {"iat": issued, "exp": expires}
    claims = {name: None if seconds is None else noon + seconds for name, seconds in dates.items()}
    assert why(presented(**claims)) == expected


@pytest.mark.parametrize("exp", ["tomorrow", True, -1, 10**30, 1e300, [1], {}])
def test_a_date_that_is_none_breaks_nothing(exp: Any) -> None:
    assert why(presented(exp=exp)) == "WRONG_DATES"
    assert why(presented(iat=exp)) == "WRONG_DATES"
    assert why(presented(nbf=exp)) == "WRONG_DATES"


# ── not by the holder ──


def test_a_signature_with_another_key_is_not_the_holders() -> None:
    payload = GITA.presentation(aud=US, nonce=ORDER, now=NOON)
    assert why(GITA.sign(payload, key=MALLORY.private)) == "BAD_SIGNATURE"
    assert why(GITA.sign(payload, key=MALLORY.private, kid=None)) == "BAD_SIGNATURE"
    assert why(GITA.sign(payload, key=MALLORY.private, kid=MALLORY.kid)) == "UNKNOWN_KEY", "a key of somebody else"
    own = {"kty": "OKP", "crv": "Ed25519", "x": b64url(MALLORY.private.public_key().public_bytes_raw())}
    assert why(GITA.sign(payload, key=MALLORY.private, jwk=own)) == "BAD_SIGNATURE", "nobody brings their own key"
    assert why(GITA.sign(payload, kid="another")) == "UNKNOWN_KEY"


def test_whoever_signs_is_the_holder_everywhere_it_is_said() -> None:
    for form in ("1.1", "2.0"):
        payload = MALLORY.presentation(aud=US, nonce=ORDER, now=NOON, form=form)
        content = payload.get("vp", payload)
        assert why(MALLORY.sign({**payload, "iss": GITA.did})) == "MALFORMED"
        content["holder"] = GITA.did
        assert why(MALLORY.sign(payload)) == "MALFORMED"
        payload["iss"] = None
        assert why(MALLORY.sign(payload)) == "MALFORMED"


def test_what_was_signed_cannot_be_changed_afterwards() -> None:
    header, payload, signature = presented(nonce="order-2").split(".")
    changed = json.loads(issuers.from_b64url(payload)) | {"nonce": ORDER}
    assert why(f"{header}.{b64url(json.dumps(changed).encode())}.{signature}") == "BAD_SIGNATURE"


def test_no_signature_and_none_that_anybody_can_make_is_taken() -> None:
    payload = GITA.presentation(aud=US, nonce=ORDER, now=NOON)
    for alg in ("none", "None", "", None, 5, ["EdDSA"], "ES256K", "RS1"):
        assert why(unsigned({"alg": alg, "typ": "JWT"}, payload) + ".") == "ALG_NOT_ALLOWED"
    content = unsigned({"alg": "HS256", "typ": "JWT", "kid": GITA.kid}, payload)
    public = GITA.private.public_key()
    for secret in (public.public_bytes_raw(), public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        mac = hmac.new(secret, content.encode(), hashlib.sha256).digest()
        assert why(f"{content}.{b64url(mac)}") == "ALG_NOT_ALLOWED"
    assert why(unsigned({"alg": "EdDSA", "typ": "JWT", "kid": GITA.kid}, payload) + ".") == "BAD_SIGNATURE"


@pytest.mark.parametrize("private", [rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1())])
def test_an_algorithm_that_wallets_do_not_use_is_not_tried(private: Any) -> None:
    algorithm = "RS256" if isinstance(private, rsa.RSAPrivateKey) else "ES384"
    payload = GITA.presentation(aud=US, nonce=ORDER, now=NOON)
    assert why(GITA.sign(payload, key=private, alg=algorithm)) == "ALG_NOT_ALLOWED"


def test_a_header_that_demands_something_unknown_is_refused() -> None:
    payload = GITA.presentation(aud=US, nonce=ORDER, now=NOON)
    assert why(GITA.sign(payload, crit=["exp"])) == "MALFORMED"


@pytest.mark.parametrize(
    "did",
    [
        "did:example:user-12345",
        "did:ethr:0xab",
        "did:key",
        "did:key:",
        "did:key:z6Mk",
        "https://a.example",
        "",
        "x" * 600,
    ],
)
def test_a_did_that_is_no_key_and_leads_to_none_proves_nobody(did: str) -> None:
    wallet = Wallet(GITA.private, did, f"{did}#1")
    assert why(presented(wallet)) in ("DID_NOT_SUPPORTED", "MALFORMED", "UNKNOWN_KEY")


def test_the_same_key_under_a_second_spelling_of_its_did_is_nobody() -> None:
    for did in (GITA.did + "\n", GITA.did + " ", GITA.did + "#" + GITA.did[8:], GITA.did.replace("key:", "key:1.1:")):
        assert why(presented(Wallet(GITA.private, did, ""))) in ("MALFORMED", "UNKNOWN_KEY")


def test_a_did_nobody_can_look_up_is_told_to_sign_in() -> None:
    answer = prove(presented(Wallet(GITA.private, "did:example:user-12345", "")))
    assert isinstance(answer, Unproven) and answer.reason == "DID_NOT_SUPPORTED" and "userAuth" in answer.message


# ── other things that are signed ──


def test_a_credential_is_no_presentation() -> None:
    claims = {
        "iss": GITA.did,
        "aud": US,
        "nonce": ORDER,
        "iat": int(NOON.timestamp()),
        "exp": int(NOON.timestamp()) + 60,
    }
    vc = {"@context": [V1], "type": ["VerifiableCredential"], "credentialSubject": {"id": "did:example:a"}}
    vp = {"@context": [V1], "type": ["VerifiablePresentation"]}
    assert why(GITA.sign({**claims, "vc": vc}, typ="JWT")) == "MALFORMED"
    assert why(GITA.sign({**claims, "vc": vc, "vp": vp})) == "MALFORMED"
    assert why(GITA.sign({**claims, **vc, "@context": [V2]}, typ="vc+jwt")) == "MALFORMED"
    assert why(GITA.sign({**claims, **vc, "@context": [V2]}, typ="vp+jwt")) == "MALFORMED"
    assert why(GITA.sign(claims, typ="JWT")) == "MALFORMED", "and a self-issued ID token neither"
    assert why(GITA.sign({**claims, "vp": vp}, typ="vp+jwt")) == "MALFORMED", "a 1.1 claim under the 2.0 name"
    assert why(GITA.sign({**claims, "vp": vp}, typ="at+jwt")) == "MALFORMED"


# ── did:web ──


def test_a_did_web_proves_with_the_keys_its_document_gives_for_authentication(server: Issuer, db: None) -> None:
    assert why(presented(at(server))) == ""
    assert why(presented(at(server), jti="again")) == ""
    assert server.asked == ["/.well-known/did.json"], "kept while its Cache-Control allows, not asked each time"


def test_a_key_for_stating_facts_does_not_show_who_one_is(server: Issuer, db: None) -> None:
    server.publish_keys()
    assert why(presented(at(server))) == "UNKNOWN_KEY"


def test_a_key_the_document_does_not_have_proves_nobody(server: Issuer, db: None) -> None:
    payload = at(server).presentation(aud=US, nonce=ORDER, now=NOON)
    assert why(at(server).sign(payload, key=key_of("EdDSA"))) == "BAD_SIGNATURE"
    assert why(at(server).sign(payload, kid=f"{server.did}#another")) == "UNKNOWN_KEY"


def test_a_did_web_that_does_not_answer_may_be_tried_again(server: Issuer, db: None) -> None:
    server.stop()
    answer = prove(presented(at(server)))
    assert isinstance(answer, Unproven)
    assert (answer.reason, answer.retry_after_seconds) == ("UNREACHABLE", 60)
    assert server.did not in answer.message


def test_a_did_web_that_has_no_document_is_final(server: Issuer, db: None) -> None:
    del server.documents["/.well-known/did.json"]
    answer = prove(presented(at(server)))
    assert isinstance(answer, Unproven)
    assert (answer.reason, answer.retry_after_seconds) == ("UNKNOWN_KEY", None)


def test_nobody_is_asked_about_a_presentation_that_is_not_for_us(server: Issuer, db: None) -> None:
    assert why(presented(at(server), aud="https://another.example")) == "WRONG_AUDIENCE"
    assert why(presented(at(server), nonce="order-2")) == "WRONG_NONCE"
    assert why(presented(at(server), exp=int(NOON.timestamp()) - 3000, iat=int(NOON.timestamp()) - 3600)) == "EXPIRED"
    assert server.asked == []


@pytest.mark.parametrize("host", ["10.0.0.1", "169.254.169.254", "127.0.0.1%3A1%2f", "a.example:..:x", "%00", "[::1]"])
def test_a_did_web_leads_us_nowhere_inside(host: str, db: None) -> None:
    assert why(presented(Wallet(GITA.private, f"did:web:{host}", ""))) in ("UNKNOWN_KEY", "MALFORMED", "UNREACHABLE")


def test_our_own_issuer_is_no_holder(settings: Any, db: None) -> None:
    assert why(presented(Wallet(GITA.private, settings.ISSUER_DID, ""))) == "UNKNOWN_KEY"


# ── garbage ──


@pytest.mark.parametrize(
    "text",
    [
        None,
        5,
        {},
        ["a"],
        b"a.b.c",
        "",
        "....",
        "a.b.c",
        "é.é.é",
        "x" * 100_000,
        "\x00" * 10,
        unsigned({"alg": "EdDSA"}, [1]) + "." + "A" * 86,
        unsigned({"alg": "EdDSA"}, {"vp": []}) + "." + "A" * 86,
        unsigned({"alg": "EdDSA", "typ": 5}, {"vp": {}}) + "." + "A" * 86,
        unsigned({"alg": "EdDSA", "kid": {}}, {"vp": {}}) + "." + "A" * 86,
        unsigned({"alg": "EdDSA"}, {"vp": {"@context": [{}], "type": {}}}) + "." + "A" * 86,
        b64url(b'{"alg":"EdDSA"}') + "." + b64url(b"[" * 9_000) + "." + "A" * 86,
        b64url(b'{"alg":"EdDSA"}') + "." + b64url(b'{"exp": NaN}') + "." + "A" * 86,
        b64url(b'{"alg":"EdDSA"}') + "." + b64url(b'{"iss": "a", "iss": "b"}') + "." + "A" * 86,
    ],
    ids=lambda text: str(text)[:16],
)
def test_garbage_is_malformed_and_breaks_nothing(text: Any) -> None:
    assert why(text) == "MALFORMED"


def test_one_that_is_too_long_is_not_read() -> None:
    assert why(presented(padding="x" * MAXIMUM_BYTES)) == "MALFORMED"
    assert why(presented(padding="x" * (MAXIMUM_BYTES // 2))) == ""


@given(
    st.dictionaries(
        st.sampled_from(["iss", "aud", "nonce", "iat", "exp", "nbf", "jti", "vp", "vc", "@context", "type", "holder"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=6,
    ),
    st.sampled_from(["1.1", "2.0"]),
)
def test_whatever_a_presentation_says_it_proves_its_signer_or_nothing(claims: dict[str, Any], form: Any) -> None:
    payload = {**GITA.presentation(aud=US, nonce=ORDER, now=NOON, form=form), **claims}
    found = prove(GITA.sign(payload))
    assert isinstance(found, Unproven) or found.did == GITA.did


def test_no_answer_repeats_anything_of_the_presentation() -> None:
    for text in (
        presented(aud="https://another.example"),
        presented(nonce="order-secret"),
        presented(MALLORY)[:-3] + "AAA",
    ):
        answer = prove(text)
        assert isinstance(answer, Unproven)
        assert "secret" not in answer.message and "did:key" not in answer.message and "another" not in answer.message
