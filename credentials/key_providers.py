"""Where signing keys live: here, encrypted, or with a provider (a KMS, an HSM) that only signs.

`settings.ISSUER_KEY_PROVIDERS` names who may hold our keys, the first of them makes new ones: the word `software` for
keys in our own database, else the dotted path of a class like `KeyProvider`. A key remembers its provider, so that one
deployment can go over from one to another by rotating. No call of a provider to make a key happens inside a
transaction; its signatures do, because a credential is signed in the transaction that it proves.
Source: spec credentials.md 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Protocol

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from django.conf import settings
from django.utils.module_loading import import_string

from credentials import multikey
from credentials.models import IssuerKey, KeyAlgorithm
from credentials.multikey import BadKey, OwnKey
from credentials.signing import PrivateKey, Signer, SoftwareSigner, is_signed_by

SOFTWARE = "software"
_PROBE = b"a new issuer key signs once before it is announced"
_LONGEST_REFERENCE = 500
_KEY_TYPES = {KeyAlgorithm.ES256.value: "EC", KeyAlgorithm.ED25519.value: "OKP"}


class UnfitKey(Exception):
    """A provider's key is not what was asked for, or does not sign: it must not become one of ours."""


@dataclass(frozen=True)
class Made:
    """A key that a provider has made: the provider's own name for it and the public half as JWK."""

    reference: str
    public_jwk: Mapping[str, str]


class KeyProvider(Protocol):
    """All that a KMS or HSM has to offer. Made once per process, without arguments; used by several threads."""

    def create(self, algorithm: str) -> Made:
        """Make a key for "ES256" or "Ed25519" that can sign and never leaves."""

    def signer(self, reference: str) -> Signer:
        """Return what signs with that key; what goes wrong may raise any exception."""


@dataclass(frozen=True)
class _Elsewhere:
    """A provider's signer whose public half is known here already: one way over the network less."""

    public_jwk: Mapping[str, str]
    signer: Signer

    def sign(self, message: bytes) -> bytes:
        return self.signer.sign(message)


@dataclass(frozen=True)
class NewKey:
    """A key before its row: of the right kind, and seen to sign. `private` is PKCS #8 (DER), where it is kept here."""

    algorithm: KeyAlgorithm
    public_jwk: dict[str, str]
    provider: str = ""
    reference: str = ""
    private: bytes | None = field(default=None, repr=False)

    @property
    def kid(self) -> str:
        return multikey.thumbprint(self.public_jwk)

    @property
    def multikey(self) -> str:
        return multikey.multikey_of(own_key(self.public_jwk))


def new_key(algorithm: KeyAlgorithm) -> NewKey:
    """Make a key where this deployment makes its keys. Never call it inside a transaction: a provider may be far away.

    Raises UnfitKey, or whatever the provider raises.
    """
    path = settings.ISSUER_KEY_PROVIDERS[0]
    return _new_here(algorithm) if path == SOFTWARE else _new_elsewhere(path, algorithm)


def signer_of(row: IssuerKey) -> Signer:
    """Return what signs with a key, wherever it lives; UnfitKey when its provider is not (or no longer) one of ours."""
    if row.private is not None:
        private = serialization.load_der_private_key(row.private, password=None)
        assert isinstance(private, PrivateKey)
        return SoftwareSigner(private, row.public_jwk)
    # A path from a row is imported only if the operator's settings name it as well.
    if row.provider not in settings.ISSUER_KEY_PROVIDERS:
        raise UnfitKey(f"key {row.kid} lives with {row.provider}, which ISSUER_KEY_PROVIDERS does not name")
    return _Elsewhere(row.public_jwk, _provider(row.provider).signer(row.reference))


def own_key(jwk: Mapping[str, str]) -> OwnKey:
    """Return the key object of a public JWK of ours."""
    found = multikey.read_jwk(dict(jwk))
    if not isinstance(found, OwnKey):
        raise BadKey("our keys are P-256 or Ed25519")
    return found


@lru_cache(maxsize=8)
def _provider(path: str) -> KeyProvider:
    made: KeyProvider = import_string(path)()
    return made


def _new_here(algorithm: KeyAlgorithm) -> NewKey:
    """A key whose thumbprint does not begin with a dash: `keys retire KID` would read it as an option."""
    while True:
        ed = algorithm == KeyAlgorithm.ED25519
        private = ed25519.Ed25519PrivateKey.generate() if ed else ec.generate_private_key(ec.SECP256R1())
        jwk = multikey.jwk_of(private.public_key())
        if not multikey.thumbprint(jwk).startswith("-"):
            break
    der = private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return NewKey(algorithm, jwk, private=der)


def _new_elsewhere(path: str, algorithm: KeyAlgorithm) -> NewKey:
    provider = _provider(path)
    made = provider.create(algorithm.value)
    if not 0 < len(made.reference) <= _LONGEST_REFERENCE:
        raise UnfitKey(
            f"{path} names its key by {len(made.reference)} characters; 1 to {_LONGEST_REFERENCE} can be kept"
        )
    try:
        public = own_key(made.public_jwk)
    except BadKey as error:
        raise UnfitKey(f"{path} made a key that we cannot use: {error}") from error
    jwk = multikey.jwk_of(public)  # ours, without what the provider may have added (or, worse, a private part)
    if jwk["kty"] != _KEY_TYPES[algorithm]:
        raise UnfitKey(f"{path} made a {jwk['kty']} key, {algorithm.value} was asked for")
    if not is_signed_by(public, _PROBE, provider.signer(made.reference).sign(_PROBE)):
        raise UnfitKey(f"{path} made key {made.reference}, and its signature is not that of the public key it names")
    return NewKey(algorithm, jwk, provider=path, reference=made.reference)
