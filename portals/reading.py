"""What a provider's answers say, as frozen values a page can show. Pure, and never an error on strange input.

The JSON is profile A's (wire spec 7, docs/integration.md). Whatever is missing or of another shape than it should be
is left out: a page has to come of every answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from portals.plain import Json, instant
from portals.plain import address as _address
from portals.plain import by_locale as _by_locale
from portals.plain import number as _number
from portals.plain import object_of as _map
from portals.plain import objects as _maps
from portals.plain import text as _text
from portals.plain import texts as _texts
from portals.plain import whole as _whole
from portals.told import (
    AvailableMeter,
    Cell,
    CellAction,
    ConflictView,
    Criterion,
    Der,
    DocumentView,
    EnrollmentView,
    GivenConsent,
    IssuedView,
    MeterLine,
    Missing,
    NextStep,
    Outcome,
    PreparedView,
    ProgramView,
    Reason,
    RefusalView,
    SelectedView,
    WantedConsent,
    WantedCredential,
)

#: What pages and journeys read through this room.
__all__ = [
    "AvailableMeter",
    "Cell",
    "CellAction",
    "ConflictView",
    "Criterion",
    "Der",
    "DocumentView",
    "EnrollmentView",
    "GivenConsent",
    "IssuedView",
    "MeterLine",
    "Missing",
    "NextStep",
    "Outcome",
    "PreparedView",
    "ProgramView",
    "Reason",
    "RefusalView",
    "SelectedView",
    "WantedConsent",
    "WantedCredential",
    "catalog_items",
    "chosen",
    "confirmed",
    "enrollment",
    "instant",
    "is_stopped",
    "issued",
    "prepared",
    "program",
    "selected",
]


# --- reading ---------------------------------------------------------------------------------------------------------


def program(item: Any, locale: str = "") -> ProgramView:
    """A catalogue's item, in the language where the provider has it, else in the provider's own words."""
    item = _map(item)
    words, about = _map(item.get("beckn:descriptor")), _map(item.get("beckn:itemAttributes"))
    validity, shown = _map(item.get("beckn:validity")), _map(about.get("presentation"))
    found, text = _in(locale, _map(shown.get("texts")))
    return ProgramView(
        provider_id=_text(_map(item.get("beckn:provider")).get("beckn:id")),
        program_id=_text(item.get("beckn:id")),
        name=_text(text.get("name")) or _text(words.get("schema:name")) or _text(item.get("beckn:id")),
        short=_text(text.get("shortDesc")) or _text(words.get("beckn:shortDesc")),
        long=_text(text.get("longDesc")) or _text(words.get("beckn:longDesc")),
        benefits=_texts(text.get("benefits")),
        example=_text(_map(text.get("example")).get("text")),
        locale=found,
        is_reviewed=text.get("reviewed", True) is not False,
        kind=_text(about.get("kind")),
        control=_text(about.get("control")),
        personas=_texts(about.get("personas")),
        utilities=_texts(about.get("utilities")),
        criteria=_criteria(about, locale),
        credentials=_credentials(about, locale),
        consents=_consents(about, locale),
        documents=_maps(about.get("documents")),
        opens_at=instant(validity.get("schema:startDate")),
        closes_at=instant(validity.get("schema:endDate")),
        reopens_at=instant(shown.get("reopensAt")),
        minutes=_whole(shown.get("minutes")) or 5,
        statements=_texts(text.get("agentStatements")),
        paper_review=_text(_map(shown.get("assistance")).get("paperReview")),
    )


def selected(told: Any, locale: str = "") -> SelectedView:
    """The answer to a select; `eligibility` only where it carried proof (decision 25)."""
    order, about = _order(told), _attributes(told)
    return SelectedView(
        eligibility=tuple(_cell(each) for each in _maps(about.get("eligibility")) if _text(each.get("meterId"))),
        ders=tuple(_der(each) for each in _maps(about.get("availableDers")) if _text(each.get("beckn:id"))),
        criteria=_criteria(about, locale),
        credentials=_credentials(about, locale),
        consents=_consents(about, locale),
        unavailable_utilities=_texts(about.get("unavailableUtilities")),
        refusal=_refusal(told, order),
    )


def is_stopped(told: Any) -> bool:
    """Whether the program owner says that the customer has said "this was not me"."""
    return _text(_map(_attributes(told).get("stopped")).get("reason")) == "NOT_ME"


def prepared(told: Any, locale: str = "") -> PreparedView:
    """The answer to an init, or the on_status that followed it; an empty view before there is one."""
    order, about = _order(told), _attributes(told)
    refusal = _refusal(told, order)
    if not order and refusal is None:
        return PreparedView()
    steps = _maps(about.get("nextSteps"))
    credentials = _credentials(about, locale)
    return PreparedView(
        state=_outcome(order, refusal),
        refusal=refusal,
        conflicts=_conflicts(about),
        credentials=credentials,
        findings=_criteria(about, locale),
        consents=_consents(about, locale),
        documents=tuple(_document(each) for each in _maps(about.get("documents")) if _text(each.get("documentId"))),
        lines=_meters(order, about),
        meters=tuple(
            _available(each)
            for each in _maps(about.get("meters"))
            if _text(each.get("meterId") or each.get("beckn:id"))
        ),
        missing=_missing(steps, credentials),
        warnings=_texts(about.get("warnings")),
        next_steps=tuple(_step(each) for each in steps),
    )


def enrollment(told: Any) -> EnrollmentView:
    """An enrolment in an on_confirm, on_status, on_update or on_cancel."""
    order, about = _order(told), _attributes(told)
    fulfillment = _fulfillment(order)
    leaving = _map(about.get("unenrollment"))
    return EnrollmentView(
        enrollment_id=_text(about.get("enrollmentId")),
        order_number=_text(order.get("beckn:orderNumber")),
        status=_text(about.get("status")) or _text(order.get("beckn:status")),
        program_id=_text(about.get("programId")) or _first_id(order.get("beckn:items")),
        subject=_text(_map(fulfillment.get("beckn:customer")).get("beckn:id")),
        starts_at=instant(about.get("startDate")),
        ends_at=instant(about.get("endDate")),
        enrolled_at=instant(about.get("enrolledAt")),
        ends_early_at=instant(leaving.get("effectiveDate")) if leaving.get("status") == "PENDING" else None,
        cancelled_at=instant(leaving.get("cancelledAt")),
        meters=_meters(order, about),
        ders=tuple(_text(each.get("beckn:id")) for each in _maps(_instrument(order).get("ders"))),
        credential=issued(about.get("credential")),
        consents=tuple(_given(each) for each in _maps(about.get("consents")) if _text(each.get("type"))),
        conflicts=_conflicts(about),
        refusal=_refusal(told, order),
        update_type=_text(about.get("updateType")),
        suspension=_map(about.get("suspension")),
        utility_notices=_maps(about.get("utilityNotices")),
        history=_maps(about.get("history")),
        message=_text(about.get("message")),
        log_reference=_text(about.get("logReference")),
    )


confirmed = enrollment


def issued(told: Any) -> IssuedView | None:
    """A credential object; None where there is none."""
    told = _map(told)
    if not _text(told.get("credentialId")):
        return None
    return IssuedView(
        credential_id=_text(told.get("credentialId")),
        type=_text(told.get("type")),
        data=_text(told.get("credentialData")),
        access_url=_address(told.get("credentialUrl")),
        offer_url=_address(told.get("offerUrl")),
        verification_url=_address(told.get("verificationUrl")),
        issued_at=instant(told.get("issuedAt")),
        status=_text(told.get("status")),
        supersedes=_text(told.get("supersedes")),
    )


def catalog_items(message: Any) -> list[Json]:
    """The items of an on_search, each with its provider's id."""
    return [
        item
        for catalog in _maps(_map(message).get("catalogs"))
        for item in _maps(catalog.get("beckn:items"))
        if _text(item.get("beckn:id"))
    ]


