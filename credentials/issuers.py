"""Whose key is it? The public keys of an issuer, by its DID or as pinned in the trust list.

did:web over HTTPS (http for loopback in the sandbox) through the guarded client; did:key and did:jwk from the text
itself; did:example, and whatever else, only pinned (decision 21). Nothing in a token leads us anywhere: no `jku`, no
`x5u`, no embedded `jwk`, and a kid names a key of the issuer or none. Source: spec credentials.md 2 and 4.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import unquote

from django.conf import settings

from credentials import asking, keys
from credentials.asking import Deadline
from credentials.models import IssuerKey
from credentials.multikey import BadKey, PublicKey, from_b64url, jose_name, read_jwk, read_multikey
from credentials.reasons import Disbelieved, Reason

_ACCEPT = "application/did+ld+json, application/did+json;q=0.9, application/json;q=0.8"
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?")
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]{1,100}")
_LOOPBACK = ("127.0.0.1", "localhost")
_MAXIMUM_METHODS = 50
_MAXIMUM_TRIES = 5
_LOOK_AGAIN_SECONDS = 10.0  # a kid nobody knows may make us fetch a document again, but not at every message
_MAXIMUM_DOCUMENT = 256 * 1024


Purpose = Literal["assertionMethod", "authentication"]
"""What a DID document lets a key do: state facts, or show that one is the DID's subject. Source: DID Core 5.3."""


@dataclass(frozen=True)
class NamedKey:
    """A key under the name its issuer gives it; `algorithm` "" where the issuer does not restrict it."""

    id: str
    key: PublicKey
    algorithm: str = ""


def candidates(
    issuer: str,
    kid: str,
    algorithm: str,
    *,
    pinned: Sequence[Mapping[str, Any]],
    resolve: bool,
    deadline: Deadline,
    purpose: Purpose = "assertionMethod",
) -> list[NamedKey]:
    """Return the keys that may have made a signature, at most five.

    `pinned` are JWKS from the trust list, `resolve` allows the DID itself; of its keys only those count that its
    document lists for the `purpose`. Raises Disbelieved with UNKNOWN_KEY when there is none, `retryable` where the
    issuer could not be reached.
    """
    if ("#" in kid or kid.startswith("did:")) and kid.partition("#")[0] not in ("", issuer):
        raise Disbelieved(Reason.UNKNOWN_KEY, "the key id belongs to somebody else")
    found = _fitting([key for jwks in pinned for key in _pinned_keys(json.dumps(jwks, sort_keys=True))], kid, algorithm)
    if not found and resolve:
        found = _fitting(resolved(issuer, deadline=deadline, purpose=purpose), kid, algorithm)
        found = found or looked_up_again(issuer, kid, algorithm, deadline=deadline, purpose=purpose)
    if not found:
        raise Disbelieved(Reason.UNKNOWN_KEY, "the issuer has published no such key")
    return found[:_MAXIMUM_TRIES]


def looked_up_again(
    issuer: str, kid: str, algorithm: str, *, deadline: Deadline, purpose: Purpose = "assertionMethod"
) -> list[NamedKey]:
    """Return the fitting keys of a did:web document that is fetched now, past every cache.

    For a kid that a kept document does not have, or a key that was replaced under its old name. Empty where the same
    document was just looked at again: a stranger's bad tokens must not make us ask an issuer all the time.
    """
    if not issuer.startswith("did:web:") or issuer == settings.ISSUER_DID or not _may_look_again(issuer):
        return []
    return _fitting(resolved(issuer, deadline=deadline, fresh=True, purpose=purpose), kid, algorithm)


def resolved(
    did: str, *, deadline: Deadline, fresh: bool = False, purpose: Purpose = "assertionMethod"
) -> list[NamedKey]:
    """Return the keys of a DID for that purpose; Disbelieved with UNKNOWN_KEY when it cannot be resolved."""
    if did == settings.ISSUER_DID:
        return own_keys() if purpose == "assertionMethod" else []
    try:
        if did.startswith("did:key:"):
            return [NamedKey(f"{did}#{did[8:]}", read_multikey(did[8:]))]
        if did.startswith("did:jwk:"):
            return [_from_did_jwk(did)]
    except (BadKey, ValueError, RecursionError) as error:
        raise Disbelieved(Reason.UNKNOWN_KEY, "the DID holds no key of a kind we know") from error
    if not did.startswith("did:web:"):
        raise Disbelieved(Reason.UNKNOWN_KEY, "a DID of this method is believed only with pinned keys")
    return _document_keys(_fetch(web_address(did), deadline, fresh=fresh), did, purpose)


def own_keys() -> list[NamedKey]:
    """Return our own published keys under both names; no HTTP call to ourselves."""
    did = settings.ISSUER_DID
    rows = IssuerKey.objects.filter(state__in=keys.PUBLISHED).order_by()
    return [
        NamedKey(f"{did}#{fragment}", keys.public_key(kid, jwk), jose_name(jwk))
        for kid, multikey, jwk in rows.values_list("kid", "multikey", "public_jwk")
        for fragment in (kid, multikey)
    ]


