"""Reading what was presented, whichever form it has. Pure; nothing is believed yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from credentials import content, problems, strict_json, tokens, vcdm
from credentials.content import Content, malformed
from credentials.data_integrity import jsonld
from credentials.multikey import PublicKey
from credentials.reasons import Disbelieved, Reason
from credentials.verifying import embedded_proofs, meaning, sd_jwt
from credentials.verifying.values import HeldForm, Policy, Presented

NETWORK_FORMATS = ("", "VC-JWT", "vc+jwt", "application/vc+jwt", "application/jwt", "jwt_vc_json")
ENVELOPES = (
    "data:application/vc+jwt,",
    "data:application/jwt,",
    "data:application/vc-ld+jwt,",
    "data:application/vc+ld+jwt,",
    "data:application/dc+sd-jwt,",
    "data:application/vc+sd-jwt,",
)
_JWT_ONLY = ("jti", "status")  # claims of the token around a credential of model 2.0, which no context defines


class Signature(Protocol):
    """One signature: who is said to have made it, and whether a key did."""

    @property
    def kid(self) -> str: ...

    @property
    def algorithm(self) -> str: ...

    def made_by(self, key: PublicKey) -> bool: ...


@dataclass(frozen=True)
class Held:
    """A credential that could be read. Every one of its signatures has to be the issuer's."""

    form: HeldForm
    content: Content
    signatures: Sequence[Signature]
    proofs_end: Sequence[datetime] = ()  # when its proofs lose their force, whatever the credential says


def read(item: Presented, policy: Policy) -> Held:
    """Return what was presented; raise Disbelieved (MALFORMED, ALG_NOT_ALLOWED, BAD_SIGNATURE)."""
    if policy.network_only:
        if item.format not in NETWORK_FORMATS:
            raise malformed("the format is not VC-JWT")
        return _jwt(item.data, policy)
    return _any(item.data, policy)


def _any(data: object, policy: Policy) -> Held:
    if isinstance(data, str) and data.lstrip()[:1] == "{":
        data = parsed(data, policy)
    if isinstance(data, Mapping):
        if is_envelope(data):
            return _text(unwrapped(data, policy), policy)
        return embedded(data, policy)
    return _text(data, policy)


def is_envelope(document: Mapping[str, Any]) -> bool:
    """Whether this is an EnvelopedVerifiableCredential. Source: VCDM 2.0, 4.13.2."""
    return document.get("type") in (vcdm.ENVELOPED_CREDENTIAL, [vcdm.ENVELOPED_CREDENTIAL])


def unwrapped(document: Mapping[str, Any], policy: Policy, envelopes: Sequence[str] = ENVELOPES) -> str:
    """Return the token in an envelope; Disbelieved where its id is no data: URL of a form we read."""
    _refuse(vcdm.envelope_problem(document) if policy.strict else "")
    url = document.get("id")
    envelope = next((each for each in envelopes if isinstance(url, str) and url.startswith(each)), None)
    if envelope is None:
        raise malformed("the envelope's id is no data: URL of a credential that is checked here")
    return str(url).removeprefix(envelope)


def embedded(document: Mapping[str, Any], policy: Policy) -> Held:
    """Return a credential as JSON with embedded proofs."""
    check_bounds(document)
    model_1_1 = content.is_model_1_1(document)
    said = content.read(document, model_1_1=model_1_1, general=True)
    proofs = embedded_proofs.read(document, policy)
    if any(not each.is_plain_json for each in proofs):
        _refuse(_renaming(document, policy))
    # The other cryptosuite makes the document canonical before it is believed, and finds what is undefined then.
    _refuse(vcdm.problem(document, json_ld=any(each.is_plain_json for each in proofs)))
    ends = [each.ends for each in proofs if each.ends is not None]
    return Held(HeldForm.EMBEDDED, said, proofs, ends)


def _renaming(document: Mapping[str, Any], policy: Policy) -> str:
    try:
        # Who trusts an issuer for a scope reads claims by their names, too: then no name may be the holder's.
        return meaning.renaming_problem(document, any_context=not policy.trust)
    except jsonld.BadJsonLd as error:
        return str(error)


def check_bounds(document: Mapping[str, Any]) -> None:
    """Raise Disbelieved for a document that is larger or deeper than any honest one, before anything walks it."""
    try:
        strict_json.check_bounds(document)
    except strict_json.NotReadable as error:
        raise malformed(f"the document is {error}") from error


def _refuse(problem: str) -> None:
    if problem:
        raise malformed(problem)


def _text(data: object, policy: Policy) -> Held:
    if isinstance(data, str) and "~" in data:
        form, said, signature = sd_jwt.read(data, policy)
        return Held(form, said, [signature])
    return _jwt(data, policy)


def _jwt(data: object, policy: Policy) -> Held:
    token = tokens.read(data, maximum_bytes=policy.maximum_bytes, general=not policy.network_only)  # type: ignore[arg-type]
    form = HeldForm.JWT_1_1 if token.model_1_1 else HeldForm.JWT_2_0
    if policy.strict:
        said = token.content.credential
        # Data model 1.1 lets a JWT be read as plain JSON, with names that no context defines (1.1, 6.3.1).
        json_ld = not content.is_model_1_1(said)
        _refuse(vcdm.problem({name: said[name] for name in said if name not in _JWT_ONLY}, json_ld=json_ld))
    return Held(form, token.content, [token])


def parsed(text: str, policy: Policy) -> Mapping[str, Any]:
    """Return the JSON object in a text; Disbelieved for anything else."""
    if len(text) > policy.maximum_bytes:
        raise malformed(f"longer than {policy.maximum_bytes} bytes")
    try:
        found = strict_json.read(text)
    except strict_json.NotReadable as error:
        raise Disbelieved(Reason.MALFORMED, f"the text is {error}", problem=problems.PARSING) from error
    if not isinstance(found, dict):
        raise malformed("the credential is no object")
    return found