#: Codes that profile A spells in another way (spec domain 6).
_PLAIN = {
    "NO_METER_SPECIFIED": "NO_METER",
    "PROGRAM_CAPACITY_FULL": "CAPACITY_FULL",
    "DUPLICATE_ENROLLMENT": "DUPLICATE",
}


# --- pieces ----------------------------------------------------------------------------------------------------------


def _order(told: Any) -> Json:
    return _map(_map(_map(told).get("message")).get("order"))


def _attributes(told: Any) -> Json:
    return _map(_order(told).get("beckn:orderAttributes"))


def _fulfillment(order: Json) -> Json:
    return next(iter(_maps(order.get("beckn:fulfillments"))), {})


def _instrument(order: Json) -> Json:
    return _map(_fulfillment(order).get("beckn:instrument"))


def _outcome(order: Json, refusal: RefusalView | None) -> Outcome:
    if refusal is not None:
        return Outcome.REFUSED
    descriptor = _map(_map(_fulfillment(order).get("beckn:state")).get("beckn:descriptor"))
    return {
        "PENDING_CONFIRM": Outcome.READY,
        "NEEDS_INPUT": Outcome.NEEDS_INPUT,
        "UNDER_REVIEW": Outcome.IN_REVIEW,
        "WAITING_FOR_UTILITY": Outcome.WAITING,
        "ENROLLED": Outcome.READY,
    }.get(_text(descriptor.get("schema:name")), Outcome.REFUSED)


