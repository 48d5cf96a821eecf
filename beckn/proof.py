"""Who sent these bytes: the signature of the sender (and of a gateway), an adapter that has checked it, or nobody."""

import hmac
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.http import HttpRequest

from beckn import identities, limits, participants, registry, signatures
from beckn.models import Participant
from beckn.nacks import Nack, NackCode

GATEWAY = "X-Gateway-Authorization"


@dataclass(frozen=True)
class Proof:
    """What is proven about the bytes. `subscriber_id` is empty where only an adapter or the sandbox vouches."""

    digest: str
    subscriber_id: str = ""
    key_id: str = ""
    participant: Participant | None = None
    through_gateway: bool = False


def prove(request: HttpRequest, raw: bytes, *, now: datetime, source: str, realm: str) -> Proof:
    """Return who signed the bytes, or raise Nack: 401 bad proof, 403 suspended, 429 too often, 503 no registry."""
    body_digest = signatures.digest(raw)
    if settings.BECKN_MODE == "adapter":
        _check_adapter(request)
        return Proof(body_digest)
    header = request.META.get("HTTP_AUTHORIZATION", "")
    gateway = request.META.get("HTTP_X_GATEWAY_AUTHORIZATION", "")
    if not header and not settings.BECKN_REQUIRE_SIGNATURE and settings.DEPLOYMENT == "sandbox":
        return Proof(body_digest)
    unauthorized = {"WWW-Authenticate": signatures.challenge(realm)}
    if not header:
        words = "The Authorization header is missing; sign the message as the network prescribes."
        raise Nack(401, NackCode.SIGNATURE_MISSING, words, "Authorization", unauthorized)
    known, signature = _verified(header, body_digest, now, source, "Authorization", unauthorized)
    if gateway:
        challenge = {"Proxy-Authenticate": signatures.challenge(realm)}
        relay, _ = _verified(gateway, body_digest, now, source, GATEWAY, challenge)
        if relay.participant.type != Participant.Type.BG:
            words = f"{relay.participant.subscriber_id} is no gateway."
            raise Nack(401, NackCode.SIGNATURE_INVALID, words, GATEWAY, challenge)
        _check_standing(relay.participant)
    _check_standing(known.participant)
    budget = limits.participant()
    if not budget.take(now, known.participant.subscriber_id):
        raise too_often(budget)
    return Proof(body_digest, signature.subscriber_id, signature.key_id, known.participant, bool(gateway))


def vouched(proof: Proof, subscriber_id: str, uri: str, *, now: datetime) -> Participant:
    """Return the participant of a message that carries no signature for us: the context's word counts.

    Behind an adapter, which looked the sender up, an unknown one gets a row; in the unsigned sandbox it is refused.
    """
    row = participants.registered(subscriber_id)
    if row is None:
        if settings.BECKN_MODE != "adapter":
            raise Nack(401, NackCode.KEY_UNKNOWN, f"{subscriber_id} is not a participant known here.", "context.bap_id")
        try:
            row = participants.add(subscriber_id=subscriber_id, url=uri, source="ADAPTER", now=now)
        except ValueError as problem:
            raise Nack(400, NackCode.CONTEXT_INVALID, f"{problem}.", "context.bap_uri") from None
    _check_standing(row)
    budget = limits.participant()
    if not budget.take(now, subscriber_id):
        raise too_often(budget)
    return row


def too_often(budget: limits.Budget) -> Nack:
    wait = budget.retry_after_seconds
    return Nack(
        429,
        NackCode.RATE_LIMITED,
        f"Too many messages; send again in {wait} s or later.",
        headers={"Retry-After": str(wait)},
    )


def allowed_lifetime() -> signatures.Limits:
    return signatures.Limits(
        ahead_seconds=settings.BECKN_SIGNATURE_AHEAD_SECONDS,
        lifetime_seconds=settings.BECKN_SIGNATURE_LIFETIME_SECONDS,
    )


