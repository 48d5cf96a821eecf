"""Profile A, outward: results of the enrolment services as the guide writes them.

What is said about the enrolment is in `contents`; the order around it is the guide's. Which blocks an answer has
follows from how far the check got; what the guide's samples do not have is in `onboarding_extensions`.
Source: onboarding guide 18.2-18.7, spec wire 4 and 7, decisions 4, 6, 36, 40-44, 52.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from beckn.profiles import contents
from beckn.profiles.onboarding_catalog import catalogs, selected
from beckn.profiles.onboarding_extensions import WITH_A_SAMPLE, without_extensions
from beckn.profiles.onboarding_parts import (
    FULFILLMENT_STATES,
    enrolled_meters,
    error,
    fulfillment,
    head,
    live_status,
    parties,
    plain_meters,
    spell,
)
from beckn.profiles.words import ENDED_CASES, Json, attributes, is_over, user_auth
from enrollment.codes import Code
from enrollment.results import (
    Catalog,
    CodeSent,
    Confirmed,
    ConsentsGranted,
    ConsentWithdrawn,
    Ended,
    MetersChanged,
    Order,
    OrderList,
    Prepared,
    Refused,
    Result,
    Selected,
    Snapshot,
    Waiting,
    Withdrawn,
)
from enrollment.states import CaseState
from identity.proofs import Shown


def write(action: str, result: Result, *, is_strict: bool = False, shown: Shown | None = None) -> Json:
    """The `message` of an `on_*`: `{"order": …}`, `{"catalogs": …}`. Strict leaves out `A_EXTENSIONS` (decision 41).

    `shown` is what the message proved about its customer. Credential bytes are written as
    `sealed:credential:<uuid>`: they are put in when the message leaves.
    """
    if isinstance(result, Catalog):
        return {"catalogs": catalogs(result)}
    if isinstance(result, OrderList):
        return {"orders": [_order_json(snapshot) for snapshot in result.snapshots]}
    order = _order_json(result)
    # Updates that the guide has no sample of bring credentials that have no other way.
    if is_strict and action in WITH_A_SAMPLE and not isinstance(result, (ConsentsGranted, MetersChanged)):
        order = without_extensions(order)
    if shown is not None:  # who sends our extension is answered with it, strict or not: a code's session is in it
        order.setdefault("beckn:orderAttributes", attributes({}))["userAuth"] = user_auth(shown)
    return {"order": order}


def _order_json(result: Result) -> Json:
    if isinstance(result, Refused):
        return _refused(result)
    if isinstance(result, Selected):
        return selected(result)
    for kind, writer in _ENVELOPES.items():
        if isinstance(result, kind):
            envelope: Json = writer(result)
            return {**envelope, "beckn:orderAttributes": attributes(contents.of(result, spell))}
    raise AssertionError(f"profile A has no words for {type(result).__name__}")


# --- on_init ---------------------------------------------------------------------------------------------------------


def _prepared(result: Prepared) -> Json:
    order = result.order
    meters = []
    for meter in order.meters:
        told: Json = {"beckn:id": meter.umid, "beckn:credentialVerified": meter.is_proven}
        if meter.state is not None:
            told["beckn:enrollmentStatus"] = meter.state.value
        meters.append(told)
    assert order.case_state is not None
    return {
        **head(order, "PENDING"),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(order, FULFILLMENT_STATES[order.case_state], with_customer=True, meters=meters, ders=True)
        ],
    }


def _pending(state: str) -> Any:
    def write(result: Waiting | CodeSent) -> Json:
        order = result.order
        return {
            **head(order, "PENDING"),
            **parties(order),
            "beckn:fulfillments": [
                fulfillment(order, state, with_customer=True, meters=plain_meters(order), ders=True)
            ],
        }

    return write


def _refused(result: Refused) -> Json:
    order, blocks = result.order, contents.BLOCKS[result.stage]
    content = contents.of(result, spell)
    body = head(order, _refused_status(order))
    if order.enrollment is not None and result.refusal.code is not Code.DUPLICATE:
        body |= parties(order)
        body["beckn:orderAttributes"] = attributes(content)
    elif "order" in blocks and order.case_state is not None and order.program_id:
        body |= parties(order)
        state = FULFILLMENT_STATES[order.case_state]
        body["beckn:fulfillments"] = [fulfillment(order, state, with_customer=False, meters=None, ders=False)]
        if content:
            body["beckn:orderAttributes"] = attributes(content)
    body["error"] = error(result.refusal)
    return body


def _refused_status(order: Order) -> str | None:
    if order.enrollment is not None:
        return "CANCELLED" if is_over(order.enrollment) else "ACTIVE"
    if order.case_state is None:
        return None
    return ENDED_CASES.get(order.case_state, "PENDING")


# --- on_confirm ------------------------------------------------------------------------------------------------------


def _confirmed(result: Confirmed) -> Json:
    order = result.order
    enrollment = order.enrollment
    assert enrollment is not None
    return _enrolled(order, "CANCELLED" if is_over(enrollment) else "CONFIRMED")


def _enrolled(order: Order, status: str) -> Json:
    assert order.enrollment is not None
    state = "CANCELLED" if status == "CANCELLED" else "ENROLLED"
    return {
        **head(order, status),
        "beckn:orderNumber": order.enrollment.order_number,
        **parties(order),
        "beckn:fulfillments": [fulfillment(order, state, with_customer=True, meters=enrolled_meters(order), ders=True)],
    }


# --- on_update, on_cancel --------------------------------------------------------------------------------------------


def _consents_changed(result: ConsentWithdrawn | ConsentsGranted) -> Json:
    enrollment = result.order.enrollment
    assert enrollment is not None
    return {**head(result.order, live_status(enrollment)), **parties(result.order)}


def _meters_changed(result: MetersChanged) -> Json:
    """The whole order; meters that could not join stand among its meters as they do at the confirm."""
    assert result.order.enrollment is not None
    told = replace(result.order, meters=(*result.order.meters, *result.refused))
    return _enrolled(told, live_status(result.order.enrollment))


def _ended(result: Ended) -> Json:
    order = result.order
    assert order.enrollment is not None
    status = live_status(order.enrollment)
    state = "CANCELLED" if status == "CANCELLED" else "ENROLLED"
    return {
        **head(order, status),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(order, state, with_customer=False, meters=enrolled_meters(order), ders=False)
        ],
    }


def _withdrawn(result: Withdrawn) -> Json:
    order = result.order
    assert order.case_state is not None
    return {
        **head(order, ENDED_CASES.get(order.case_state, "CANCELLED")),
        **parties(order),
        "beckn:fulfillments": [
            fulfillment(order, "CANCELLED", with_customer=False, meters=plain_meters(order), ders=False)
        ],
    }


# --- on_status -------------------------------------------------------------------------------------------------------


def _snapshot(result: Snapshot) -> Json:
    order = result.order
    assert order.case_state is not None
    if order.enrollment is not None:
        body = _enrolled(order, live_status(order.enrollment))
    else:
        state = "WAITING_FOR_UTILITY" if order.waiting_utility else FULFILLMENT_STATES[order.case_state]
        if order.case_state is CaseState.SUBMITTED and not order.subject_did and not order.waiting_utility:
            state = "NEEDS_INPUT"  # the customer's code: before it nobody looks at anything
        body = {
            **head(order, ENDED_CASES.get(order.case_state, "PENDING")),
            **parties(order),
            "beckn:fulfillments": [
                fulfillment(order, state, with_customer=True, meters=plain_meters(order), ders=True)
            ],
        }
    if result.refusal is not None:
        body["error"] = error(result.refusal)
    return body


_ENVELOPES: Mapping[type, Any] = {
    Prepared: _prepared,
    CodeSent: _pending("NEEDS_INPUT"),
    Waiting: _pending("WAITING_FOR_UTILITY"),
    Confirmed: _confirmed,
    ConsentWithdrawn: _consents_changed,
    ConsentsGranted: _consents_changed,
    MetersChanged: _meters_changed,
    Ended: _ended,
    Withdrawn: _withdrawn,
    Snapshot: _snapshot,
}
