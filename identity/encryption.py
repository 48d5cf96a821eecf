"""Encryption of single fields, and the blind index that finds a value without reading it.

A sealed value is `01 | length of kid | kid | nonce (12) | AES-256-GCM ciphertext and tag`. The header and the column
it belongs to are authenticated with it: a value moved to another column does not open. Keys come from
`settings.FIELD_KEYS` ("kid:base64 of 32 bytes", newest first; all of them open, the first one seals) and
`settings.INDEX_KEY` ("name:base64 of 32 bytes"), which is another key: it never rotates, the field keys do.
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import models

_VERSION = 1
_NONCE_BYTES = 12
_KID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class DecryptionError(Exception):
    """A sealed value does not open: changed, moved from another column, or its key is gone. Never says what it held."""


@dataclass(frozen=True)
class _Ring:
    newest: str
    keys: Mapping[str, AESGCM]


def check_keys() -> None:
    """Raise ImproperlyConfigured when FIELD_KEYS or INDEX_KEY is missing, malformed, or one key is used for both."""
    _ring()
    _index_key()


def seal(value: Any, *, context: str = "") -> bytes:
    """Return a JSON value encrypted under the newest key.

    `context` names the place it is kept in ("app.model.field"); `unseal` needs the same one.
    """
    return seal_bytes(json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), context=context)


def unseal(sealed: bytes | memoryview, *, context: str = "") -> Any:
    """Return the JSON value that `seal` took; raise DecryptionError when it does not open."""
    return json.loads(unseal_bytes(sealed, context=context))


def seal_bytes(clear: bytes, *, context: str = "") -> bytes:
    """Return `clear` encrypted under the newest key, a fresh nonce each time."""
    ring = _ring()
    header = _header(ring.newest)
    nonce = os.urandom(_NONCE_BYTES)
    return header + nonce + ring.keys[ring.newest].encrypt(nonce, clear, header + context.encode())


def unseal_bytes(sealed: bytes | memoryview, *, context: str = "") -> bytes:
    """Return what `seal_bytes` took; raise DecryptionError when it does not open."""
    data = bytes(sealed)
    kid = key_id(data)
    key = _ring().keys.get(kid)
    if key is None:
        raise DecryptionError(f"{_place(context)} is sealed under key {kid!r}, which FIELD_KEYS does not hold")
    start = 2 + len(kid)
    nonce, body = data[start : start + _NONCE_BYTES], data[start + _NONCE_BYTES :]
    try:
        return key.decrypt(nonce, body, data[:start] + context.encode())
    except (InvalidTag, ValueError) as error:
        message = f"{_place(context)} does not open with key {kid!r}: it was changed, or belongs to another column"
        raise DecryptionError(message) from error


def reseal(sealed: bytes | memoryview, *, context: str = "") -> bytes:
    """Return the same value under the newest key; unchanged bytes where it already is."""
    data = bytes(sealed)
    if key_id(data) == _ring().newest:
        return data
    return seal_bytes(unseal_bytes(data, context=context), context=context)


def key_id(sealed: bytes | memoryview) -> str:
    """Return the id of the key a value was sealed under; raise DecryptionError when it is no sealed value."""
    data = bytes(sealed)
    length = data[1] if len(data) > 1 else 0
    if len(data) < 2 + length + _NONCE_BYTES + 16 or data[0] != _VERSION or not length:
        raise DecryptionError("this is no sealed value")
    try:
        return data[2 : 2 + length].decode("ascii")
    except UnicodeDecodeError as error:
        raise DecryptionError("this is no sealed value") from error


def newest_key_id() -> str:
    """Return the id of the key that seals now."""
    return _ring().newest


def newest_header() -> bytes:
    """Return the first bytes of every value sealed under the newest key."""
    return _header(_ring().newest)


def blind_index(value: str, *, purpose: str) -> bytes:
    """Return 32 bytes that are equal for equal values: HMAC-SHA-256 under INDEX_KEY.

    Case, width and spaces do not count; for `purpose` "phone" only digits and a leading plus do. The purpose is part
    of it, so that an e-mail never equals an account number.
    """
    text = " ".join(unicodedata.normalize("NFKC", value).casefold().split())
    if purpose == "phone":
        text = ("+" if text.startswith("+") else "") + "".join(each for each in text if each.isdigit())
    return hmac.new(_index_key(), purpose.encode() + b"\x00" + text.encode(), hashlib.sha256).digest()


class EncryptedField(models.Field):
    """Base of the encrypted columns (bytea). NULL stays NULL, and nothing but `isnull` can be asked of one in SQL.

    `context` fixes what the value is bound to; default "app.model.field", to be given when a field is renamed.
    """

    def __init__(self, *args: Any, context: str = "", **kwargs: Any) -> None:
        self._context = context
        kwargs.setdefault("editable", False)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        if self._context:
            kwargs["context"] = self._context
        if kwargs.get("editable") is False:
            kwargs.pop("editable")
        return name, path, args, kwargs

    @property
    def context(self) -> str:
        """What a value of this column is bound to."""
        return self._context or f"{self.model._meta.label_lower}.{self.name}"

    def get_internal_type(self) -> str:
        return "BinaryField"

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted: look it up by its blind index")
        return super().get_lookup(lookup_name)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return None if value is None else self.open(bytes(value))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return None if value is None else connection.Database.Binary(self.close(value))

    def open(self, stored: bytes) -> Any:
        """Return the value that a column's bytes hold."""
        raise NotImplementedError

    def close(self, value: Any) -> bytes:
        """Return the bytes a column keeps of a value."""
        raise NotImplementedError


