"""The utility's own systems, each with an address and a failure of its own: CIS, MDM and DER register.

Below /systems/<name>/, for callers with a token of /systems/token (OAuth2 client credentials). The MDM knows meters
and not whose they are; the CIS knows accounts and holders and no meters' values. Utility B serves them over mutual TLS
only (`sandbox.utility.mutual`).
"""

import base64
import binascii
import hmac
import secrets
import threading
import time
from collections.abc import Mapping
from typing import Any

SECONDS = 300
NAMES = ("cis", "mdm", "der")
CLIENT = "program-owner"
#: What only the CIS knows of a meter.
_OF_THE_CIS = ("holders", "accountStanding")


class Tokens:
    """Tokens for who knows the client secret, for five minutes. Kept in memory: a restart forgets them."""

    def __init__(self, secret: str) -> None:
        self._secret, self._lock = secret, threading.Lock()
        self._given: dict[str, float] = {}

    def give(self, authorization: str, form: Mapping[str, list[str]]) -> dict[str, Any] | None:
        """The answer of the token endpoint, or None for a client that is not known."""
        if form.get("grant_type") != ["client_credentials"] or not self._secret:
            return None
        scheme, _, pair = authorization.partition(" ")
        try:
            client_id, _, secret = base64.b64decode(pair, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        if scheme.lower() != "basic" or client_id != CLIENT or not hmac.compare_digest(secret, self._secret):
            return None
        token = secrets.token_urlsafe(32)
        with self._lock:
            now = time.monotonic()
            self._given = {each: until for each, until in self._given.items() if until > now}
            self._given[token] = now + SECONDS
        return {"access_token": token, "token_type": "Bearer", "expires_in": SECONDS, "scope": "systems"}

    def knows(self, token: str) -> bool:
        with self._lock:
            return self._given.get(token, 0.0) > time.monotonic()

    def forget_all(self) -> None:
        """As if the service had been restarted."""
        with self._lock:
            self._given.clear()


def of_the_mdm(meter: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in meter.items() if name not in _OF_THE_CIS}


def of_the_cis(meter: Mapping[str, Any]) -> dict[str, Any]:
    return {"umid": meter["umid"], **{name: meter[name] for name in _OF_THE_CIS}}


def spoilt(mode: str, answer: Any, another: Mapping[str, Any] | None) -> Any:
    """The answer as a system in trouble gives it: `half` of each record's fields, or `another` customer's record."""
    if not isinstance(answer, dict):
        return answer
    spoil = _half if mode == "half" else lambda record: dict(another) if another else record
    return {
        name: [spoil(each) for each in value] if isinstance(value, list) else value for name, value in answer.items()
    }


def _half(record: Any) -> Any:
    if not isinstance(record, dict):
        return record
    return {name: value for place, (name, value) in enumerate(record.items()) if place % 2 == 0}
