"""`manage.py vc_cli`: what the W3C VC-JOSE-COSE suite runs, case by case; the other side is joserfc.

Keys come as verification methods with a public and a secret half, as the suite hands them over.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey

from tests.credentials.vc_api import EXAMPLES, V2, Document

CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
NAME = "https://example.issuer/vc-jose-cose"
MINIMAL: Document = {
    "@context": [V2, EXAMPLES],
    "id": "http://university.example/credentials/1872",
    "type": ["VerifiableCredential", "ExampleAlumniCredential"],
    "issuer": NAME,
    "validFrom": "2010-01-01T19:23:24Z",
    "credentialSchema": {"id": "https://example.org/examples/degree.json", "type": "JsonSchema"},
    "credentialSubject": {"id": "did:example:123", "degree": {"type": "BachelorDegree", "name": "Bachelor of Science"}},
}
ENVELOPES = [
    "data:application/vc+jwt,eyJhbGciOiJFUzI1NiJ9.e30.c2ln",
    "data:application/vc+sd-jwt,eyJhbGciOiJFUzI1NiJ9.e30.c2ln ~WyJz~",
    "data:application/vc+cose;base64,0oRYV6QBOCI",
]
PRESENTATION: Document = {
    "@context": [V2, EXAMPLES],
    "id": "urn:uuid:3978344f-8596-4c3a-a978-8fcaba3903c5",
    "type": ["VerifiablePresentation"],
    "holder": NAME,
    "verifiableCredential": [
        {"@context": V2, "type": "EnvelopedVerifiableCredential", "id": each} for each in ENVELOPES
    ],
}


@pytest.fixture(scope="module")
def keys() -> dict[str, Any]:
    return {
        curve: OKPKey.generate_key("Ed25519") if curve == "Ed25519" else ECKey.generate_key(curve) for curve in CURVES
    }


@pytest.fixture
def run(tmp_path: Path, keys: dict[str, Any]) -> Callable[..., dict[str, str]]:
    def run(act: str, what: Any, curve: str, feature: str = "credential_jose") -> dict[str, str]:
        (tmp_path / "input").write_text(what if isinstance(what, str) else json.dumps(what))
        (tmp_path / "key").write_text(json.dumps(method(keys[curve], curve)))
        named = {name: str(tmp_path / name) for name in ("input", "key", "output")}
        call_command("vc_cli", act, feature=feature, **named)
        found = json.loads((tmp_path / "output").read_text())
        assert set(found) == {"result", "data"}
        return found

    return run


def method(key: Any, curve: str) -> Document:
    return {
        "id": f"{NAME}#key-1",
        "type": "JsonWebKey",
        "controller": NAME,
        "publicKeyJwk": {**key.as_dict(private=False), "alg": CURVES[curve]},
        "secretKeyJwk": {**key.as_dict(private=True), "alg": CURVES[curve]},
    }


def signed(document: Document, key: Any, curve: str, **header: str) -> str:
    """The document as joserfc signs it, with the registered claims of the suite's samples: an `iat` that is a text."""
    header = {"alg": CURVES[curve], "typ": "vc+jwt", "cty": "vc", "kid": "a-thumbprint", **header}
    payload = {**document, "iss": NAME, "jti": document["id"], "iat": "2010-01-01T19:23:24Z", "exp": 1734397450}
    return jws.serialize_compact(header, json.dumps(payload), key, algorithms=[CURVES[curve]])


@pytest.mark.parametrize("curve", CURVES)
def test_what_it_signs_another_implementation_verifies_and_what_another_signs_it_verifies(
    run: Callable[..., dict[str, str]], keys: dict[str, Any], curve: str
) -> None:
    made = run("issue", MINIMAL, curve)
    assert made["result"] == "success"
    read = jws.deserialize_compact(made["data"], keys[curve], algorithms=[CURVES[curve]])
    assert (read.headers()["typ"], read.headers()["kid"]) == ("vc+jwt", f"{NAME}#key-1")
    payload = json.loads(read.payload)
    assert {name: payload[name] for name in MINIMAL} == MINIMAL
    found = run("verify", signed(MINIMAL, keys[curve], curve), curve)
    assert (found["result"], json.loads(found["data"])["issuer"]) == ("success", NAME)


