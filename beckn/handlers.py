"""Action → service call: reads the message with its profile, asks enrollment, and answers through the door.

Called by beckn.tasks.process_inbox with no transaction open; whatever a service decides is written, journalled and
answered in that service's own transaction (`also_write`). Source: design, path of a confirm; decisions 10, 23, 48, 56.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from types import ModuleType
from typing import Any

from django.conf import settings
from django.db import transaction

from audit import log
from audit.log import Action, Actor, ActorKind, Channel
from beckn import identities, profiles
from beckn.door import Door
from beckn.messages import Received
from beckn.profiles import filters
from credentials import presentations
from enrollment import services
from enrollment.codes import Code, Refusal
from enrollment.commands import AddMeters, Assistance, Authority, EndEnrollment, PrepareEnrollment, ProvenIdentity
from enrollment.results import Catalog, Order, Refused, Result, Stage
from identity import agencies, several, tokens
from identity.proofs import Method, Shown

#: Programs in one answer to a search with a filter; one without is limited by the service.
MOST_PROGRAMS = 100

Handler = Callable[["_Call"], None]


class _Call:
    """One received message on its way through a service."""

    def __init__(self, message: Received, now: datetime, door: Door) -> None:
        self.message, self.now, self.door = message, now, door
        self.profile: ModuleType = profiles.profile_named(message.profile)
        self.context: Mapping[str, Any] = message.context
        self.body: Mapping[str, Any] = message.body
        self.shown: Shown | None = None  # what is told of the proof that the message carried

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
        by = self.assistance
        if by is not None and by.agency_id in self._its_agencies:  # who names another's acts in its own name
            who = {"operator": by.operator_id[:128], "mandate": by.mandate_id[:128]}
            return Actor(ActorKind.AGENCY, by.agency_id, Channel.EA, on_behalf_of=sender, **who)
        return Actor(ActorKind.PARTICIPANT, sender, Channel.PORTAL)

    @cached_property
    def _its_agencies(self) -> set[str]:
        return agencies.agencies_bound_to(self.message.participant.subscriber_id)

    def authority(self) -> Authority:
        """What the sender has shown about the customer: its own standing, or the customer's own proof (decision 56).

        A sign-in and a presentation may come together; then both must hold and be the same customer's.
        """
        participant = self.message.participant
        standing = Authority(participant.subscriber_id, tuple(participant.asserts_subjects))
        user_auth, presentation = self.profile.user_auth(self.body), self.profile.presentation(self.body)
        if user_auth is None:
            shown = self._with_others(standing, None, Method.OIDC)
        else:
            shown = self._signed_in(standing, user_auth)
        if presentation is None or shown.refusal_code:
            return shown
        return self._presented(standing, shown, presentation)

    def _signed_in(self, standing: Authority, user_auth: Mapping[str, Any]) -> Authority:
        participant_id, order_id = standing.participant_id, self._order_id
        method = str(user_auth.get("authMethod", "")).upper()
        if method == Method.OTP:
            return self._proven_by_code(standing, user_auth)
        proof = tokens.prove(user_auth, participant_id=participant_id, order_id=order_id, now=self.now)
        self.shown = _shown(proof, method, self.now)
        if isinstance(proof, tokens.Unproven):
            return _unproven(standing, "user_auth", proof.code, proof.message, proof.retry_after_seconds)
        return self._with_others(standing, proof, method)

    def _with_others(self, standing: Authority, first: tokens.Proven | None, method: str) -> Authority:
        """The sign-ins at other utilities that came along, or what stands for them; all of one person (personas P5)."""
        participant_id, order_id = standing.participant_id, self._order_id
        found: list[tokens.Proven] | several.NotProven
        reference, entries = self.profile.link_reference(self.body), self.profile.identities(self.body)
        if reference:
            found = several.redeem(reference, first, participant_id=participant_id, order_id=order_id, now=self.now)
            method = "LINK"
        elif entries:
            found = several.prove(entries, first, participant_id=participant_id, order_id=order_id, now=self.now)
        else:
            found = [first] if first is not None else []
        if isinstance(found, several.NotProven):
            why = found.why
            return _unproven(standing, "user_auth", why.code, why.message, why.retry_after_seconds, found.utility_id)
        if not found:
            return standing
        proven = tuple(_identity(proof, method, place) for place, proof in enumerate(found))
        primary = proven[0]
        return replace(
            standing,
            proven_subject=primary.subject,
            proven_utility=primary.utility_id,
            acr=primary.acr,
            identities=proven,
        )

    def _proven_by_code(self, standing: Authority, user_auth: Mapping[str, Any]) -> Authority:
        """The customer by the code that the utility sent; without one, an init is needed to have it sent."""
        if not user_auth.get("nguid") or not user_auth.get("otp"):
            sentence = "Send init with the mobile number to have a code sent, then nguid and otp."
            return _unproven(standing, "user_auth", Code.AUTH_REQUIRED, sentence)
        found = services.check_code(
            nguid=str(user_auth["nguid"]),
            code=str(user_auth["otp"]),
            mobile=str(user_auth.get("mobile", "")),
            participant_id=standing.participant_id,
            order_id=self._order_id,
            now=self.now,
        )
        if isinstance(found, Refusal):
            self.shown = Shown(Method.OTP, is_verified=False, message=found.sentence)
            return replace(
                standing,
                refusal_code=found.code.value,
                refusal_sentence=found.sentence,
                refusal_details=found.details,
            )
        self.shown = Shown(
            Method.OTP,
            is_verified=True,
            verified_at=found.auth_time,
            message="Verification successful",
            utility_id=found.utility_id,
            utility_customer_id=next(iter(found.utility_customer_ids), ""),
        )
        return replace(standing, proven_subject=found.subject, proven_utility=found.utility_id, identities=(found,))

    def _presented(self, standing: Authority, shown: Authority, presentation: str) -> Authority:
        """Who signed is who they are, so the utility's own record of that DID proves what is theirs (decision 36)."""
        audience = {settings.PUBLIC_URL, identities.owner().subscriber_id}
        proof = presentations.prove_holder(presentation, audience=audience, nonce=self._order_id, now=self.now)
        if isinstance(proof, presentations.Unproven):
            code = _CODES_OF_PRESENTATIONS.get(proof.reason, Code.TOKEN_INVALID)
            return _unproven(standing, "presentation", code, proof.message, proof.retry_after_seconds)
        problem = ""
        if shown.is_proven and shown.proven_subject != proof.did:
            problem = "The sign-in and the presentation do not name the same customer."
        elif not tokens.bind(
            f"{proof.did}\x00{proof.jti_or_digest}",
            participant_id=standing.participant_id,
            order_id=self._order_id,
            expires_at=proof.expires_at,
            now=self.now,
        ):
            problem = "The presentation was used for something else before."
        if problem:
            return _unproven(standing, "presentation", Code.TOKEN_INVALID, problem)
        return replace(shown, proven_subject=proof.did)

    @property
    def shows_who_asks(self) -> bool:
        """Whether the message carries proof of its customer, of whichever kind."""
        profile, body = self.profile, self.body
        ways = (profile.user_auth, profile.presentation, profile.link_reference, profile.identities)
        return any(way(body) for way in ways)

    @property
    def _order_id(self) -> str:
        # A select places no order yet: its proof is bound to the sender, and to an order by the first init (46).
        if self.message.action == "select":
            return ""
        return str(self.profile.order_ref(self.context, self.body).order_id)

    def of_its_agency(self, command: Any) -> Any:
        """The command for an order of the agency that asks, where one does."""
        if self.assistance is None:
            return command
        return replace(command, order=replace(command.order, agency_id=self.assistance.agency_id))

    def answer(self, result: Result) -> None:
        """The `also_write` of every service: the callback's row and "done", in the service's transaction."""
        action = f"on_{self.message.action}"
        result = self._with_what_was_asked(result)
        body = self.profile.write(action, result, is_strict=self.is_strict, shown=self.shown)
        self.door.answer(self.message, body, after_lists=lists_to_publish(result))

    def _with_what_was_asked(self, result: Result) -> Result:
        """An order we do not know is told with the provider and the program that the message named."""
        if not isinstance(result, Refused) or result.order.program_id:
            return result
        provider_id, program_id = self.profile.asked_for(self.body)
        order = replace(result.order, provider_id=result.order.provider_id or provider_id, program_id=program_id)
        return replace(result, order=order)


