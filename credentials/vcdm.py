"""Whether a credential or presentation follows the W3C data model, 2.0 or 1.1 by its first context. Pure.

Each function returns "" or one sentence on the first thing that is wrong, without personal data. Signatures, dates
against the clock, status and trust are others' questions. Source: VCDM 2.0 and 1.1 (section 4), Bitstring Status
List 1.0 (2.1); the W3C suites' own cases; spec credentials.md 5.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

import base58

from credentials.data_integrity import jsonld
from credentials.data_integrity.contexts import CREDENTIALS_V1, CREDENTIALS_V2, known_context
from credentials.multikey import from_b64url

ENVELOPED_CREDENTIAL = "EnvelopedVerifiableCredential"
ENVELOPED_PRESENTATION = "EnvelopedVerifiablePresentation"

_URL = re.compile(r'[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>"{}|\\^`]+')
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_DATA_URL = re.compile(r"data:application/(vc\+jwt|vc\+sd-jwt|vp\+jwt|vp\+sd-jwt|jwt|sd-jwt)[^,]*,.+", re.DOTALL)
_INDEX = re.compile(r"0|[1-9]\d{0,17}")
_TYPED = ("credentialStatus", "credentialSchema", "evidence", "termsOfUse", "refreshService")
_WITH_ID = {
    CREDENTIALS_V1: ("credentialSchema", "credentialStatus", "refreshService"),
    CREDENTIALS_V2: ("credentialSchema",),
}
_LANGUAGE_VALUE = {"@value", "@language", "@direction"}
_MULTIHASHES = {(0x12, 32): "sha256", (0x20, 48): "sha384", (0x13, 64): "sha512"}
_BY_LENGTH = {32: "sha256", 48: "sha384", 64: "sha512"}
_MAXIMUM_STATUS_SIZE = 8


class _Broken(Exception):
    """What is wrong; never leaves this module."""


def problem(credential: Mapping[str, Any], *, json_ld: bool = True) -> str:
    """Return what breaks the data model in a credential, "" if nothing.

    `json_ld=False` leaves out undefined terms and types, for a caller that makes the document canonical anyway.
    """
    return _first_problem(lambda: _check_credential(credential, json_ld=json_ld))


def presentation_problem(presentation: Mapping[str, Any], *, json_ld: bool = True) -> str:
    """The same of a presentation and of the credentials in it."""
    return _first_problem(lambda: _check_presentation(presentation, json_ld=json_ld))


def envelope_problem(envelope: Mapping[str, Any]) -> str:
    """The same of an EnvelopedVerifiableCredential or EnvelopedVerifiablePresentation."""
    return _first_problem(lambda: _check_envelope(envelope))


def is_envelope(document: Mapping[str, Any]) -> bool:
    """Whether a document says that it is an envelope of a credential or presentation."""
    types = document.get("type")
    each = types if isinstance(types, list) else [types]
    return ENVELOPED_CREDENTIAL in each or ENVELOPED_PRESENTATION in each


def _first_problem(check: Callable[[], None]) -> str:
    try:
        check()
    except _Broken as broken:
        return str(broken)
    except jsonld.BadJsonLd as bad:
        return str(bad)
    return ""


def _check_credential(credential: Any, *, json_ld: bool) -> None:
    _need(isinstance(credential, Mapping), "a credential is an object")
    model = _model(credential)
    _check_types(credential, "VerifiableCredential")
    _check_id(credential, "the credential")
    _check_issuer(credential.get("issuer"))
    for where, named in (("the credential", credential), ("the issuer", credential["issuer"])):
        _check_names(named, where)
    _check_subject(credential.get("credentialSubject"))
    _check_period(credential, model)
    for name in _TYPED:
        _check_typed(credential, name, model)
    _check_related(credential)
    if json_ld:
        jsonld.check(_without_proof(credential))


def _check_presentation(presentation: Any, *, json_ld: bool) -> None:
    _need(isinstance(presentation, Mapping), "a presentation is an object")
    _model(presentation)
    _check_types(presentation, "VerifiablePresentation")
    _check_id(presentation, "the presentation")
    if "holder" in presentation:
        _need(_is_url(_id_of(presentation["holder"])), "holder is a URL or an object whose id is one")
    _check_typed(presentation, "termsOfUse", CREDENTIALS_V2)
    for credential in _list(presentation.get("verifiableCredential", [])):
        # In a JWT presentation of data model 1.1 a credential may stand as its token.
        if isinstance(credential, str) and presentation["@context"][0] == CREDENTIALS_V1:
            continue
        _need(isinstance(credential, Mapping), "each verifiableCredential is an object")
        if is_envelope(credential):
            _check_envelope(credential)
        else:
            _check_credential(credential, json_ld=False)
    if json_ld:
        jsonld.check(_without_proof(presentation))


def _check_envelope(envelope: Any) -> None:
    _need(isinstance(envelope, Mapping), "an envelope is an object")
    contexts = _list(envelope.get("@context"))
    _need(bool(contexts) and contexts[0] == CREDENTIALS_V2, f"@context of an envelope begins with {CREDENTIALS_V2}")
    types = _list(envelope.get("type"))
    _need(
        len(types) == 1 and types[0] in (ENVELOPED_CREDENTIAL, ENVELOPED_PRESENTATION),
        f"type of an envelope is {ENVELOPED_CREDENTIAL} or {ENVELOPED_PRESENTATION}",
    )
    address = envelope.get("id")
    _need(
        isinstance(address, str) and _DATA_URL.fullmatch(address) is not None,
        "id of an envelope is a data: URL with the secured document",
    )


def _model(document: Mapping[str, Any]) -> str:
    """The data model by the first context; every further one is a URL we know, or an object."""
    contexts = document.get("@context")
    _need(isinstance(contexts, list) and bool(contexts), "@context is a list and is not empty")
    assert isinstance(contexts, list)
    _need(
        isinstance(contexts[0], str) and contexts[0] in (CREDENTIALS_V1, CREDENTIALS_V2),
        f"@context begins with {CREDENTIALS_V2}",
    )
    for each in contexts[1:]:
        _need(isinstance(each, Mapping) or _is_url(each), "each context is a URL or an object")
        _need(
            isinstance(each, Mapping) or known_context(each) is not None,
            "a context is none that is known here, and none is ever fetched",
        )
        _need(each not in (CREDENTIALS_V1, CREDENTIALS_V2), "the data model's own context stands first and alone")
    return str(contexts[0])


def _check_types(document: Mapping[str, Any], wanted: str) -> None:
    types = _list(document.get("type"))
    _need(bool(types) and all(isinstance(each, str) and each for each in types), "type is one or more texts")
    _need(wanted in types, f"type names no {wanted}")


def _check_id(document: Mapping[str, Any], what: str, *, needed: bool = False) -> None:
    if needed or "id" in document:
        _need(_is_url(document.get("id")), f"id of {what} is one URL")


def _check_issuer(issuer: Any) -> None:
    _need(_is_url(_id_of(issuer)), "issuer is a URL or an object whose id is one")


def _check_names(named: Any, where: str) -> None:
    if not isinstance(named, Mapping):
        return
    for name in ("name", "description"):
        values = _list(named.get(name, []))
        _need(name not in named or bool(values), f"{name} of {where} is empty")
        good = all(isinstance(each, str) or _is_language_value(each) for each in values)
        _need(good, f"{name} of {where} is a text, or @value with @language and @direction and nothing else")


def _is_language_value(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and isinstance(value.get("@value"), str)
        and set(value) <= _LANGUAGE_VALUE
        and isinstance(value.get("@language", ""), str)
        and value.get("@direction", "ltr") in ("ltr", "rtl")
    )


def _check_subject(subject: Any) -> None:
    each = _list(subject)
    _need(bool(each), "credentialSubject is missing or empty")
    for one in each:
        _need(isinstance(one, Mapping) and bool(one), "credentialSubject is an object that says something")
        _check_id(one, "credentialSubject")


def _check_period(credential: Mapping[str, Any], model: str) -> None:
    first, last = ("issuanceDate", "expirationDate") if model == CREDENTIALS_V1 else ("validFrom", "validUntil")
    _need(model == CREDENTIALS_V2 or first in credential, "issuanceDate is missing")
    begins, ends = _moment(credential, first), _moment(credential, last)
    _need(begins is None or ends is None or begins <= ends, f"{first} is after {last}")


def _moment(credential: Mapping[str, Any], name: str) -> datetime | None:
    if name not in credential:
        return None
    value = credential[name]
    wrong = f"{name} is no date and time with a time zone"
    _need(isinstance(value, str) and len(value) <= 60 and _DATE_TIME.fullmatch(value) is not None, wrong)
    try:
        # Python reads at most six digits of a second's fraction.
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value))
    except ValueError as error:
        raise _Broken(wrong) from error


def _check_typed(credential: Mapping[str, Any], name: str, model: str) -> None:
    if name not in credential:
        return
    for each in _objects(credential[name], name):
        types = _list(each.get("type"))
        _need(bool(types) and all(isinstance(one, str) and one for one in types), f"{name} has no type")
        with_id = name == "credentialSchema" or (
            model == CREDENTIALS_V1 and name in ("credentialStatus", "refreshService")
        )
        _check_id(each, name, needed=with_id)
        if name == "credentialStatus" and "BitstringStatusListEntry" in types:
            _check_status_entry(each)


def _check_status_entry(entry: Mapping[str, Any]) -> None:
    purpose, index = entry.get("statusPurpose"), entry.get("statusListIndex")
    _need(isinstance(purpose, str) and bool(purpose), "statusPurpose is a text")
    _need(isinstance(index, str) and _INDEX.fullmatch(index) is not None, "statusListIndex is a text of digits")
    _need(_is_url(entry.get("statusListCredential")), "statusListCredential is a URL")
    _need(entry.get("id") != entry.get("statusListCredential"), "id of a status entry is not that of its list")
    size = entry.get("statusSize", 1)
    _need(
        isinstance(size, int) and not isinstance(size, bool) and 1 <= size <= _MAXIMUM_STATUS_SIZE,
        f"statusSize is a number from 1 to {_MAXIMUM_STATUS_SIZE}",
    )
    messages = entry.get("statusMessage")
    _need(size == 1 or messages is not None, "statusSize above 1 needs statusMessage")
    if messages is not None:
        _need(isinstance(messages, list) and len(messages) == 2**size, "statusMessage has an item for every status")
        for each in messages:
            good = isinstance(each, Mapping) and all(isinstance(each.get(one), str) for one in ("status", "message"))
            _need(good, "each statusMessage has a status and a message")


def _check_related(credential: Mapping[str, Any]) -> None:
    if "relatedResource" not in credential:
        return
    seen: set[str] = set()
    for each in _objects(credential["relatedResource"], "relatedResource"):
        _check_id(each, "relatedResource", needed=True)
        _need(each["id"] not in seen, "two relatedResource have the same id")
        seen.add(each["id"])
        _need("digestSRI" in each or "digestMultibase" in each, "relatedResource has no digest")
        raw = known_context(each["id"])
        if raw is None:
            raise _Broken("a relatedResource is none that is known here: its digest cannot be checked")
        wanted = [*_sri(each.get("digestSRI")), *_multibase(each.get("digestMultibase"))]
        good = all(hashlib.new(name, raw).digest() == digest for name, digest in wanted)
        _need(good, "the digest of a relatedResource is not that of the resource")


def _sri(text: Any) -> Iterator[tuple[str, bytes]]:
    """Digests of Subresource Integrity metadata: `sha384-<base64>`, several apart by spaces."""
    if text is None:
        return
    _need(isinstance(text, str) and bool(text.strip()) and len(text) <= 1000, "digestSRI is a text")
    for each in text.split():
        name, _, encoded = each.partition("-")
        try:
            yield _sized(base64.b64decode(encoded, validate=True), name)
        except ValueError as error:  # also of a text that is no ASCII
            raise _Broken("digestSRI is no SHA-2 digest") from error


def _multibase(text: Any) -> Iterator[tuple[str, bytes]]:
    """The digest of a Multibase text: a multihash, or the bare digest as the W3C suite writes it."""
    if text is None:
        return
    wrong = "digestMultibase is no SHA-2 digest"
    _need(isinstance(text, str) and 1 < len(text) <= 200, wrong)
    try:
        raw = from_b64url(text[1:]) if text[0] == "u" else base58.b58decode(text[1:] if text[0] == "z" else "")
    except ValueError as error:
        raise _Broken(wrong) from error
    if len(raw) > 2 and (raw[0], raw[1]) in _MULTIHASHES and len(raw) == raw[1] + 2:
        yield _sized(raw[2:], _MULTIHASHES[raw[0], raw[1]])
        return
    _need(len(raw) in _BY_LENGTH, wrong)
    yield _sized(raw, _BY_LENGTH[len(raw)])


def _sized(digest: bytes, name: str) -> tuple[str, bytes]:
    _need(_BY_LENGTH.get(len(digest)) == name, "a digest is SHA-256, SHA-384 or SHA-512")
    return name, digest


def _objects(value: Any, name: str) -> list[Mapping[str, Any]]:
    each = _list(value)
    _need(bool(each) and all(isinstance(one, Mapping) for one in each), f"{name} is one or more objects")
    return each


def _id_of(value: Any) -> Any:
    return value.get("id") if isinstance(value, Mapping) else value


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 4000 and _URL.fullmatch(value) is not None


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _without_proof(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name != "proof"}


def _need(good: bool, otherwise: str) -> None:
    if not good:
        raise _Broken(otherwise)
