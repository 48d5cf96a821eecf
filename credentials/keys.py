"""Our signing keys: made once, announced, active, retired, revoked.

Each act takes one advisory lock, so that two processes at once end in one consistent state, and a constraint lets
only one key of a kind be active. Every use asks the database which key is active (0.1 ms); the opened key object is
kept per process, so that a rotation is seen at once and a private key is decrypted once.
Source: spec credentials.md 2; decision 51.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.db import transaction

from audit import log
from audit.log import Action, Actor
from credentials import multikey
from credentials.locks import Lock, hold
from credentials.models import IssuerKey, KeyAlgorithm, KeyState, SignedForm
from credentials.multikey import OwnKey
from credentials.signing import PrivateKey, Signer, SoftwareSigner

PUBLISHED = (KeyState.ANNOUNCED, KeyState.ACTIVE, KeyState.RETIRED)


class KeyRefused(Exception):
    """The act is not possible with this key; the text says why and what to do."""


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
    with transaction.atomic():
        hold(Lock.KEYS)
        return [_active_or_new(algorithm, now=now, actor=actor) for algorithm in KeyAlgorithm]


def _active_or_new(algorithm: KeyAlgorithm, *, now: datetime, actor: Actor) -> IssuerKey:
    key = IssuerKey.objects.filter(algorithm=algorithm, state=KeyState.ACTIVE).first()
    if key is None:
        key = _create(algorithm, now=now, actor=actor)
        _activate(key, now=now, actor=actor)
    return key


def announce(algorithm: str = KeyAlgorithm.ES256, *, now: datetime, actor: Actor) -> IssuerKey:
    """Make and publish a key that does not sign yet, so that verifiers know it before its first signature."""
    with transaction.atomic():
        hold(Lock.KEYS)
        key = _create(KeyAlgorithm(algorithm), now=now, actor=actor)
        log.record(Action.KEY_ANNOUNCED, actor=actor, at=now, object_type="IssuerKey", object_id=key.kid)
    return key


def activate(kid: str = "", *, now: datetime, actor: Actor) -> IssuerKey:
    """Let an announced key (the oldest, where none is named) sign from now on; the active one is retired.

    Raises KeyRefused when there is no such announced key.
    """
    with transaction.atomic():
        hold(Lock.KEYS)
        announced = IssuerKey.objects.filter(state=KeyState.ANNOUNCED)
        key = (announced.filter(kid=kid) if kid else announced).first()
        if key is None:
            raise KeyRefused(f"there is no announced key {kid}".rstrip() + ": run `keys announce` first")
        previous = IssuerKey.objects.filter(algorithm=key.algorithm, state=KeyState.ACTIVE).first()
        if previous is not None:
            _retire(previous, now=now, actor=actor)
        _activate(key, now=now, actor=actor)
    return key


def retire(kid: str, *, now: datetime, actor: Actor) -> IssuerKey:
    """Stop an announced key from ever signing; it stays published. The active key is retired by activating another."""
    with transaction.atomic():
        hold(Lock.KEYS)
        key = _get(kid)
        if key.state == KeyState.ACTIVE:
            raise KeyRefused("this key is the active one: activate another, which retires it")
        if key.state != KeyState.ANNOUNCED:
            raise KeyRefused(f"this key is already {KeyState(key.state).label}")
        _retire(key, now=now, actor=actor)
    return key


def revoke(kid: str, *, now: datetime, actor: Actor) -> tuple[IssuerKey, int]:
    """Withdraw a key: it leaves the DID document and its signatures are worthless.

    Revoking the active key makes and activates a new one in the same act, so that issuing goes on. Returns the key
    and how many living credentials lose their signature. Lists are to be signed again by the caller afterwards.
    """
    with transaction.atomic():
        hold(Lock.KEYS)
        key = _get(kid)
        if key.state == KeyState.REVOKED:
            raise KeyRefused("this key is already revoked")
        was_active = key.state == KeyState.ACTIVE
        key.state, key.revoked_at = KeyState.REVOKED, now
        key.save(update_fields=["state", "revoked_at"])
        losing = living_credentials_of(kid, now=now)
        log.record(
            Action.KEY_REVOKED,
            actor=actor,
            at=now,
            object_type="IssuerKey",
            object_id=key.kid,
            details={"credentials_losing_their_signature": losing},
        )
        if was_active:
            _activate(_create(KeyAlgorithm(key.algorithm), now=now, actor=actor), now=now, actor=actor)
    _opened.cache_clear()
    return key, losing


def living_credentials_of(kid: str, *, now: datetime) -> int:
    """Return how many credentials that are neither revoked nor over carry a form signed by this key."""
    forms = SignedForm.objects.filter(kid=kid, credential__revoked_at=None)
    return forms.exclude(credential__valid_until__lte=now).values("credential").distinct().count()


def public_key(kid: str, jwk: Mapping[str, str]) -> OwnKey:
    """Return the key object of a row's public half; a kid is a thumbprint, so it stands for the JWK."""
    return _public(kid, tuple(jwk.items()))