_CODES_OF_PRESENTATIONS = {
    presentations.Why.EXPIRED: Code.TOKEN_EXPIRED,
    presentations.Why.DID_NOT_SUPPORTED: Code.AUTH_REQUIRED,
    presentations.Why.UNREACHABLE: Code.IDP_UNAVAILABLE,
}


def _shown(proof: tokens.Proven | tokens.Unproven, method: str, now: datetime) -> Shown | None:
    """What an answer tells of a token; None for a method that nobody knows. A proof says nothing about who failed."""
    if method not in Method.__members__:
        return None
    if isinstance(proof, tokens.Unproven):
        return Shown(Method[method], is_verified=False, message=proof.message)
    return Shown(
        Method[method],
        is_verified=True,
        verified_at=now,
        expires_at=proof.expires_at,
        message="Token verified successfully",
        subject=proof.sub,
        issuer=proof.issuer,
        scope=proof.scope,
    )


def _identity(proof: tokens.Proven, method: str, place: int) -> ProvenIdentity:
    return ProvenIdentity(
        utility_id=proof.utility_id,
        # Without a DID the provider's own name for the person is what we know them by.
        subject=proof.subject_did or f"{proof.issuer}#{proof.sub}",
        method=method,
        role="SECONDARY" if place else "PRIMARY",
        issuer=proof.issuer,
        sub=proof.sub,
        acr=proof.acr,
        auth_time=proof.auth_time,
        meter_ids=proof.meter_ids,
        utility_customer_ids=proof.utility_customer_ids,
    )


