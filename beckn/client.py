"""The sending half: a portal's request as an Outbox row, and which callback belongs to which request.

Knows rows and signatures' owners only: no task, no handler, no profile (design.md, layers).
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from beckn import identities, outgoing
from beckn.messages import wire_instant
from beckn.models import Inbox, Outbox, Participant

# What a portal sends for a person is secret wherever it stands (decision 27).
SECRETS = tuple(
    f"**.{key}"
    for key in (
        "userAuth",
        "accessToken",
        "idToken",
        "refreshToken",
        "otp",
        "nguid",
        "mobile",
        "beckn:person",
        "person",
        "beckn:utilityCustomerId",
        "utilityCustomerId",
        "credentialData",
        "presentationData",
        "email",
        "schema:email",
        "phone",
        "schema:telephone",
    )
)


def send(
    *,
    sender_id: str,
    to: Participant,
    action: str,
    message: Mapping[str, Any],
    domain: str,
    now: datetime,
    transaction_id: str = "",
    message_id: str = "",
    version: str = "2.0.0",
) -> Outbox:
    """Write a request of one of our portals into the Outbox; a worker signs and posts it to {to.url}/{action}.

    `sender_id` is a portal's or agency's subscriber id. Belongs into the transaction of the act it is part of.
    Raises ValueError for a sender that is no portal of ours.
    """
    us = identities.by_id(sender_id)
    if us is None or not identities.is_portal(sender_id):
        raise ValueError(f"{sender_id} is none of our portals")
    context = {
        "version": version,
        "action": action,
        "domain": domain,
        "timestamp": wire_instant(now),
        "message_id": message_id or str(uuid4()),
        "transaction_id": transaction_id or str(uuid4()),
        "bap_id": us.subscriber_id,
        "bap_uri": us.uri,
        "bpp_id": to.subscriber_id,
        "bpp_uri": to.url,
        "ttl": outgoing.TTL,
    }
    return outgoing.write(
        kind=Outbox.Kind.REQUEST,
        participant=to,
        uri=to.url,
        context=context,
        body=message,
        secret_paths=SECRETS,
        now=now,
    )


def correlate(context: Mapping[str, Any]) -> Outbox | None:
    """Return the request a callback answers: by its message id, else the newest of the same transaction and action.

    None for an unsolicited one. Source: decision 53.
    """
    action = str(context.get("action", "")).removeprefix("on_")
    ours = Outbox.objects.filter(kind=Outbox.Kind.REQUEST, action=action, sender_id=str(context.get("bap_id", "")))
    ours = ours.filter(participant__subscriber_id=str(context.get("bpp_id", "")))
    by_message = ours.filter(message_id=str(context.get("message_id", ""))).order_by("-pk").first()
    if by_message is not None:
        return by_message
    return ours.filter(transaction_id=str(context.get("transaction_id", "")), callbacks=None).order_by("-pk").first()


def callbacks_to(request: Outbox) -> list[Inbox]:
    """Return the callbacks that came for a request, oldest first."""
    return list(Inbox.objects.filter(our_request=request).order_by("pk"))
