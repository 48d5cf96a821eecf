"""Profile B, outward: results of the enrolment services as the pilot writes them.

What is said about the enrolment is in `contents`; here it is fitted into the pilot's closed objects. A strict
participant sees of the open `orderAttributes` only the keys that the pilot's schema names. Source: spec wire 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from beckn.profiles import contents
from beckn.profiles.pilot_catalog import catalogs
from beckn.profiles.pilot_parts import CORE_CONTEXT, envelope, error, fulfillment, spell
from beckn.profiles.words import ENDED_CASES, OUTAGE_CODES, Json, attributes, instant_text, is_over, user_auth
from enrollment.results import (
    Catalog,
    Confirmed,
    ConsentsGranted,
    CredentialLine,
    EnrollmentLine,
    MeterLine,
    MetersChanged,
    MeterState,
    Order,
    OrderList,
    Prepared,
    Refused,
    Result,
    Selected,
    Snapshot,
    TradingLine,
    Waiting,
)
from enrollment.states import CaseState
from identity.proofs import Shown

__all__ = ["error", "support", "write"]

#: What the pilot's EnergyEnrollment names, and what its guide adds for P2P programs.
_KNOWN = frozenset(
    [
        "@context",
        "@type",
        "userAuth",
        "meters",
        "credentials",
        "existingEnrollments",
        "credentialVerification",
        "conflictCheck",
        "requiredCredentials",
        "requiredConsents",
        "startDate",
        "endDate",
        "consents",
        "updateType",
        "consentRevocation",
        "unenrollment",
        "enrollmentId",
        "programId",
        "status",
        "enrolledAt",
        "credential",
        "loggedAt",
        "logReference",
        "p2pdetails",
    ]
)
_WRAPPER = frozenset(
    [
        "credentialId",
        "type",
        "format",
        "credentialData",
        "credentialUrl",
        "verificationUrl",
        "issuedAt",
        "expiresAt",
        "derId",
    ]
)


def write(action: str, result: Result, *, is_strict: bool = False, shown: Shown | None = None) -> Json:
    """The callback's `{"message": …}`, with `error` beside it where something was refused; or `{"catalogs": …}`.

    Credential bytes are written as `sealed:credential:<uuid>`: they are put in when the message leaves.
    """
    if isinstance(result, Catalog):
        return {"catalogs": catalogs(result)}
    if isinstance(result, OrderList):
        told = [write(action, snapshot, is_strict=is_strict) for snapshot in result.snapshots]
        return {"orders": [each["message"]["order"] for each in told]}
    order = _order_json(action, result, shown)
    if is_strict and "beckn:orderAttributes" in order:
        known = {key: value for key, value in order["beckn:orderAttributes"].items() if key in _KNOWN}
        order["beckn:orderAttributes"] = known
    body: Json = {"message": {"order": order}}
    refusal = getattr(result, "refusal", None)
    if refusal is not None:
        body["error"] = error(refusal)
    return body


def support(reference: str, contact: Mapping[str, Any]) -> Json:
    """The core's SupportInfo, which is closed: what was asked about is known by the message id."""
    named = {key: contact[key] for key in ("name", "phone", "email", "url", "hours") if contact.get(key)}
    channels = [word for key, word in (("phone", "PHONE"), ("email", "EMAIL"), ("url", "WEB")) if key in named]
    return {
        "support": {
            "@context": CORE_CONTEXT,
            "@type": "beckn:SupportInfo",
            **named,
            **({"channels": channels} if channels else {}),
        }
    }


# --- the order -------------------------------------------------------------------------------------------------------


def _order_json(action: str, result: Result, shown: Shown | None) -> Json:
    if isinstance(result, Selected):
        entry = result.entry
        order = envelope(
            order_id=result.order_id,
            status="CREATED",
            provider_id=entry.provider_id,
            program_id=entry.program_id,
            subject_did="",
        )
    else:
        assert not isinstance(result, (Catalog, OrderList))
        order = _envelope(action, result, result.order)
    content = _content(result)
    if shown is not None:
        content = {"userAuth": user_auth(shown), **content}
    if content:
        order["beckn:orderAttributes"] = attributes(content)
    return order