def _refusal(told: Any, order: Json) -> RefusalView | None:
    found = _map(order.get("error")) or _map(_map(told).get("error"))
    if not found:
        return None
    details = _map(found.get("details"))
    return RefusalView(
        code=_PLAIN.get(_text(found.get("code")), _text(found.get("code"))) or "INTERNAL",
        sentence=_text(found.get("message")),
        reason=_text(details.get("reasonCode")) or _text(details.get("reason")),
        path=_text(found.get("path")),
        details=details,
    )


def _step(told: Json) -> NextStep:
    return NextStep(
        action=_text(told.get("action")),
        message=_text(told.get("message")),
        der_id=_text(told.get("derId")),
        document_id=_text(told.get("documentId")),
        utility_id=_text(told.get("utilityId")),
    )


def _missing(steps: Sequence[Json], credentials: Sequence[WantedCredential]) -> tuple[Missing, ...]:
    wanted = [step for step in steps if step.get("action") == "PRESENT_CREDENTIAL"]
    if wanted:
        return tuple(Missing(_text(s.get("credentialType")), _text(s.get("meterId") or s.get("derId"))) for s in wanted)
    return tuple(Missing(each.type, each.der_id) for each in credentials if each.status == "MISSING")


def _available(told: Json) -> AvailableMeter:
    return AvailableMeter(
        meter_id=_text(told.get("meterId") or told.get("beckn:id")),
        utility_id=_text(told.get("utilityId") or told.get("beckn:utilityId")),
        number=_text(told.get("meterNumber") or told.get("number")),
        connection_type=_text(told.get("connectionType")),
        sanctioned_load_kw=_number(told.get("sanctionedLoadKw", told.get("sanctionedLoad"))),
    )


def _cell(told: Json) -> Cell:
    meter = _map(told.get("meter"))
    return Cell(
        meter_id=_text(told.get("meterId")),
        utility_id=_text(told.get("utilityId")),
        program_id=_text(told.get("programId")),
        cell=_text(told.get("cell")) or "UNKNOWN",
        reasons=tuple(_reason(each) for each in _maps(told.get("reasons"))),
        actions=tuple(_action(each) for each in _maps(told.get("actions"))),
        earliest_start=instant(told.get("earliestStart")),
        until=instant(told.get("until")),
        enrollment_id=_text(told.get("enrollmentId")),
        number=_text(meter.get("number")),
        connection_type=_text(meter.get("connectionType")),
        sanctioned_load_kw=_number(meter.get("sanctionedLoadKw")),
        site_id=_text(meter.get("siteId")),
    )


def _action(told: Json) -> CellAction:
    return CellAction(
        type=_text(told.get("type")),
        credential_type=_text(told.get("credentialType")),
        consent_type=_text(told.get("consentType")),
        der_id=_text(told.get("derId")),
    )


def _reason(told: Json) -> Reason:
    return Reason(
        code=_text(told.get("code")),
        text=_text(told.get("text")),
        criterion=_text(told.get("criterion")),
        actual=told.get("actual"),
        needed=told.get("needed"),
    )


def _der(told: Json) -> Der:
    capacity, certificate = (
        _map(told.get("capacity") or told.get("beckn:capacity")),
        _map(told.get("certificate")),
    )
    return Der(
        der_id=_text(told.get("beckn:id")),
        type=_text(told.get("beckn:type")),
        meter_id=_text(told.get("meterId")),
        capacity=_number(capacity.get("value")),
        unit=_text(capacity.get("unit")),
        manufacturer=_text(told.get("manufacturer")),
        model=_text(told.get("model")),
        certificate=_text(certificate.get("status")),
        valid_until=instant(certificate.get("validUntil")),
        source=_text(told.get("source")),
    )


def _in(locale: str, texts: Json) -> tuple[str, Json]:
    """The language that was found and its text, else ("", {})."""
    for wish in (locale, locale.partition("-")[0]):
        if wish and isinstance(texts.get(wish), Mapping):
            return wish, texts[wish]
    return "", {}


def _word(locale: str, told: Any, otherwise: str) -> str:
    texts = _by_locale(told)
    return texts.get(locale) or texts.get(locale.partition("-")[0]) or otherwise


