"""The two ways in: POST /beckn/{action} for requests to us as BPP, POST /bap/{on_action} for callbacks to our portals.

In this order: the address, the size, the signature over the raw bytes, JSON, context, the profile's schema, one row.
Whatever is wrong is answered with a NACK that says what and where; nothing is kept then but a line in the journal.
"""

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from structlog.contextvars import bind_contextvars

from audit import clock
from audit.log import SYSTEM, Action, Actor, ActorKind, record
from beckn import contexts, inbox, limits, parsing, proof
from beckn.client import correlate
from beckn.messages import CALLBACKS, KEPT_HEADERS, REQUESTS
from beckn.nacks import Nack, NackCode, ack
from beckn.traces import trace

log = logging.getLogger(__name__)
ANONYMOUS_SEARCHES = ("search", "discover")  # a gateway's search goes to many and names no receiver
_NAME = re.compile(r"[\w.:/|-]{1,255}", re.ASCII)  # how ids look; a stranger's free text is kept nowhere


@dataclass
class Attempt:
    """What is known so far about the message that is coming in; told to the journal when it is refused."""

    action: str
    source: str
    subscriber_id: str = ""
    message_id: str = ""
    transaction_id: str = ""

    def name(self, body: Any) -> None:
        """Keep the ids that the message gives itself, and put them into this request's log lines."""
        context = body.get("context") if isinstance(body, dict) else None
        if isinstance(context, dict):
            self.message_id = _id(context.get("message_id"))
            self.transaction_id = _id(context.get("transaction_id"))
            bind_contextvars(message_id=self.message_id, transaction_id=self.transaction_id)


@csrf_exempt
def receive(request: HttpRequest, action: str) -> HttpResponse:
    """Take a request to us as BPP: ACK once it is kept, else NACK."""
    return _answer(request, action.rstrip("/"), REQUESTS, _take_request)


@csrf_exempt
def receive_callback(request: HttpRequest, action: str) -> HttpResponse:
    """Take a callback to one of our portals."""
    return _answer(request, action.rstrip("/"), CALLBACKS, _take_callback)


def _answer(
    request: HttpRequest, action: str, actions: frozenset[str], take: Callable[[HttpRequest, bytes, Attempt], None]
) -> HttpResponse:
    attempt = Attempt(action, limits.source_of(request))
    try:
        raw = _read(request, action, actions)
        take(request, raw, attempt)
        return ack()
    except Nack as nack:
        _tell_journal(nack, attempt)
        return nack.response()
    except (OperationalError, InterfaceError) as problem:
        log.error("the database is not there", extra={"action": action[:32]} | trace(problem))
        words = "Messages cannot be kept at the moment; sending again later is safe."
        return Nack(503, NackCode.INTERNAL, words, headers={"Retry-After": "5"}).response()
    except Exception as problem:  # a stranger's bytes must never end in a page of Django's
        reference = getattr(request, "reference", "") or uuid4().hex
        log.error(
            "a message could not be taken", extra={"reference": reference, "action": action[:32]} | trace(problem)
        )
        words = "The message could not be taken; sending again later is safe."
        return Nack(500, NackCode.INTERNAL, words, details={"reference": reference}).response()


def _read(request: HttpRequest, action: str, actions: frozenset[str]) -> bytes:
    """Return the body's bytes as they came, at most 1 MiB of them."""
    if action not in actions:
        raise Nack(404, NackCode.ACTION_UNKNOWN, "There is no such action here.", "path")
    if request.method != "POST":
        raise Nack(405, NackCode.METHOD_NOT_ALLOWED, "Messages are sent with POST.", headers={"Allow": "POST"})
    too_large = Nack(413, NackCode.TOO_LARGE, f"A message may have {limits.MAX_BODY_BYTES} bytes.")
    length = request.META.get("CONTENT_LENGTH") or ""
    if length.isascii() and length.isdigit():
        if int(length) > limits.MAX_BODY_BYTES:
            _let_it_finish(request, int(length))
            raise too_large
        stream: Any = request
    elif request.META.get("wsgi.input_terminated") or "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", ""):
        stream = request.META["wsgi.input"]  # Django reads nothing where no length is told
    else:
        return b""  # neither length nor chunks: there is no body (RFC 9112, 6.3)
    try:
        raw = bytes(stream.read(limits.MAX_BODY_BYTES + 1))
    except OSError:
        raise Nack(400, NackCode.MALFORMED, "The body broke off.") from None
    if len(raw) > limits.MAX_BODY_BYTES:
        raise too_large
    return raw