def web_address(did: str) -> str:
    """Return where the document of a did:web lies; Disbelieved when the DID is no proper one.

    Source: did:web method specification, 3.2.
    """
    host, *path = did.removeprefix("did:web:").split(":")
    # Only the colon before a port may be written in percent form; anything else could lead to another place.
    host = unquote(host) if host.lower().count("%") == host.lower().count("%3a") else ""
    if not _HOST.fullmatch(host.lower()) or any(not _SEGMENT.fullmatch(each) or not each.strip(".") for each in path):
        raise Disbelieved(Reason.UNKNOWN_KEY, "the DID is no proper did:web")
    loopback = settings.DEPLOYMENT == "sandbox" and host.partition(":")[0] in _LOOPBACK
    folder = "/".join(path) if path else ".well-known"
    return f"{'http' if loopback else 'https'}://{host}/{folder}/did.json"


def _fetch(url: str, deadline: Deadline, *, fresh: bool) -> bytes:
    try:
        return asking.fetch(url, accept=_ACCEPT, deadline=deadline, max_bytes=_MAXIMUM_DOCUMENT, fresh=fresh)
    except asking.Unanswered as error:
        detail = f"the issuer's DID document is not to be had: {error}"
        raise Disbelieved(Reason.UNKNOWN_KEY, detail, retryable=error.retryable) from error


def _document_keys(body: bytes, did: str, purpose: Purpose) -> list[NamedKey]:
    try:
        return list(_read_document(body, did, purpose))
    except (ValueError, RecursionError, TypeError, AttributeError, KeyError) as error:
        raise Disbelieved(Reason.UNKNOWN_KEY, "the issuer's DID document cannot be read", retryable=True) from error


@lru_cache(maxsize=64)
def _read_document(body: bytes, did: str, purpose: Purpose) -> tuple[NamedKey, ...]:
    """The keys a document allows for the purpose.

    Controllers are not followed: a key of another DID is no key of this one, and documents cannot lead us in circles.
    """
    document = json.loads(body)
    if document["id"] != did:
        raise ValueError("the document is about another DID")
    methods = {}
    for method in document.get("verificationMethod", [])[:_MAXIMUM_METHODS]:
        methods[_absolute(method["id"], did)] = method
    found = []
    for each in document.get(purpose, [])[:_MAXIMUM_METHODS]:
        method = methods.get(_absolute(each, did)) if isinstance(each, str) else each
        named = _method_key(method, did) if isinstance(method, dict) else None
        if named is not None:
            found.append(named)
    return tuple(found)


def _method_key(method: Mapping[str, Any], did: str) -> NamedKey | None:
    name = _absolute(method["id"], did)
    if not name.startswith(f"{did}#") or method.get("controller", did) != did or "revoked" in method:
        return None
    try:
        if "publicKeyJwk" in method:
            return _named_jwk(name, method["publicKeyJwk"])
        return NamedKey(name, read_multikey(method["publicKeyMultibase"]))
    except (BadKey, KeyError, AttributeError):
        return None  # a key of a kind we do not know says nothing against the others


def _absolute(name: str, did: str) -> str:
    return did + name if name.startswith("#") else name


def _from_did_jwk(did: str) -> NamedKey:
    return _named_jwk(f"{did}#0", json.loads(from_b64url(did.removeprefix("did:jwk:"))))


def _named_jwk(name: str, jwk: Mapping[str, Any]) -> NamedKey:
    return NamedKey(name, read_jwk(jwk), str(jwk.get("alg", "")))


@lru_cache(maxsize=64)
def _pinned_keys(jwks: str) -> tuple[NamedKey, ...]:
    found = []
    for jwk in json.loads(jwks).get("keys", []):
        try:
            found.append(_named_jwk(str(jwk.get("kid", "")), jwk))
        except BadKey:
            continue
    return tuple(found)


def _fitting(known: Sequence[NamedKey], kid: str, algorithm: str) -> list[NamedKey]:
    """The keys of that name (a whole DID URL or its fragment; all, where the token names none) and that algorithm."""
    fragment = kid.rpartition("#")[2]
    named = [each for each in known if not kid or each.id == kid or each.id.rpartition("#")[2] == fragment]
    return [each for each in named if each.algorithm in ("", algorithm)]


_looked: dict[str, float] = {}
_looked_lock = threading.Lock()


def _may_look_again(did: str) -> bool:
    now = time.monotonic()
    with _looked_lock:
        if now - _looked.get(did, -_LOOK_AGAIN_SECONDS) < _LOOK_AGAIN_SECONDS:
            return False
        if len(_looked) > 1000:
            _looked.clear()
        _looked[did] = now
        return True