def _criteria(about: Json, locale: str) -> tuple[Criterion, ...]:
    return tuple(
        Criterion(
            kind=_text(c.get("kind")),
            parameters=_map(c.get("parameters")),
            text=_word(locale, c.get("texts"), _text(c.get("text"))),
            texts=_by_locale(c.get("texts")),
            result=_text(c.get("result")),
            actual=c.get("actual"),
            needed=c.get("needed"),
        )
        for c in _maps(about.get("enrollmentCriteria"))
    )


def _credentials(about: Json, locale: str) -> tuple[WantedCredential, ...]:
    return tuple(
        WantedCredential(
            type=_text(c.get("type")),
            description=_word(locale, c.get("descriptions"), _text(c.get("description"))),
            status=_text(c.get("status")),
            source=_text(c.get("source")),
            der_id=_text(c.get("derId")),
            descriptions=_by_locale(c.get("descriptions")),
        )
        for c in _maps(about.get("requiredCredentials"))
        if _text(c.get("type"))
    )


def _consents(about: Json, locale: str) -> tuple[WantedConsent, ...]:
    return tuple(
        WantedConsent(
            type=_text(c.get("type")),
            description=_word(locale, c.get("descriptions"), _text(c.get("description"))),
            is_required=c.get("required", True) is not False,
            purposes=_texts(c.get("purposes")),
            data=_texts(c.get("data")),
        )
        for c in _maps(about.get("requiredConsents"))
        if _text(c.get("type"))
    )


def _conflicts(about: Json) -> tuple[ConflictView, ...]:
    check = _map(about.get("conflictCheck"))
    return tuple(_conflict(each) for each in _maps(check.get("conflictingEnrollments")))


def _conflict(told: Json) -> ConflictView:
    return ConflictView(
        reason=_text(told.get("conflictReason")),
        type=_text(told.get("conflictType")),
        enrollment_id=_text(told.get("enrollmentId")),
        program_id=_text(told.get("programId")),
        meter_id=_text(told.get("meterId")),
        until=instant(told.get("conflictEndDate")),
    )


def _document(told: Json) -> DocumentView:
    return DocumentView(
        id=_text(told.get("documentId")),
        kind=_text(told.get("kind")),
        der_id=_text(told.get("derId")),
        formats=_texts(told.get("formats")),
        max_bytes=_whole(told.get("maxBytes")),
        status=_text(told.get("status")),
        scan=_text(told.get("scan")),
        reason=_text(told.get("reason")),
        text=_text(told.get("reviewText")),
        upload_url=_text(told.get("uploadUrl")),
        expires_at=instant(told.get("expiresAt")),
    )


def _meters(order: Json, about: Json) -> tuple[MeterLine, ...]:
    rejected = {_text(each.get("meterId")): each for each in _maps(about.get("rejectedMeters"))}
    lines = []
    for meter in _maps(_instrument(order).get("meters")):
        umid = _text(meter.get("beckn:id"))
        why = rejected.pop(umid, {})
        status = _text(meter.get("beckn:enrollmentStatus")) or ("REJECTED" if why else "")
        lines.append(MeterLine(umid, status, _text(why.get("code")), _text(why.get("message"))))
    others = (
        MeterLine(umid, "REJECTED", _text(why.get("code")), _text(why.get("message"))) for umid, why in rejected.items()
    )
    return (*lines, *others)


def _given(told: Json) -> GivenConsent:
    credential = IssuedView(
        credential_id=_text(told.get("consentCredentialId")),
        type="ConsentCredential",
        data=_text(told.get("credentialData")),
        access_url=_address(told.get("credentialUrl")),
        verification_url=_address(told.get("verificationUrl")),
        issued_at=instant(told.get("grantedAt")),
    )
    return GivenConsent(
        type=_text(told.get("type")),
        from_utility=_text(told.get("fromUtility")),
        to_utility=_text(told.get("toUtility")),
        state=_text(told.get("status")) or ("GRANTED" if told.get("granted") is True else "REVOKED"),
        granted_at=instant(told.get("grantedAt")),
        revoked_at=instant(told.get("revokedAt")),
        until=instant(told.get("effectiveDate")),
        credential=credential,
    )


def _first_id(things: Any) -> str:
    return next((_text(each.get("beckn:id")) for each in _maps(things)), "")


def chosen(cells: Iterable[Cell], umids: Sequence[str]) -> tuple[Cell, ...]:
    """The cells of these meters, in the order of the answer."""
    wanted = set(umids)
    return tuple(cell for cell in cells if cell.meter_id in wanted)
