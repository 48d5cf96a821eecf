"""What we answer at once: ACK, or NACK with what is wrong and where; and the reading of what peers answer us."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson
from django.http import HttpResponse

ACK_BODY = b'{"message":{"ack":{"status":"ACK"}}}'


class NackCode(StrEnum):
    """Why a message was not taken. Business refusals are ACKed and told in the callback (wire.md 2)."""

    SIGNATURE_INVALID = "SIGNATURE_INVALID"
    SIGNATURE_MISSING = "SIGNATURE_MISSING"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    REGISTRY_UNAVAILABLE = "REGISTRY_UNAVAILABLE"
    PARTICIPANT_SUSPENDED = "PARTICIPANT_SUSPENDED"
    NOT_ALLOWED = "NOT_ALLOWED"
    RATE_LIMITED = "RATE_LIMITED"
    TOO_LARGE = "TOO_LARGE"
    MALFORMED = "MALFORMED"
    SCHEMA_INVALID = "SCHEMA_INVALID"
    CONTEXT_INVALID = "CONTEXT_INVALID"
    WRONG_ADDRESSEE = "WRONG_ADDRESSEE"
    EXPIRED = "EXPIRED"
    DUPLICATE_MESSAGE_ID = "DUPLICATE_MESSAGE_ID"
    ACTION_UNKNOWN = "ACTION_UNKNOWN"
    METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
    INTERNAL = "INTERNAL"


@dataclass
class Nack(Exception):
    """A message is not taken. `path` points into the JSON ("context.ttl"), or names the header that is wrong.

    `facts` are for the journal alone: numbers and ids from which staff reads the reason in words.
    """

    status: int
    code: NackCode
    message: str
    path: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.status} {self.code}: {self.message}"

    def body(self) -> dict[str, Any]:
        error = {"code": str(self.code), "message": self.message, "details": {"path": self.path, **self.details}}
        return {"message": {"ack": {"status": "NACK"}}, "error": error}

    def response(self) -> HttpResponse:
        text = orjson.dumps(self.body(), default=str)
        return HttpResponse(text, status=self.status, content_type="application/json", headers=self.headers)


def ack() -> HttpResponse:
    return HttpResponse(ACK_BODY, content_type="application/json")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a peer said to a message of ours; `reason` is empty when it took it."""

    taken: bool
    reason: str = ""


def read_ack(status: int, body: bytes) -> Answer:
    """Read every ACK shape of wire.md 2. HTTP 200 and 202 mean taken unless the body says NACK."""
    said, error = _status_and_error(body)
    if status in (200, 202) and said != "NACK" and not error:
        return Answer(taken=True)
    words = f"HTTP {status}{', NACK' if said == 'NACK' else ''}{': ' + error if error else ''}"
    return Answer(taken=False, reason=words[:500])


def _status_and_error(body: bytes) -> tuple[str, str]:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return "", ""
    if not isinstance(answer, dict):
        return "", ""
    message = _object(answer, "message")
    inner = _object(message, "ack")
    said = [inner.get("status"), message.get("status"), answer.get("ack_status"), answer.get("status")]
    status = next((text.upper() for text in said if isinstance(text, str)), "")
    return status, _words(answer.get("error") or message.get("error"))


def _words(error: Any) -> str:
    """Code and path of a peer's error. Its free text may quote personal data and is not kept."""
    if not error:
        return ""
    if not isinstance(error, dict):
        return "error without a code"
    details = _object(error, "details")
    parts = (error.get("code"), error.get("path") or details.get("path"))
    return " at ".join(str(part)[:100] for part in parts if part) or "error without a code"


def _object(parent: dict[str, Any], key: str) -> dict[str, Any]:
    found = parent.get(key)
    return found if isinstance(found, dict) else {}
