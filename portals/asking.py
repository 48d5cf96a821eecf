"""What a portal asks a provider for its customer: each question is a signed message, written with the journey's row.

Every function belongs into the transaction that changes the journey (`drafts.change`): the Outbox row commits with it
and a worker posts it. The JSON is profile A's (docs/integration.md), so that any program owner can be asked.

Each message of an assisted journey names agency, operator and mandate, and nothing of the customer's sign-in (decision
48). With the customer's own `token` that is what counts; to end something they then need no agency, whose certificate
or mandate may be over, and the message names none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from beckn import client
from beckn.models import Participant
from portals import consents, houses, reading, trust
from portals.models import Application

DOMAIN = "energy.enrollment"
CONTEXT = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/p2p-trading/schema/"
    "EnergyEnrollment/v0.2/context.jsonld"
)
FULFILLMENT = "fulfillment-portal"
#: How long we have nothing but patience for an answer; after that the page says that we will write.
PATIENCE = timedelta(seconds=60)

Json = dict[str, Any]


def select(application: Application, *, token: str, now: datetime, ders: Sequence[Mapping[str, Any]] = ()) -> None:
    """Ask what the program requires, and with the customer's token which of their meters can join (decision 25)."""
    body = _order(application, proof(application.program.bpp, token) | _locale(application))
    if ders:
        body["beckn:fulfillments"] = [{"beckn:instrument": {"meters": [], "ders": [_der(each) for each in ders]}}]
    _ask(application, "select", body, now)


def init(application: Application, *, token: str, credentials: Sequence[Mapping[str, Any]], now: datetime) -> None:
    """Apply: the chosen meters and devices, what the utility attests, and the customer's own sign-in."""
    answers = application.answers
    attributes = {
        **proof(application.program.bpp, token),
        **_locale(application),
        **_dates(application),
        **({"documents": [{"documentId": each} for each in answers["documents"]]} if answers.get("documents") else {}),
        **({"additionalAttributes": {"batchId": application.batch_id}} if application.batch_id else {}),
    }
    fulfillment = {
        **_fulfillment(application, answers.get("meters", ()), answers.get("ders", ())),
        "beckn:fulfillmentAttributes": {
            "@context": CONTEXT,
            "@type": "EnergyEnrollment",
            "credentials": [dict(each) for each in credentials],
        },
    }
    _ask(application, "init", _order(application, attributes, fulfillment), now)


def confirm(application: Application, *, now: datetime, token: str = "") -> None:
    """Enrol: the dates and the consents as they were answered (decision 34)."""
    attributes = {
        **proof(application.program.bpp, token),
        **_dates(application),
        "consents": consents.grants(application),
    }
    fulfillment = _fulfillment(application, application.answers.get("meters", ()), application.answers.get("ders", ()))
    _ask(application, "confirm", _order(application, attributes, fulfillment), now)
    application.state = Application.State.CONFIRMING


def status(application: Application, *, now: datetime) -> None:
    """Ask how the order stands."""
    _ask(application, "status", _order(application), now)


def cancel(application: Application, *, now: datetime, token: str = "") -> None:
    """Take the application back before it is confirmed."""
    attributes = {**proof(application.program.bpp, token), "reason": "USER_REQUESTED"}
    _ask(application, "cancel", _order(application, attributes, is_alone=bool(token)), now)


def withdraw_consent(
    application: Application, key: str, *, now: datetime, effective_at: datetime | None = None, token: str = ""
) -> None:
    """Take one consent back, `key` as in `consents.key_of`."""
    held = application.credentials.filter(consent_type=key, revoked_at=None, replaced_at=None).last()
    asked: Json = {"consentType": key.partition("|")[0], "reason": "USER_REQUESTED", "revokedAt": _text(now)}
    if held is not None:
        asked["consentCredentialId"] = held.credential_id
    if effective_at is not None:
        asked["effectiveDate"] = _text(effective_at)
    _update(application, "CONSENT_REVOCATION", {"consentRevocation": asked}, now, token)


def grant_consents(application: Application, keys: Sequence[str], *, now: datetime, token: str = "") -> None:
    """Give consents again, or more of them; each must have been answered with Yes."""
    wanted = [each for each in map(consents.named, [application] * len(keys), keys) if each is not None]
    entries = [
        consents.grant_of(each, answer)
        for each in wanted
        if (answer := consents.answer_to(application, each)) is not None and answer.get("granted") is True
    ]
    _update(application, "CONSENT_GRANT", {"consents": entries}, now, token)


def leave(
    application: Application,
    *,
    now: datetime,
    reason: str = "USER_REQUESTED",
    effective_at: datetime | None = None,
    token: str = "",
) -> None:
    """Leave the program, now or at an instant until which it can be taken back (decision 52)."""
    asked: Json = {"enrollmentId": application.enrollment_id, "reason": reason, "revokeAllConsents": True}
    if effective_at is not None:
        asked["effectiveDate"] = _text(effective_at)
    _update(application, "UNENROLLMENT", {"unenrollment": asked}, now, token)


def undo_leave(application: Application, *, now: datetime, token: str = "") -> None:
    """Stay after all: take back an end that has not come yet."""
    asked = {"enrollmentId": application.enrollment_id, "withdraw": True}
    _update(application, "UNENROLLMENT", {"unenrollment": asked}, now, token)