def _let_it_finish(request: HttpRequest, length: int) -> None:
    """Read a body that is too long, within reason: most clients read our answer only after they have sent it all."""
    left = length if length <= limits.MAX_DRAINED_BYTES else 0
    try:
        while left > 0 and (part := request.read(min(left, 1 << 16))):
            left -= len(part)
    except OSError:
        log.info("a body that was too long broke off")


def _take_request(request: HttpRequest, raw: bytes, attempt: Attempt) -> None:
    now = clock.now()
    proven = proof.prove(request, raw, now=now, source=attempt.source, realm=proof.realm())
    attempt.subscriber_id = proven.subscriber_id
    anonymous = proven.through_gateway and attempt.action in ANONYMOUS_SEARCHES
    expected = contexts.Expected(attempt.action, "bap", receiver_may_be_absent=anonymous)
    inbox.accept(_checked(request, raw, proven, expected, attempt, now), now=now)


def _take_callback(request: HttpRequest, raw: bytes, attempt: Attempt) -> None:
    now = clock.now()
    proven = proof.prove(request, raw, now=now, source=attempt.source, realm=proof.realm())
    attempt.subscriber_id = proven.subscriber_id
    message = _checked(request, raw, proven, contexts.Expected(attempt.action, "bpp"), attempt, now)
    inbox.accept_callback(message, our_request=correlate(message.context.given), now=now)


def _checked(
    request: HttpRequest,
    raw: bytes,
    proven: proof.Proof,
    expected: contexts.Expected,
    attempt: Attempt,
    now: datetime,
) -> inbox.Incoming:
    """Read the proven bytes and check everything that needs no other row than the sender's."""
    body = parsing.parse(raw, request.META.get("CONTENT_TYPE", ""))
    attempt.name(body)
    context = contexts.read(body, expected, now=now)
    sender = expected.sender
    if proven.participant is None:
        participant = proof.vouched(proven, context.sender_id, context.sender_uri, now=now)
        attempt.subscriber_id = participant.subscriber_id
    else:
        participant = proven.participant
        if context.sender_id != proven.subscriber_id:
            words = f"context.{sender}_id is not {proven.subscriber_id}, who signed the message."
            headers = {"WWW-Authenticate": proof.signatures.challenge(proof.realm())}
            raise Nack(401, NackCode.SIGNATURE_INVALID, words, f"context.{sender}_id", headers, {"check": "subscriber"})
    if not contexts.is_under(context.sender_uri, participant.url):
        words = f"context.{sender}_uri is neither the registered address of {participant.subscriber_id} nor below it."
        raise Nack(400, NackCode.CONTEXT_INVALID, words, f"context.{sender}_uri")
    if sender == "bap" and (problem := context.profile.validate(attempt.action, body)):
        raise Nack(400, NackCode.SCHEMA_INVALID, f"{problem.path} {problem.message}.", problem.path)
    headers = {name: request.headers[name][:255] for name in KEPT_HEADERS if request.headers.get(name)}
    return inbox.Incoming(
        action=attempt.action,
        context=context,
        participant=participant,
        key_id=proven.key_id,
        digest=proven.digest,
        headers=headers,
        body=body,
    )


def _tell_journal(nack: Nack, attempt: Attempt) -> None:
    """Write that a message was refused, unless the budget for that is used up: junk must not fill the journal."""
    if nack.status in (404, 405, 413):
        return
    now = clock.now()
    actor = Actor(ActorKind.PARTICIPANT, attempt.subscriber_id) if attempt.subscriber_id else SYSTEM
    try:
        who = attempt.subscriber_id or attempt.source
        if limits.journal_of_source().take(now, who) and limits.journal_of_all().take(now):
            details = {
                "code": str(nack.code),
                "status": nack.status,
                "path": nack.path,
                "action": attempt.action,
                **_facts_of(nack, attempt),
            }
            record(Action.MESSAGE_REFUSED, actor=actor, at=now, object_type="message", details=details)
    except DatabaseError as problem:
        log.error("a refusal could not be written into the journal", extra=trace(problem))


def _facts_of(nack: Nack, attempt: Attempt) -> dict[str, Any]:
    """From which the console says in words why it was refused: checks, seconds and ids, nothing else of the message."""
    known = {
        "check": nack.details.get("check"),
        **nack.facts,
        "message_id": attempt.message_id,
        "transaction_id": attempt.transaction_id,
    }
    named = {name: _id(value) if isinstance(value, str) else value for name, value in known.items()}
    return {name: value for name, value in named.items() if value not in (None, "")}


def _id(value: Any) -> str:
    """The value where it looks like an id, else nothing."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else ""
