"""Our signing keys: made once, announced, active, retired, revoked.

Each act takes one advisory lock, so that two processes at once end in one consistent state, and a constraint lets
only one key of an algorithm be active. A key is made before the lock is taken: a KMS may be far away. Every use asks
the database which key is active (0.1 ms); the opened key object is kept per process, so that a rotation is seen at
once and a private key is decrypted once. What an operator does, lists included, is `key_life`.
Source: spec credentials.md 2; decision 51.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import lru_cache

from django.db import transaction

from audit import log
from audit.log import Action, Actor
from credentials import key_providers, policy
from credentials.key_providers import NewKey
from credentials.locks import Lock, hold
from credentials.models import IssuerKey, KeyAlgorithm, KeyState, SignedForm
from credentials.multikey import OwnKey
from credentials.signing import Signer

logger = logging.getLogger(__name__)
PUBLISHED = (KeyState.ANNOUNCED, KeyState.ACTIVE, KeyState.RETIRED)


class KeyRefused(Exception):
    """The act is not possible with this key; the text says why and what to do."""


class TooEarly(KeyRefused):
    """The key was announced a moment ago; `ready_at` is when every cache may know it."""

    def __init__(self, kid: str, ready_at: datetime) -> None:
        self.ready_at = ready_at
        super().__init__(
            f"key {kid} was announced a moment ago: until {ready_at:%H:%M:%S} UTC a cache may still hold our key list"
            " without it, and would refuse what it signs"
        )


class Reason(StrEnum):
    """Why a key was changed, for the journal: a code, because a sentence could name a person."""

    PLANNED = "PLANNED"
    SUSPECTED = "SUSPECTED"
    COMPROMISED = "COMPROMISED"
    PROVIDER_CHANGE = "PROVIDER_CHANGE"
    UNSPECIFIED = "UNSPECIFIED"


class NoActiveKey(Exception):
    """Nothing can be signed yet: `manage.py bootstrap` makes the first key."""


@dataclass(frozen=True)
class SigningKey:
    """The active key, ready for use: `signer` signs, `public` checks, the two fragments name it in our DID document.

    `algorithm` is "ES256" or "Ed25519".
    """

    kid: str
    multikey: str
    algorithm: str
    signer: Signer
    public: OwnKey


def active(algorithm: str = KeyAlgorithm.ES256) -> SigningKey:
    """Return the key of that algorithm that signs now; NoActiveKey before `bootstrap`. One query."""
    rows = IssuerKey.objects.filter(algorithm=algorithm, state=KeyState.ACTIVE)
    kid = rows.values_list("kid", flat=True).first()
    if kid is None:
        raise NoActiveKey(f"no active {KeyAlgorithm(algorithm).label} key: run manage.py bootstrap")
    return _opened(kid)


def published() -> list[IssuerKey]:
    """Return the keys a verifier may believe: announced, active and retired ones, oldest first."""
    return list(IssuerKey.objects.filter(state__in=PUBLISHED).defer("private"))


def ensure(*, now: datetime, actor: Actor = log.SYSTEM) -> list[IssuerKey]:
    """Return the active key of each algorithm, making the first one where there is none.

    Any number of processes may call it at once.
    """
    made = {algorithm: key_providers.new_key(algorithm) for algorithm in KeyAlgorithm if not _active_row(algorithm)}
    with transaction.atomic():
        hold(Lock.KEYS)
        found = [_active_row(algorithm) or _first(made[algorithm], now=now, actor=actor) for algorithm in KeyAlgorithm]
    _forget_unused(made.values(), found)
    return found


def announce(
    algorithm: str = KeyAlgorithm.ES256, *, now: datetime, actor: Actor, reason: str = Reason.UNSPECIFIED
) -> IssuerKey:
    """Make and publish a key that does not sign yet, so that verifiers know it before its first signature."""
    new = key_providers.new_key(KeyAlgorithm(algorithm))
    with transaction.atomic():
        hold(Lock.KEYS)
        key = _insert(new, now=now, actor=actor)
        _record(Action.KEY_ANNOUNCED, key, now=now, actor=actor, reason=reason)
    return key


def activate(
    kid: str = "",
    *,
    now: datetime,
    actor: Actor,
    algorithm: str = "",
    at_once: bool = False,
    reason: str = Reason.UNSPECIFIED,
) -> IssuerKey:
    """Let an announced key (the oldest, where none is named) sign from now on; the active one is retired.

    Raises KeyRefused when there is no such announced key, and TooEarly when a cache may not know it yet: only
    `at_once` takes that upon itself.
    """
    with transaction.atomic():
        hold(Lock.KEYS)
        key = _announced(kid, algorithm)
        ready_at = key.announced_at + timedelta(seconds=policy.keys_max_age_seconds())
        if now < ready_at and not at_once:
            raise TooEarly(key.kid, ready_at)
        _replace_active(key, now=now, actor=actor, reason=reason)
    return key


def retire(kid: str, *, now: datetime, actor: Actor, reason: str = Reason.UNSPECIFIED) -> IssuerKey:
    """Stop an announced key from ever signing; it stays published. The active key is retired by activating another."""
    with transaction.atomic():
        hold(Lock.KEYS)
        key = get(kid)
        if key.state == KeyState.ACTIVE:
            raise KeyRefused("this key is the active one: activate another, which retires it")
        if key.state != KeyState.ANNOUNCED:
            raise KeyRefused(f"this key is already {KeyState(key.state).label}")
        _retire(key, now=now, actor=actor, reason=reason)
    return key


def replace(kid: str, *, now: datetime, actor: Actor, reason: str = Reason.UNSPECIFIED) -> IssuerKey | None:
    """Let another key sign in place of this one at once, if it is the active one; return the new one, else None.

    The oldest announced key of its algorithm takes over, because verifiers may know it already; where there is none,
    a new one does.
    """
    spare = _spare_for(kid)
    with transaction.atomic():
        hold(Lock.KEYS)
        key = get(kid)
        return _succeed(key, spare, now=now, actor=actor, reason=reason) if key.state == KeyState.ACTIVE else None


def revoke(kid: str, *, now: datetime, actor: Actor, reason: str = Reason.UNSPECIFIED) -> tuple[IssuerKey, int]:
    """Withdraw a key: it leaves the DID document and its signatures are worthless.

    An active key is replaced in the same act, so that issuing goes on, and the living credentials it signed are asked
    to be signed again. Returns the key and how many they are. `key_life.revoke` sees to the lists as well.
    """
    spare = _spare_for(kid)
    with transaction.atomic():
        hold(Lock.KEYS)
        key = get(kid)
        if key.state == KeyState.REVOKED:
            raise KeyRefused("this key is already revoked")
        if key.state == KeyState.ACTIVE:
            _succeed(key, spare, now=now, actor=actor, reason=reason)
        key.state, key.revoked_at = KeyState.REVOKED, now
        key.save(update_fields=["state", "revoked_at"])
        losing = living_credentials_of(key.kid, now=now)
        _record(Action.KEY_REVOKED, key, now=now, actor=actor, reason=reason, credentials_losing_their_signature=losing)
        _ask_to_sign_again(key.kid, now=now, actor=actor)
    _opened.cache_clear()
    return key, losing


def living_credentials_of(kid: str, *, now: datetime) -> int:
    """Return how many credentials that are neither revoked nor over carry a form signed by this key."""
    forms = SignedForm.objects.filter(kid=kid, credential__revoked_at=None)
    return forms.exclude(credential__valid_until__lte=now).values("credential").distinct().count()


def public_key(kid: str, jwk: Mapping[str, str]) -> OwnKey:
    """Return the key object of a row's public half; a kid is a thumbprint, so it stands for the JWK."""
    return _public(kid, tuple(jwk.items()))


