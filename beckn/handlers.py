"""Action → service call: reads the message with its profile, asks enrollment, and answers through the door.

Called by beckn.tasks.process_inbox with no transaction open; whatever a service decides is written, journalled and
answered in that service's own transaction (`also_write`). Source: design, path of a confirm; decisions 10, 23, 48, 56.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import ModuleType
from typing import Any

from django.db import transaction

from audit.log import Actor, ActorKind, Channel
from beckn import profiles
from beckn.door import Door
from beckn.messages import Received
from enrollment import services
from enrollment.codes import Code, Refusal
from enrollment.commands import Assistance, Authority
from enrollment.results import Order, Refused, Result, Stage
from identity import tokens

Handler = Callable[["_Call"], None]


class _Call:
    """One received message on its way through a service."""

    def __init__(self, message: Received, now: datetime, door: Door) -> None:
        self.message, self.now, self.door = message, now, door
        self.profile: ModuleType = profiles.profile_named(message.profile)
        self.context: Mapping[str, Any] = message.context
        self.body: Mapping[str, Any] = message.body

    @property
    def is_strict(self) -> bool:
        return bool(self.message.participant.strict)

    @property
    def assistance(self) -> Assistance | None:
        """The agency named in the message, else in the header for callers who know only the guide (decision 48)."""
        named: Assistance | None = self.profile.assisted_by(self.body)
        header = self.message.headers.get("x-enrollment-agency-id", "")
        return named or (Assistance(header) if header else None)

    @property
    def contradicts_its_header(self) -> bool:
        named: Assistance | None = self.profile.assisted_by(self.body)
        header = self.message.headers.get("x-enrollment-agency-id", "")
        return bool(named and header and named.agency_id != header)

    @property
    def actor(self) -> Actor:
        sender = self.message.participant.subscriber_id
        if self.assistance is not None:
            return Actor(ActorKind.AGENCY, self.assistance.agency_id, Channel.EA, on_behalf_of=sender)
        return Actor(ActorKind.PARTICIPANT, sender, Channel.PORTAL)

    def authority(self) -> Authority:
        """What the sender has shown about the customer: its own standing, or the customer's own token (decision 56)."""
        participant = self.message.participant
        asserts = tuple(participant.asserts_subjects)
        given = self.profile.user_auth(self.body)
        if given is None:
            return Authority(participant.subscriber_id, asserts)
        order_id = self.profile.order_ref(self.context, self.body).order_id
        proof = tokens.prove(given, participant_id=participant.subscriber_id, order_id=order_id, now=self.now)
        if isinstance(proof, tokens.Proven):
            return Authority(
                participant.subscriber_id,
                asserts,
                # Without a DID the provider's own name for the person is what we know them by.
                proven_subject=proof.subject_did or f"{proof.issuer}#{proof.sub}",
                proven_utility=proof.utility_id,
                acr=proof.acr,
            )
        return Authority(
            participant.subscriber_id,
            asserts,
            refusal_code=proof.code,
            refusal_sentence=proof.message,
            refusal_details={"retry_after": proof.retry_after_seconds} if proof.retry_after_seconds else {},
        )

    def answer(self, result: Result) -> None:
        """The `also_write` of every service: the callback's row and "done", in the service's transaction."""
        action = f"on_{self.message.action}"
        body = self.profile.write(action, result, is_strict=self.is_strict)
        self.door.answer(self.message, body, after_lists=lists_to_publish(result))


def handle(message: Received, *, now: datetime, door: Door | None = None) -> None:
    """Do what the message asks and write its answer. Raises only for what nobody expected."""
    call = _Call(message, now, door or Door())
    if call.contradicts_its_header:
        _refuse(
            call,
            Refusal(
                Code.EA_NOT_CERTIFIED,
                "X-Enrollment-Agency-ID and assistedBy name different agencies.",
                field="assisted_by",
            ),
        )
        return
    if message.action in _FOR_AN_ORDER and _is_refused_for_its_agency(call):
        return
    _HANDLERS[message.action](call)


def _is_refused_for_its_agency(call: _Call) -> bool:
    """Answer EA_NOT_CERTIFIED where the named agency does not hold; init and confirm ask this themselves, in full."""
    sender = call.message.participant.subscriber_id
    refusal = services.refused_agency(call.assistance, sender, (), "", call.now)
    if refusal is not None:
        _refuse(call, refusal)
    return refusal is not None


def _refuse(call: _Call, refusal: Refusal) -> None:
    """A refusal that concerns the message alone: answered, and nothing else is written."""
    ref = call.profile.order_ref(call.context, call.body)
    order = Order(ref.bap_id, ref.order_id, ref.transaction_id, "", "")
    with transaction.atomic():
        call.answer(Refused(refusal, order, call.now, Stage.DOOR))


def _search(call: _Call) -> None:
    found = services.search(call.profile.read_search(call.body), now=call.now)
    with transaction.atomic():
        call.answer(found)


def _select(call: _Call) -> None:
    found = services.select(call.profile.read_select(call.context, call.body), now=call.now)
    with transaction.atomic():
        call.answer(found)


def _init(call: _Call) -> None:
    command = call.profile.read_init(call.context, call.body, assistance=call.assistance)
    services.prepare(command, authority=call.authority(), actor=call.actor, now=call.now, also_write=call.answer)


def _confirm(call: _Call) -> None:
    command = call.profile.read_confirm(call.context, call.body, assistance=call.assistance)
    services.confirm(command, authority=call.authority(), actor=call.actor, now=call.now, also_write=call.answer)


def _status(call: _Call) -> None:
    command = call.profile.read_status(call.context, call.body)
    services.status(command, actor=call.actor, now=call.now, also_write=call.answer)


def _update(call: _Call) -> None:
    command = call.profile.read_update(call.context, call.body)
    if command is None:
        refusal = Refusal(
            Code.UPDATE_NOT_SUPPORTED,
            "This updateType is not supported; CONSENT_REVOCATION, UNENROLLMENT and CONSENT_GRANT are.",
            field="update_type",
        )
        _refuse(call, refusal)
        return
    service = _UPDATES[type(command).__name__]
    service(command, actor=call.actor, now=call.now, also_write=call.answer)


_UPDATES: Mapping[str, Callable[..., Result]] = {
    "WithdrawConsent": services.withdraw_consent,
    "EndEnrollment": services.end,
    "GrantConsents": services.grant_consents,
}


def _cancel(call: _Call) -> None:
    command = call.profile.read_cancel(call.context, call.body)
    services.cancel(command, actor=call.actor, now=call.now, also_write=call.answer)


def _support(call: _Call) -> None:
    reference, kind = call.profile.read_support(call.body)
    contact = services.support_contact(
        call.message.participant.subscriber_id, reference, is_enrollment=kind == "ENROLLMENT"
    )
    with transaction.atomic():
        call.door.answer(call.message, {"support": {"refId": reference, **contact}})


_HANDLERS: Mapping[str, Handler] = {
    "search": _search,
    "select": _select,
    "init": _init,
    "confirm": _confirm,
    "status": _status,
    "update": _update,
    "cancel": _cancel,
    "support": _support,
}


_FOR_AN_ORDER = frozenset({"select", "status", "update", "cancel"})


def lists_to_publish(result: Result) -> tuple[int, ...]:
    """Status lists that must be public before the answer that announces a revocation may leave (domain 2)."""
    enrollment = getattr(getattr(result, "order", None), "enrollment", None)
    if enrollment is None:
        return ()
    lines = [enrollment.credential, *(c.credential for c in enrollment.consents)]
    return tuple(sorted({line.status_list_id for line in lines if line.is_revoked or line.is_suspended}))