class EncryptedTextField(EncryptedField):
    """Text nobody reads in the database. An empty text is kept as empty bytes: that it is empty is no secret."""

    def open(self, stored: bytes) -> str:
        return unseal_bytes(stored, context=self.context).decode() if stored else ""

    def close(self, value: Any) -> bytes:
        return seal_bytes(str(value).encode(), context=self.context) if value != "" else b""


class EncryptedJSONField(EncryptedField):
    """A JSON value nobody reads in the database; None is NULL."""

    def open(self, stored: bytes) -> Any:
        return unseal(stored, context=self.context)

    def close(self, value: Any) -> bytes:
        return seal(value, context=self.context)


class EncryptedBytesField(EncryptedField):
    """Bytes nobody reads in the database, such as a private key."""

    def open(self, stored: bytes) -> bytes:
        return unseal_bytes(stored, context=self.context)

    def close(self, value: Any) -> bytes:
        return seal_bytes(bytes(value), context=self.context)


class SealedField(models.BinaryField):
    """A column whose owner calls `seal(value, context=…)` and `unseal` itself: the Python value is sealed bytes.

    For rows that are passed on without being opened. `fields rotate` finds it like every other encrypted column.
    """

    def __init__(self, *args: Any, context: str = "", **kwargs: Any) -> None:
        self.context = context
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        if self.context:
            kwargs["context"] = self.context
        return name, path, args, kwargs


def encrypted_fields() -> Iterator[EncryptedField | SealedField]:
    """Yield every encrypted column of every installed model, once per table."""
    for model in apps.get_models(include_auto_created=True):
        if model._meta.proxy or not model._meta.managed:
            continue
        for field in model._meta.local_fields:
            if isinstance(field, (EncryptedField, SealedField)):
                yield field


def _place(context: str) -> str:
    return context or "a sealed value"


def _header(kid: str) -> bytes:
    return bytes([_VERSION, len(kid)]) + kid.encode("ascii")


def _ring() -> _Ring:
    return _read_ring(tuple(str(each) for each in settings.FIELD_KEYS), str(settings.INDEX_KEY))


@lru_cache(maxsize=8)
def _read_ring(field_keys: tuple[str, ...], index_key: str) -> _Ring:
    if not field_keys:
        raise ImproperlyConfigured(
            "FIELD_KEYS holds no key: it should be a list of kid:base64-of-32-bytes, newest first"
        )
    secrets: dict[str, bytes] = {}
    for position, each in enumerate(field_keys, start=1):
        kid, _, encoded = each.partition(":")
        if not _KID.fullmatch(kid) or kid in secrets:
            raise ImproperlyConfigured(
                f"FIELD_KEYS, key {position}: the id before the colon is malformed or used twice"
            )
        secrets[kid] = _key_bytes(encoded, f"FIELD_KEYS, key {kid}")
    if _key_bytes(index_key, "INDEX_KEY") in secrets.values():
        raise ImproperlyConfigured("INDEX_KEY must be another key than those of FIELD_KEYS")
    return _Ring(newest=next(iter(secrets)), keys={kid: AESGCM(secret) for kid, secret in secrets.items()})


def _index_key() -> bytes:
    return _read_index_key(str(settings.INDEX_KEY))


@lru_cache(maxsize=8)
def _read_index_key(encoded: str) -> bytes:
    return _key_bytes(encoded, "INDEX_KEY")


def _key_bytes(named: str, name: str) -> bytes:
    encoded = named.rpartition(":")[2]
    try:
        padded = encoded.replace("-", "+").replace("_", "/")
        key = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ImproperlyConfigured(f"{name} should be the base64 of 32 random bytes")
    return key