def _envelope(action: str, result: Result, order: Order) -> Json:
    body = envelope(
        order_id=order.order_id,
        status=_order_status(action, result, order),
        provider_id=order.provider_id,
        program_id=order.program_id,
        subject_did=order.subject_did,
        order_number=order.enrollment.order_number if order.enrollment else "",
    )
    if order.case_state is not None:
        body["beckn:fulfillment"] = fulfillment(order, _fulfillment_status(order))
    return body


def _order_status(action: str, result: Result, order: Order) -> str:
    """ACTIVE and SUSPENDED live in `orderAttributes.status`.

    At init any refusal is REJECTED and a new init opens it again; later one that leaves the case open is FAILED (38).
    """
    if order.enrollment is not None:
        return "CANCELLED" if is_over(order.enrollment) else "CONFIRMED"
    if order.case_state in ENDED_CASES:
        return ENDED_CASES[order.case_state]
    if isinstance(result, Refused) and result.refusal.code in OUTAGE_CODES:
        return "PENDING"  # nobody refused anything
    if isinstance(result, Refused):
        return "REJECTED" if action == "on_init" else "FAILED"
    return "ONHOLD" if order.case_state == "WAITLISTED" else "PENDING"


def _fulfillment_status(order: Order) -> str:
    if order.enrollment is not None:
        return "CANCELLED" if is_over(order.enrollment) else "CONFIRMED"
    return "CANCELLED" if order.case_state in (CaseState.WITHDRAWN, CaseState.EXPIRED) else "PENDING"


# --- what is said ----------------------------------------------------------------------------------------------------


def _content(result: Result) -> Json:
    content = contents.of(result, spell)
    order: Order | None = getattr(result, "order", None)
    if order is not None and isinstance(result, (Prepared, Waiting, Confirmed, Snapshot, MetersChanged)):
        content.setdefault("meters", _meters(order.meters))
    if isinstance(result, (ConsentsGranted, MetersChanged)):
        del content["updateType"]  # the schema's list has no word for it
    if isinstance(result, Confirmed) and result.trading is not None:
        content["p2pdetails"] = _p2p_details(result.trading)
    if isinstance(result, (Prepared, Refused)) and "credentialVerification" in content:
        content["credentialVerification"]["status"] = _verification_status(result.credentials)
    if order is not None and order.enrollment is not None:
        _fit_credential(content, order.enrollment)
    _fit_closed_lists(content)
    return content


def _meters(lines: Sequence[MeterLine]) -> list[Json]:
    return [{"meterId": m.umid} for m in lines if m.state is not MeterState.REJECTED]


def _verification_status(credentials: Sequence[CredentialLine]) -> str:
    verified = [c.is_verified for c in credentials]
    if all(verified):
        return "VERIFIED"
    return "PARTIAL" if any(verified) else "FAILED"


def _fit_credential(content: Json, enrollment: EnrollmentLine) -> None:
    """The wrapper is closed: where its status stands goes beside it, and so does a wallet's offer."""
    credential = content.get("credential")
    if credential is None:
        return
    if offer := credential.get("offerUrl"):
        content["offerUrl"] = offer
    kept = {key: value for key, value in credential.items() if key in _WRAPPER}
    if enrollment.ends_at is not None:
        kept["expiresAt"] = instant_text(enrollment.ends_at)
    content["credential"] = kept
    content["enrollmentCredentialStatus"] = {
        "statusListUrl": enrollment.credential.status_list_url,
        "statusListIndex": enrollment.credential.status_list_index,
        "revoked": enrollment.credential.is_revoked,
    }


_STATES: Mapping[str, frozenset[str]] = {
    "unenrollment": frozenset({"CANCELLED", "PENDING"}),
    "consentRevocation": frozenset({"REVOKED", "PENDING"}),
}


def _fit_closed_lists(content: Json) -> None:
    """An end that was taken back, a consent that had run out: the schema has no word, the message says it."""
    for name, known in _STATES.items():
        if name in content and content[name].get("status") not in known:
            content[name].pop("status", None)


def _p2p_details(trading: TradingLine) -> Json:
    return {
        "usertype": trading.user_type,
        "isp2pactive": trading.is_active,
        "iscaactive": trading.is_account_active,
        "meternumber": trading.meter_number,
        "sdload": _load(trading.sanctioned_load_kw),
        "cuflimit": _load(trading.limit_kw),
    }


def _load(kw: float | None) -> str:
    """kW as a string, as the pilot has them."""
    return "" if kw is None else f"{kw:g}"