def _unproven(
    standing: Authority,
    field: str,
    code: str,
    sentence: str,
    retry_after_seconds: int | None = None,
    utility_id: str = "",
) -> Authority:
    details = {"retry_after": retry_after_seconds} if retry_after_seconds else {}
    return replace(
        standing,
        refusal_field=field,
        refusal_code=str(code),
        refusal_sentence=sentence,
        refusal_details={**details, **({"utility_id": utility_id} if utility_id else {})},
    )


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
    if call.assistance is None and call.shows_who_asks and call.message.action in _ALONE:
        return False  # nobody assists: the customer themselves changes or ends what an agency began
    return _refused_as_agency(call)


def _refused_as_agency(call: _Call) -> bool:
    sender = call.message.participant.subscriber_id
    refusal = services.refused_agency(call.assistance, sender, (), "", call.now)
    if refusal is not None:
        _refuse(call, refusal)
    return refusal is not None


def _refuse(call: _Call, refusal: Refusal) -> None:
    """A refusal that concerns the message alone: journalled and answered, and nothing else is written."""
    ref = call.profile.order_ref(call.context, call.body)
    order = Order(ref.bap_id, ref.order_id, ref.transaction_id, "", "")
    with transaction.atomic():
        log.record(
            Action.ENROLLMENT_REFUSED,
            actor=call.actor,
            at=call.now,
            object_type="order",
            object_id=ref.order_id,
            details={"code": refusal.code.value, "action": call.message.action},
        )
        call.answer(Refused(refusal, order, call.now, Stage.DOOR))


def _search(call: _Call) -> None:
    found = services.search(call.profile.read_search(call.body), now=call.now)
    if expression := call.profile.filter_of(call.body):
        items = [call.profile.item(entry) for entry in found.entries]
        found = Catalog(tuple(found.entries[place] for place in filters.selected(expression, items)[:MOST_PROGRAMS]))
    with transaction.atomic():
        call.answer(found)