def add_meters(
    application: Application,
    umids: Sequence[str],
    *,
    token: str,
    now: datetime,
    credentials: Sequence[Mapping[str, Any]] = (),
    agreed: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Have further meters join; `agreed`: the consents given for them, as in `consents[]`."""
    application.answers = {**application.answers, "adding": list(umids)}
    content = {
        "meters": list(umids),
        "credentials": [dict(each) for each in credentials],
        "consents": [dict(each) for each in agreed],
    }
    _update(application, "ADD_METER", content, now, token)


def remove_meters(application: Application, umids: Sequence[str], *, now: datetime, token: str = "") -> None:
    """Take meters out; without the last one there is no enrolment."""
    application.answers = {**application.answers, "adding": []}
    _update(application, "REMOVE_METER", {"meters": list(umids), "reason": "USER_REQUESTED"}, now, token)


def instant_of(day: str, utility_id: str, *, is_last: bool = False) -> datetime:
    """The instant at which a day of the utility's zone begins, or ends where it is the last one (decision 55)."""
    zone = ZoneInfo(houses.house_of(utility_id).time_zone or "UTC")
    at = date.fromisoformat(day) + timedelta(days=1 if is_last else 0)
    return datetime.combine(at, time(), zone).astimezone(UTC)


def proof(owner: Participant, token: str) -> Json:
    """The customer's own sign-in, for program owners that may see it."""
    is_shown = bool(token) and trust.may_see_sign_in(owner)
    return {"userAuth": {"authMethod": "OIDC", "accessToken": token}} if is_shown else {}


# --- inside ----------------------------------------------------------------------------------------------------------


def _ask(application: Application, action: str, order: Json, now: datetime) -> None:
    row = client.send(
        sender_id=application.portal,
        to=application.program.bpp,
        action=action,
        message={"order": order},
        domain=DOMAIN,
        now=now,
        transaction_id=application.transaction_id,
    )
    application.asked_action, application.asked_message_id, application.asked_at = action, row.message_id, now
    application.trouble = ""


def _update(application: Application, kind: str, content: Json, now: datetime, token: str) -> None:
    attributes = {**proof(application.program.bpp, token), "updateType": kind, **content}
    _ask(application, "update", _order(application, attributes, is_alone=bool(token) and kind != "ADD_METER"), now)


def _order(
    application: Application,
    attributes: Json | None = None,
    fulfillment: Json | None = None,
    *,
    is_alone: bool = False,
) -> Json:
    program = application.program
    is_their_own_act = is_alone and "userAuth" in (attributes or {})
    attributes = {**({} if is_their_own_act else _assisted_by(application)), **(attributes or {})}
    return {
        "@context": CONTEXT,
        "@type": "beckn:Order",
        "beckn:id": application.order_id,
        "beckn:provider": {"beckn:id": program.provider_id},
        "beckn:items": [{"beckn:id": program.program_id}],
        **({"beckn:fulfillments": [fulfillment]} if fulfillment else {}),
        **(
            {"beckn:orderAttributes": {"@context": CONTEXT, "@type": "EnergyEnrollment", **attributes}}
            if attributes
            else {}
        ),
    }


def _assisted_by(application: Application) -> Json:
    """Who assists, if anybody does."""
    if not application.agency_id:
        return {}
    names = {
        "agencyId": application.agency_id,
        "operatorId": application.operator_id,
        "mandateId": application.mandate_id,
    }
    return {"assistedBy": names}


def _fulfillment(application: Application, meters: Sequence[str], ders: Sequence[Mapping[str, Any]]) -> Json:
    did = application.subject.did
    return {
        "beckn:id": FULFILLMENT,
        "beckn:type": "PROGRAM_ENROLLMENT",
        **({"beckn:customer": {"beckn:id": did}} if did else {}),
        "beckn:instrument": {
            "meters": [_meter(application, umid) for umid in meters],
            "ders": [_der(each) for each in ders],
        },
    }


def _meter(application: Application, umid: str) -> Json:
    cells = reading.selected(application.told.get("on_select")).eligibility
    told = next((cell.utility_id for cell in cells if cell.meter_id == umid), "")
    return {"beckn:id": umid, "beckn:utilityId": told or application.utility_id}


def _der(der: Mapping[str, Any]) -> Json:
    capacity = {"value": der["capacity"], "unit": der.get("unit") or "kW"} if der.get("capacity") is not None else None
    return {
        "beckn:id": der["id"],
        **({"beckn:type": der["type"]} if der.get("type") else {}),
        **({"beckn:capacity": capacity} if capacity else {}),
    }


def _locale(application: Application) -> Json:
    locale = application.answers.get("locale")
    return {"customer": {"locale": locale}} if locale else {}


def _dates(application: Application) -> Json:
    answers, found = application.answers, {}
    if answers.get("starts_on"):
        found["startDate"] = _text(instant_of(answers["starts_on"], application.utility_id))
    if answers.get("ends_on"):
        found["endDate"] = _text(instant_of(answers["ends_on"], application.utility_id, is_last=True))
    return found


def _text(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