def get(name: str) -> IssuerKey:
    """Return the key of that thumbprint or Multikey; KeyRefused where there is none."""
    key = IssuerKey.objects.filter(kid=name).first() or IssuerKey.objects.filter(multikey=name).first()
    if key is None:
        raise KeyRefused(f"there is no key {name}")
    return key


@lru_cache(maxsize=64)
def _public(kid: str, members: tuple[tuple[str, str], ...]) -> OwnKey:
    return key_providers.own_key(dict(members))


@lru_cache(maxsize=16)
def _opened(kid: str) -> SigningKey:
    row = IssuerKey.objects.get(kid=kid)
    signer = key_providers.signer_of(row)
    return SigningKey(row.kid, row.multikey, row.algorithm, signer, public_key(row.kid, row.public_jwk))


def _ask_to_sign_again(kid: str, *, now: datetime, actor: Actor) -> None:
    from credentials import resigning  # it signs, so it knows this module

    resigning.ask(kid, now=now, actor=actor)


def _active_row(algorithm: str) -> IssuerKey | None:
    return IssuerKey.objects.filter(algorithm=algorithm, state=KeyState.ACTIVE).first()


def _announced(kid: str = "", algorithm: str = "") -> IssuerKey:
    rows = IssuerKey.objects.filter(state=KeyState.ANNOUNCED)
    rows = rows.filter(pk=get(kid).pk) if kid else rows
    key = (rows.filter(algorithm=algorithm) if algorithm else rows).first()
    if key is None:
        raise KeyRefused(f"there is no announced key {kid or algorithm}".rstrip() + ": run `keys announce` first")
    return key


