"""A utility that calls things otherwise: names and words by configuration, and fields it wants encrypted.

`{"/api/v1/meters": {"records": "data.items", "fields": {"umid": "meter.uid", "connectionType": {"path": "category",
"values": {"DOM": "RESIDENTIAL"}}}}}`: where the records are, and where in a record each field of ours stands. What is
not named stays as it is. Encrypted fields (in either direction) travel as base64 of nonce and AES-256-GCM ciphertext,
the field's name as associated data, so that one field's value cannot stand for another's.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE = 12


class BadCipher(ValueError):
    """A field cannot be decrypted; the text names the field only."""


@dataclass(frozen=True)
class Cipher:
    """Fields of ours that a utility sends and wants encrypted. `key` is 32 bytes."""

    key: bytes = field(repr=False)
    fields: frozenset[str] = frozenset()

    def seal(self, name: str, value: str) -> str:
        nonce = secrets.token_bytes(_NONCE)
        return base64.b64encode(nonce + AESGCM(self.key).encrypt(nonce, value.encode(), name.encode())).decode()

    def open(self, name: str, value: Any) -> Any:
        """Raises BadCipher."""
        if value is None:
            return None
        try:
            raw = base64.b64decode(str(value), validate=True)
            return AESGCM(self.key).decrypt(raw[:_NONCE], raw[_NONCE:], name.encode()).decode()
        except (binascii.Error, InvalidTag, ValueError):
            raise BadCipher(name) from None


@dataclass(frozen=True)
class Mapped:
    """Their JSON in our names and back; without rules both are the same."""

    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    cipher: Cipher | None = None

    def ours(self, path: str, answer: Any) -> Any:
        rule = self.rules.get(path, {})
        if isinstance(answer, dict) and "records" in rule:
            name = str(rule.get("as", path.rstrip("/").rpartition("/")[2]))
            answer = {name: _at(answer, str(rule["records"]))}
        if "fields" in rule:
            answer = _renamed(answer, rule["fields"])
        return _each_field(answer, self.cipher.open, self.cipher.fields) if self.cipher else answer

    def theirs(self, path: str, body: Mapping[str, Any]) -> Any:
        sealed: Any = body
        if self.cipher is not None:
            cipher = self.cipher
            sealed = _each_field(body, lambda name, value: cipher.seal(name, str(value)), cipher.fields)
        names: Mapping[str, str] = self.rules.get(path, {}).get("request", {})
        return {names.get(name, name): value for name, value in sealed.items()}


def _renamed(answer: Any, fields: Mapping[str, Any]) -> Any:
    """The records of an answer (its lists of objects, or itself) with our names added."""
    if not isinstance(answer, dict):
        return answer
    lists = [name for name, value in answer.items() if isinstance(value, list)]
    if not lists:
        return _record(answer, fields)
    return {
        name: [_record(each, fields) for each in value] if name in lists else value for name, value in answer.items()
    }


def _record(record: Any, fields: Mapping[str, Any]) -> Any:
    if not isinstance(record, dict):
        return record
    found = {}
    for ours, where in fields.items():
        path, values = (where, {}) if isinstance(where, str) else (where["path"], where.get("values", {}))
        value = _at(record, path)
        found[ours] = values.get(value, value) if isinstance(value, str) else value
    return {**record, **found}


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _each_field(value: Any, change: Any, names: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_each_field(each, change, names) for each in value]
    if not isinstance(value, Mapping):
        return value
    return {
        name: change(name, each)
        if name in names and isinstance(each, str | int | float)
        else _each_field(each, change, names)
        for name, each in value.items()
    }