def _select(call: _Call) -> None:
    command = call.profile.read_select(call.context, call.body)
    assistance = call.assistance
    if not call.shows_who_asks and not (assistance is not None and assistance.mandate_id):
        found = services.select(command, now=call.now)
    else:
        authority = services.authority_for_select(assistance, call.authority(), command, call.now)
        if authority.refusal_code:
            _refuse(call, services.authority_refusal(authority))
            return
        found = services.assess_selected(command, authority, call.now)
    with transaction.atomic():
        call.answer(found)


def _init(call: _Call) -> None:
    command = call.profile.read_init(call.context, call.body, assistance=call.assistance)
    user_auth = call.profile.user_auth(call.body)
    if user_auth is not None and _asks_for_a_code(user_auth):
        _send_code(call, command, user_auth)
        return
    services.prepare(command, authority=call.authority(), actor=call.actor, now=call.now, also_write=call.answer)


def _asks_for_a_code(user_auth: Mapping[str, Any]) -> bool:
    is_otp = str(user_auth.get("authMethod", "")).upper() == Method.OTP
    names_somebody = bool(user_auth.get("mobile") or user_auth.get("utilityCustomerId"))
    return is_otp and names_somebody and not user_auth.get("otp")


def _send_code(call: _Call, command: PrepareEnrollment, user_auth: Mapping[str, Any]) -> None:
    """An init that names a number: a code goes there, and the application waits for it."""
    if _is_refused_for_its_agency(call):
        return
    assistance = call.assistance
    sent = services.send_code(
        command,
        mobile=str(user_auth.get("mobile", "")),
        utility_customer_id=str(user_auth.get("utilityCustomerId", "")),
        asked_by=assistance.agency_id if assistance else call.message.participant.subscriber_id,
        message_id=str(call.context["message_id"]),
        now=call.now,
    )
    if isinstance(sent, Refusal):
        _refuse(call, sent)
        return
    call.shown = sent
    participant = call.message.participant
    standing = Authority(participant.subscriber_id, tuple(participant.asserts_subjects))
    services.await_code(command, authority=standing, actor=call.actor, now=call.now, also_write=call.answer)


def _confirm(call: _Call) -> None:
    command = call.of_its_agency(call.profile.read_confirm(call.context, call.body, assistance=call.assistance))
    also_write = services.telling_trade(call.answer)
    services.confirm(command, authority=call.authority(), actor=call.actor, now=call.now, also_write=also_write)


def _status(call: _Call) -> None:
    command = call.of_its_agency(call.profile.read_status(call.context, call.body))
    if not command.order.order_id:
        authority = call.authority()
        if authority.refusal_code:
            _refuse(call, services.authority_refusal(authority))
            return
        if call.assistance is not None and not authority.is_proven:  # no mandate opens all that a customer has
            _refuse(call, services.auth_required())
            return
        services.status_of_all(authority, now=call.now, also_write=call.answer)
        return
    services.status(command, actor=call.actor, now=call.now, also_write=call.answer)


def _update(call: _Call) -> None:
    command = call.profile.read_update(call.context, call.body)
    known = getattr(call.profile, "STRICT_UPDATES", ()) if call.is_strict else ()
    if command is None or (known and not isinstance(command, known)):
        refusal = Refusal(
            Code.UPDATE_NOT_SUPPORTED,
            f"This updateType is not supported; {', '.join(_UPDATE_TYPES)} are.",
            field="update_type",
        )
        _refuse(call, refusal)
        return
    if isinstance(command, AddMeters):
        _add_meters(call, command)
        return
    shown = _with_the_customers_proof(call, command)
    if shown is not None:
        service = _UPDATES[type(command).__name__]
        service(shown, actor=call.actor, now=call.now, also_write=call.answer)