def _verified(
    header: str, body_digest: str, now: datetime, source: str, where: str, challenge: dict[str, str]
) -> tuple[participants.KnownKey, signatures.Signature]:
    """Verify one header. Whatever fails is charged to the address: proven senders have buckets of their own."""
    claim: dict[str, str] = {}  # who the header says has signed: no proof, and what staff looks for
    try:
        signature = signatures.parse(header)
        claim = {"claims": signature.subscriber_id, "key_id": signature.key_id}
        # Before the look-up: an old or far-future signature must not make us ask a registry.
        signatures.check_times(signature, now=now, limits=allowed_lifetime())
        known = participants.known_key(signature.subscriber_id, signature.key_id)
        if known is None or known.key.fresh_until is not None:
            known = _looked_up(signature, now, source, where, challenge, is_new=known is None)
        if not known.key.is_valid_at(now):
            words = f"key {signature.key_id} of {signature.subscriber_id} is not valid now ({now.isoformat()})"
            is_early = known.key.valid_from is not None and now < known.key.valid_from
            raise signatures.BadSignature("keyId", words, why="KEY_NOT_YET" if is_early else "KEY_OVER")
        signatures.verify(signature, body_digest, known.key.public_key, now=now, limits=allowed_lifetime())
    except signatures.BadSignature as bad:
        _charge(source, now)
        words = f"{bad.message[:1].upper()}{bad.message[1:]}."
        details = {"check": bad.check}
        facts = {**bad.facts, **claim}
        raise Nack(401, NackCode.SIGNATURE_INVALID, words, where, challenge, details, facts) from None
    return known, signature


def _looked_up(
    signature: signatures.Signature, now: datetime, source: str, where: str, challenge: dict[str, str], *, is_new: bool
) -> participants.KnownKey:
    if is_new:
        _charge(source, now)  # before the registry is asked on a stranger's behalf
    try:
        known = participants.find(signature.subscriber_id, signature.key_id, now=now)
    except registry.Unavailable:
        words = "The registry does not answer, so the key cannot be looked up; sending again later is safe."
        claim = {"claims": signature.subscriber_id, "key_id": signature.key_id}
        raise Nack(503, NackCode.REGISTRY_UNAVAILABLE, words, where, {"Retry-After": "10"}, facts=claim) from None
    if known is None:
        words = f"Key {signature.key_id} of {signature.subscriber_id} is not known."
        claim = {"claims": signature.subscriber_id, "key_id": signature.key_id}
        raise Nack(401, NackCode.KEY_UNKNOWN, words, where, challenge, {"check": "keyId"}, claim)
    return known


def _charge(source: str, now: datetime) -> None:
    budget = limits.source()
    if not budget.take(now, source):
        raise too_often(budget)


def _check_standing(participant: Participant) -> None:
    if participant.is_suspended:
        words = f"{participant.subscriber_id} is suspended on this network."
        raise Nack(403, NackCode.PARTICIPANT_SUSPENDED, words, facts={"claims": participant.subscriber_id})


def _check_adapter(request: HttpRequest) -> None:
    """Behind an adapter only the adapter may speak: by its secret, or from its address. No header of ours is needed."""
    secret = settings.BECKN_ADAPTER_SECRET
    given = request.META.get("HTTP_X_ADAPTER_SECRET", "")
    if secret and hmac.compare_digest(secret.encode(), given.encode()):
        return
    networks = settings.BECKN_ADAPTER_SOURCES or ("127.0.0.0/8", "::1/128")
    address = limits.address_of(request)  # a proxy of ours on this machine is not the adapter
    if address is None or secret or not limits.is_in(address, networks):
        raise Nack(403, NackCode.NOT_ALLOWED, "Messages are taken from this deployment's adapter only.")


def realm() -> str:
    """Return the subscriber id that a 401 names."""
    return str(identities.owner().subscriber_id)