def test_a_presentation_is_signed_and_verified_whatever_its_envelopes_hold(
    run: Callable[..., dict[str, str]], keys: dict[str, Any]
) -> None:
    made = run("issue", PRESENTATION, "P-521", "presentation_jose")
    assert made["result"] == "success"
    assert run("verify", made["data"], "P-521", "presentation_jose")["result"] == "success"
    foreign = signed(PRESENTATION, keys["P-384"], "P-384", typ="vp+jwt", cty="vp")
    assert run("verify", foreign, "P-384", "presentation_jose")["result"] == "success"


def test_members_that_nobody_defines_are_not_signed(run: Callable[..., dict[str, str]]) -> None:
    made = run("issue", {**MINIMAL, "badExtension": {"huh": "what?"}}, "P-521")
    assert made == {"result": "failure", "data": "no context defines the member 'badExtension'"}


@pytest.mark.parametrize("change", [{"issuer": None}, {"type": ["Other"]}, {"@context": [EXAMPLES]}, {"vc": "oops"}])
def test_what_is_no_credential_is_not_signed(run: Callable[..., dict[str, str]], change: Document) -> None:
    assert run("issue", {**MINIMAL, **change}, "P-256")["result"] == "failure"


@pytest.mark.parametrize(
    ("change", "header"),
    [
        ({"vc": "oops", "vp": "nooo"}, {}),
        ({}, {"typ": "bad+typ", "cty": "bad+cty"}),
        ({}, {"typ": "vp+jwt"}),
        ({"issuer": "https://another.example"}, {}),
        ({"credentialSubject": {}}, {}),
    ],
)
def test_a_well_signed_token_that_is_no_credential_fails(
    run: Callable[..., dict[str, str]], keys: dict[str, Any], change: Document, header: dict[str, str]
) -> None:
    token = signed({**MINIMAL, **change}, keys["Ed25519"], "Ed25519", **header)
    assert run("verify", token, "Ed25519")["result"] == "failure"


@pytest.mark.parametrize(
    "held", [[{**MINIMAL}], ["a.b.c"], [{"type": "EnvelopedVerifiableCredential", "id": "not-a-credential"}]]
)
def test_a_presentation_of_what_is_not_enveloped_fails(
    run: Callable[..., dict[str, str]], keys: dict[str, Any], held: list[Any]
) -> None:
    token = signed({**PRESENTATION, "verifiableCredential": held}, keys["P-256"], "P-256", typ="vp+jwt", cty="vp")
    assert run("verify", token, "P-256", "presentation_jose")["result"] == "failure"


def test_another_key_algorithm_or_signature_fails(run: Callable[..., dict[str, str]], keys: dict[str, Any]) -> None:
    token = signed(MINIMAL, keys["P-256"], "P-256")
    assert run("verify", token, "Ed25519")["result"] == "failure"
    assert run("verify", signed(MINIMAL, ECKey.generate_key("P-256"), "P-256"), "P-256")["result"] == "failure"
    head, body, _ = token.split(".")
    assert run("verify", f"{head}.{body}.", "P-256")["result"] == "failure"
    assert run("verify", f"eyJhbGciOiJub25lIn0.{body}.", "P-256")["result"] == "failure"


@pytest.mark.parametrize("text", ["", "a.b", json.dumps(MINIMAL), "\u00e9.e30.e30", "e30.W10.c2ln"])
def test_what_is_no_token_fails(run: Callable[..., dict[str, str]], text: str) -> None:
    assert run("verify", text, "P-256")["result"] == "failure"


def test_a_feature_that_we_do_not_have_is_indeterminate(run: Callable[..., dict[str, str]]) -> None:
    assert run("issue", MINIMAL, "P-256", "credential_cose")["result"] == "indeterminate"
    assert run("verify", "a.b.c", "P-256", "credential_sdjwt")["result"] == "indeterminate"


def test_a_file_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        call_command(
            "vc_cli", "issue", input=str(tmp_path / "none"), key="none", feature="credential_jose", output="none"
        )