@lru_cache(maxsize=64)
def _public(kid: str, members: tuple[tuple[str, str], ...]) -> OwnKey:
    found = multikey.read_jwk(dict(members))
    assert isinstance(found, OwnKey)
    return found


@lru_cache(maxsize=16)
def _opened(kid: str) -> SigningKey:
    row = IssuerKey.objects.get(kid=kid)
    return SigningKey(row.kid, row.multikey, row.algorithm, _signer(row), public_key(row.kid, row.public_jwk))


def _signer(row: IssuerKey) -> Signer:
    if row.private is None:
        raise TypeError(f"key {row.kid} is not kept here")
    private = serialization.load_der_private_key(row.private, password=None)
    if not isinstance(private, PrivateKey):
        raise TypeError(f"key {row.kid} is neither P-256 nor Ed25519")
    return SoftwareSigner(private, row.public_jwk)


def _new_private_key(algorithm: KeyAlgorithm) -> PrivateKey:
    """A key whose thumbprint does not begin with a dash: `keys retire KID` would read it as an option."""
    while True:
        ed = algorithm == KeyAlgorithm.ED25519
        private = ed25519.Ed25519PrivateKey.generate() if ed else ec.generate_private_key(ec.SECP256R1())
        if not multikey.thumbprint(multikey.jwk_of(private.public_key())).startswith("-"):
            return private


def _create(algorithm: KeyAlgorithm, *, now: datetime, actor: Actor) -> IssuerKey:
    private = _new_private_key(algorithm)
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    jwk = multikey.jwk_of(private.public_key())
    key = IssuerKey.objects.create(
        kid=multikey.thumbprint(jwk),
        multikey=multikey.multikey_of(private.public_key()),
        algorithm=algorithm,
        public_jwk=jwk,
        private=der,
        announced_at=now,
    )
    log.record(Action.KEY_CREATED, actor=actor, at=now, object_type="IssuerKey", object_id=key.kid)
    return key


def _activate(key: IssuerKey, *, now: datetime, actor: Actor) -> None:
    key.state, key.activated_at = KeyState.ACTIVE, now
    key.save(update_fields=["state", "activated_at"])
    log.record(Action.KEY_ACTIVATED, actor=actor, at=now, object_type="IssuerKey", object_id=key.kid)


def _retire(key: IssuerKey, *, now: datetime, actor: Actor) -> None:
    key.state, key.retired_at = KeyState.RETIRED, now
    key.save(update_fields=["state", "retired_at"])
    log.record(Action.KEY_RETIRED, actor=actor, at=now, object_type="IssuerKey", object_id=key.kid)


def _get(kid: str) -> IssuerKey:
    key = IssuerKey.objects.filter(kid=kid).first()
    if key is None:
        raise KeyRefused(f"there is no key {kid}")
    return key