def _add_meters(call: _Call, command: AddMeters) -> None:
    """More meters need what an init needs: the customer's own proof, or a sender that may speak for them."""
    if _refused_as_agency(call):
        return
    command = call.of_its_agency(command)
    authority = call.authority()
    if call.assistance is not None:
        authority = services.authority_for_order(
            call.assistance, authority, command.order, action="update", now=call.now
        )
        if authority.refusal_code:
            _refuse(call, services.authority_refusal(authority))
            return
        command = replace(command, meters=services.at_the_mandates_utility(command.meters, authority))
    if authority.is_proven and not authority.refusal_code:
        order = replace(command.order, proven_subject=authority.proven_subject, proven_at=authority.proven_at)
        command = replace(command, order=order)
    services.add_meters(command, authority=authority, actor=call.actor, now=call.now, also_write=call.answer)


_UPDATE_TYPES = ("CONSENT_REVOCATION", "UNENROLLMENT", "CONSENT_GRANT", "RESUME", "ADD_METER", "REMOVE_METER")
_UPDATES: Mapping[str, Callable[..., Result]] = {
    "WithdrawConsent": services.withdraw_consent,
    "EndEnrollment": services.end,
    "GrantConsents": services.grant_consents,
    "RepairEnrollment": services.repair,
    "RemoveMeters": services.remove_meters,
}


def _cancel(call: _Call) -> None:
    shown = _with_the_customers_proof(call, call.profile.read_cancel(call.context, call.body))
    if shown is not None:
        services.cancel(shown, actor=call.actor, now=call.now, also_write=call.answer)


def _with_the_customers_proof(call: _Call, command: Any) -> Any:
    """The command with who the customer proved to be in this message; None where that failed, which is answered.

    Another portal than the one that placed the order needs it (decision 10), and so does whoever assists, or a mandate.
    """
    command = call.of_its_agency(command)
    has_none = call.profile.user_auth(call.body) is None and call.profile.presentation(call.body) is None
    if has_none and call.assistance is None:
        return command
    is_end = isinstance(command, EndEnrollment) and not command.is_withdrawn
    action = "cancel" if is_end else "update"
    authority = services.authority_for_order(
        call.assistance, call.authority(), command.order, action=action, now=call.now
    )
    if authority.refusal_code:
        _refuse(call, services.authority_refusal(authority))
        return None
    order = replace(command.order, proven_subject=authority.proven_subject, proven_at=authority.proven_at)
    return replace(command, order=order)


def _support(call: _Call) -> None:
    reference, kind = call.profile.read_support(call.body)
    contact = services.support_contact(
        call.message.participant.subscriber_id, reference, is_enrollment=kind == "ENROLLMENT"
    )
    written = getattr(call.profile, "support", _plain_support)(reference, contact)
    with transaction.atomic():
        call.door.answer(call.message, written)


def _rating(call: _Call) -> None:
    """Thanks are the contact of whom it was meant for: of the first rated order's program (spec domain 3)."""
    ratings = call.profile.read_ratings(call.body)
    sender, reference = call.message.participant.subscriber_id, ratings[0].reference
    contact = services.support_contact(sender, reference, is_enrollment=False)
    written = getattr(call.profile, "support", _plain_support)(reference, contact)
    with transaction.atomic():
        services.note_ratings(sender, ratings, actor=call.actor, now=call.now)
        call.door.answer(call.message, written)


def _plain_support(reference: str, contact: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"support": {"refId": reference, **contact}}


_HANDLERS: Mapping[str, Handler] = {
    "search": _search,
    "discover": _search,
    "select": _select,
    "init": _init,
    "confirm": _confirm,
    "status": _status,
    "update": _update,
    "cancel": _cancel,
    "support": _support,
    "rating": _rating,
}


_FOR_AN_ORDER = frozenset({"select", "status", "update", "cancel"})
_ALONE = frozenset({"update", "cancel"})


def lists_to_publish(result: Result) -> tuple[int, ...]:
    """Status lists that must be public before the answer that announces a revocation may leave (domain 2)."""
    enrollment = getattr(getattr(result, "order", None), "enrollment", None)
    if enrollment is None:
        return ()
    superseded = getattr(result, "superseded", ())
    lines = [enrollment.credential, *(c.credential for c in enrollment.consents), *superseded]
    return tuple(sorted({line.status_list_id for line in lines if line.is_revoked or line.is_suspended}))