def _spare_for(kid: str) -> NewKey | None:
    """A new key for when this one has to be replaced and none is announced; made outside every transaction."""
    key = get(kid)
    waiting = IssuerKey.objects.filter(state=KeyState.ANNOUNCED, algorithm=key.algorithm)
    if key.state != KeyState.ACTIVE or waiting.exists():
        return None
    return key_providers.new_key(KeyAlgorithm(key.algorithm))


def _succeed(key: IssuerKey, spare: NewKey | None, *, now: datetime, actor: Actor, reason: str) -> IssuerKey:
    successor = IssuerKey.objects.filter(state=KeyState.ANNOUNCED, algorithm=key.algorithm).first()
    if successor is None:
        if spare is None:
            raise KeyRefused("somebody else changed the keys at the same moment: look at them and try again")
        successor = _insert(spare, now=now, actor=actor)
    _replace_active(successor, now=now, actor=actor, reason=reason)
    key.refresh_from_db()
    return successor


def _replace_active(key: IssuerKey, *, now: datetime, actor: Actor, reason: str) -> None:
    previous = _active_row(key.algorithm)
    if previous is not None:
        _retire(previous, now=now, actor=actor, reason=reason)
    _activate(key, now=now, actor=actor, reason=reason)


def _first(new: NewKey, *, now: datetime, actor: Actor) -> IssuerKey:
    key = _insert(new, now=now, actor=actor)
    _activate(key, now=now, actor=actor, reason=Reason.PLANNED)
    return key


def _insert(new: NewKey, *, now: datetime, actor: Actor) -> IssuerKey:
    key = IssuerKey.objects.create(
        kid=new.kid,
        multikey=new.multikey,
        algorithm=new.algorithm,
        public_jwk=new.public_jwk,
        private=new.private,
        provider=new.provider,
        reference=new.reference,
        announced_at=now,
    )
    log.record(Action.KEY_CREATED, actor=actor, at=now, object_type="IssuerKey", object_id=key.kid)
    return key


def _activate(key: IssuerKey, *, now: datetime, actor: Actor, reason: str) -> None:
    key.state, key.activated_at = KeyState.ACTIVE, now
    key.save(update_fields=["state", "activated_at"])
    _record(Action.KEY_ACTIVATED, key, now=now, actor=actor, reason=reason)


def _retire(key: IssuerKey, *, now: datetime, actor: Actor, reason: str) -> None:
    key.state, key.retired_at = KeyState.RETIRED, now
    key.save(update_fields=["state", "retired_at"])
    _record(Action.KEY_RETIRED, key, now=now, actor=actor, reason=reason)


def _record(action: Action, key: IssuerKey, *, now: datetime, actor: Actor, reason: str, **details: int) -> None:
    told = {"algorithm": key.algorithm, "reason": Reason(reason).value, **details}
    log.record(action, actor=actor, at=now, object_type="IssuerKey", object_id=key.kid, details=told)


def _forget_unused(made: Iterable[NewKey], kept: Iterable[IssuerKey]) -> None:
    """Say which keys a provider made for nothing because another process was first; here they are simply dropped."""
    kids = {key.kid for key in kept}
    for new in made:
        if new.provider and new.kid not in kids:
            logger.warning("a key was made for nothing and may be deleted", extra={"reference": new.reference})
