"""What a handler writes with: the answer to a message, or news nobody asked for. Both inside the act's transaction."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from audit import clock
from beckn import contexts, identities, profiles, sealing
from beckn.messages import Received, wire_instant
from beckn.models import Inbox, Outbox, Participant, State
from beckn.outgoing import TTL, write
from beckn.profiles import apologies


class LeaseLost(Exception):
    """The message was answered by somebody else meanwhile: this act must roll back, it was done already."""


def sealed_credential(credential_id: UUID | str) -> sealing.CredentialBytes:
    """Return what stands for a credential's bytes in a callback's body; they are put in when it is sent."""
    return sealing.CredentialBytes(credential_id)


class Door:
    """The way out for handlers and listeners. Every method must be called inside the act's transaction."""

    has_answered = False  # whether `answer` has written; what rolls it back raises past whoever asks

    def answer(
        self,
        message: Received,
        body: Mapping[str, Any],
        *,
        after_lists: Sequence[int | str | UUID] = (),
        now: datetime | None = None,
    ) -> Outbox:
        """Write the callback on_<action> and mark the message done, in the caller's transaction.

        `body` is the content of `message`, or a whole {"message": {...}} with an optional "error" (profile B) and
        "context" keys that win over ours.
        `after_lists` are status lists that must be published before it leaves.
        Raises LeaseLost when the message is done already; let it roll the act back.
        """
        _needs_transaction()
        at = now or clock.now()
        context = answer_context(message, at, body.get("context") or {})
        row = write(
            kind=Outbox.Kind.ANSWER,
            participant=message.participant,
            uri=str(message.context.get("bap_uri", "")),
            context=context,
            body=body,
            secret_paths=secret_paths_out(),
            after_lists=after_lists,
            now=at,
            in_answer_to=message.inbox_id,
        )
        self.done(message, now=at)
        return row

    def done(self, message: Received, *, now: datetime) -> None:
        """Mark the message done in the caller's transaction; a callback to a portal of ours wants no answer.

        Raises LeaseLost when it is done already; let it roll the act back.
        """
        _needs_transaction()
        changed = Inbox.objects.filter(pk=message.inbox_id, state=State.WAITING, lease=message.lease).update(
            state=State.DONE, done_at=now, lease=None, lease_until=None, sealed=None, last_error="", incident_id=""
        )
        if not changed:
            raise LeaseLost(f"inbox {message.inbox_id} was answered by another worker")
        self.has_answered = True

    def unsolicited(
        self,
        *,
        bap_id: str,
        action: str,
        transaction_id: str,
        domain: str,
        message: Mapping[str, Any],
        now: datetime,
        bap_uri: str = "",
        version: str = "2.0.0",
        after_lists: Sequence[int | str | UUID] = (),
    ) -> Outbox | None:
        """Write an on_status or on_update nobody asked for, under a new message id. None for a BAP we do not know."""
        _needs_transaction()
        participant = Participant.objects.filter(subscriber_id=bap_id).first()
        if participant is None:
            return None
        us = identities.owner()
        # The address of an order may be years old, and its BAP may have moved since: then the registered one counts.
        uri = bap_uri if contexts.is_under(bap_uri, participant.url) else participant.url
        context = {
            "version": version,
            "action": action,
            "domain": domain,
            "timestamp": wire_instant(now),
            "message_id": str(uuid4()),
            "transaction_id": transaction_id,
            "bap_id": bap_id,
            "bap_uri": uri,
            "bpp_id": us.subscriber_id,
            "bpp_uri": us.uri,
            "ttl": TTL,
        }
        return write(
            kind=Outbox.Kind.UNSOLICITED,
            participant=participant,
            uri=uri,
            context=context,
            body=message,
            secret_paths=secret_paths_out(),
            after_lists=after_lists,
            now=now,
        )

    def apologise(self, message: Received, incident_id: str, *, now: datetime) -> Outbox:
        """Write the callback for a message we could not handle: our fault, with a reference to quote."""
        _needs_transaction()
        return write(
            kind=Outbox.Kind.ANSWER,
            participant=message.participant,
            uri=str(message.context.get("bap_uri", "")),
            context=answer_context(message, now, {}),
            body=apologies.apology(message, incident_id, now),
            secret_paths=(),
            now=now,
            in_answer_to=message.inbox_id,
        )


def answer_context(message: Received, now: datetime, wins: Mapping[str, Any]) -> dict[str, Any]:
    """Return the callback's context: the request's, turned round; its message id is echoed (decision 53)."""
    us = identities.by_id(str(message.context.get("bpp_id", ""))) or identities.owner()
    echo = message.participant.message_ids == Participant.MessageIds.ECHO
    return {
        **message.context,
        "action": f"on_{message.action}",
        "timestamp": wire_instant(now),
        "message_id": message.context["message_id"] if echo else str(uuid4()),
        "bpp_id": us.subscriber_id,
        "bpp_uri": us.uri,
        "ttl": TTL,
        **wins,
    }


def secret_paths_out() -> Iterable[str]:
    """Return the places of a callback that are kept apart: every profile's own, and credentials' bytes always."""
    return ["**.credentialData", *(f"**.{key}" for key in sorted(profiles.secret_keys_out()))]


def _needs_transaction() -> None:
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("an answer belongs to the act's transaction, and none is open")
