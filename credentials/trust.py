"""Whose credentials are believed, for what: the trust list and its one rule.

An issuer is trusted for a credential type and, where the entry says so, only for some utilities, programs and DER
types. Source: spec credentials.md 4; decisions 21, 37, 60.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import log
from audit.log import Action, Actor
from credentials.claims import TYPES
from credentials.models import TrustEntry
from credentials.multikey import BadKey, read_jwk
from credentials.reasons import Disbelieved, Reason

MAIN_CLAIM = {
    "MeterOwnershipCredential": "utilities",
    "ProgramEligibilityCredential": "programs",
    "DERCertificationCredential": "der_types",
}
"""What a credential must name when its issuer's trust is limited in just that; elsewhere silence is allowed."""

_CLAIMS = {
    "utilities": ("utilityId",),
    "programs": ("programId",),
    "der_types": ("derType", "generationType"),
}


class TrustRefused(ValueError):
    """The entry would not be one that can be believed; the text says why."""


def entries_for(issuers: Sequence[str], *, at: datetime) -> dict[str, list[TrustEntry]]:
    """Return the entries in force of each issuer; one query, none for ourselves. No cache: a removal counts at once."""
    found: dict[str, list[TrustEntry]] = {issuer: [] for issuer in issuers}
    others = set(issuers) - {settings.ISSUER_DID}
    for entry in TrustEntry.objects.in_force(at).filter(issuer__in=others).order_by() if others else ():
        found[entry.issuer].append(entry)
    return found


def granting(
    entries: Sequence[TrustEntry], *, issuer: str, types: Sequence[str], claims: Mapping[str, Any]
) -> TrustEntry | None:
    """Return the entry that lets this issuer state these claims; None for our own credentials.

    Raises Disbelieved with TYPE_NOT_ALLOWED_FOR_ISSUER where no entry does.
    """
    if issuer == settings.ISSUER_DID and set(types) & set(TYPES.values()):
        return None
    for entry in entries:
        allowed = [each for each in types if each in entry.types]
        if allowed and all(_covers(entry, dimension, allowed, claims) for dimension in _CLAIMS):
            return entry
    raise Disbelieved(
        Reason.TYPE_NOT_ALLOWED_FOR_ISSUER, "the issuer is not trusted for this type, utility, program or DER type"
    )


def _covers(entry: TrustEntry, dimension: str, types: Sequence[str], claims: Mapping[str, Any]) -> bool:
    limit: list[str] = getattr(entry, dimension)
    if not limit:
        return True
    stated = [claims[name] for name in _CLAIMS[dimension] if name in claims]
    if not stated:
        return all(MAIN_CLAIM.get(each) != dimension for each in types)
    return all(isinstance(each, str) and each in limit for each in stated)


def add(
    issuer: str,
    *,
    types: Sequence[str],
    now: datetime,
    utilities: Sequence[str] = (),
    programs: Sequence[str] = (),
    der_types: Sequence[str] = (),
    jwks: Mapping[str, Any] | None = None,
    source: str = "manual",
    actor: Actor = log.SYSTEM,
) -> TrustEntry:
    """Believe an issuer for these types; its keys are `jwks`, or those of its DID document at the time of each check.

    Adding what is there already changes nothing and returns it. Raises TrustRefused for an issuer that is no DID,
    for keys that are none, and for a DID that cannot be resolved and has no pinned keys.
    """
    _check(issuer, types, jwks)
    scope = {
        "types": sorted(set(types)),
        "utilities": sorted(set(utilities)),
        "programs": sorted(set(programs)),
        "der_types": sorted(set(der_types)),
    }
    with transaction.atomic():
        same = TrustEntry.objects.filter(issuer=issuer, removed_at=None, keys=jwks, **scope)
        if jwks is None:
            same = TrustEntry.objects.filter(issuer=issuer, removed_at=None, keys__isnull=True, **scope)
        found = same.first()
        if found is not None:
            return found
        entry = TrustEntry.objects.create(issuer=issuer, keys=jwks, source=source, added_at=now, **scope)
        log.record(
            Action.TRUST_ADDED,
            actor=actor,
            at=now,
            object_type="TrustEntry",
            object_id=str(entry.pk),
            after={"issuer": issuer, **scope},
            details={**scope, "pinned": jwks is not None, "source": source},
        )
    return entry


def remove(issuer: str, *, now: datetime, credential_type: str = "", actor: Actor = log.SYSTEM) -> int:
    """Stop believing an issuer (for one type, where named) from now on; return how many entries ended.

    An entry that names other types as well is replaced by one without that type.
    """
    with transaction.atomic():
        entries = TrustEntry.objects.select_for_update().filter(issuer=issuer, removed_at=None)
        if credential_type:
            entries = entries.filter(types__contains=[credential_type])
        ended = list(entries)
        for entry in ended:
            _end(entry, credential_type, now=now, actor=actor)
    return len(ended)


def _end(entry: TrustEntry, credential_type: str, *, now: datetime, actor: Actor) -> None:
    entry.removed_at = now
    entry.save(update_fields=["removed_at"])
    log.record(
        Action.TRUST_REMOVED,
        actor=actor,
        at=now,
        object_type="TrustEntry",
        object_id=str(entry.pk),
        before={"issuer": entry.issuer, "types": entry.types},
    )
    rest = [each for each in entry.types if each != credential_type]
    if credential_type and rest:
        add(
            entry.issuer,
            types=rest,
            utilities=entry.utilities,
            programs=entry.programs,
            der_types=entry.der_types,
            jwks=entry.keys,
            source=entry.source,
            now=now,
            actor=actor,
        )


def _check(issuer: str, types: Sequence[str], jwks: Mapping[str, Any] | None) -> None:
    if not issuer.startswith("did:") or len(issuer) > 500 or issuer.count(":") < 2 or "#" in issuer:
        raise TrustRefused("an issuer is a DID, like did:web:issuer.example.org")
    if not types:
        raise TrustRefused("trust is given for at least one credential type")
    if jwks is None:
        if not issuer.startswith(("did:web:", "did:key:", "did:jwk:")):
            raise TrustRefused("a DID of this method is not resolved: give its keys as a JWKS file")
        return
    keys = jwks.get("keys") if isinstance(jwks, Mapping) else None
    if not isinstance(keys, list) or not keys:
        raise TrustRefused('a JWKS is {"keys": […]} with at least one key')
    for jwk in keys:
        try:
            read_jwk(jwk)
        except BadKey as error:
            raise TrustRefused(f"a key of the JWKS cannot be used: {error}") from error
        if "d" in jwk:
            raise TrustRefused("the JWKS holds a private key: give the public part only")
