"""What a provider's answers say, as frozen values a page can show. Pure, and never an error on strange input.

The JSON is profile A's (wire spec 7, docs/integration.md). Whatever is missing or of another shape than it should be
is left out: a page has to come of every answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from math import isfinite
from typing import Any
from urllib.parse import urlsplit

from django.utils.dateparse import parse_datetime

Json = Mapping[str, Any]
_FIRST_YEAR, _LAST_YEAR = 2, 9998


class Outcome(StrEnum):
    """What the answer to an init means for the person."""

    READY = "READY"
    NEEDS_INPUT = "NEEDS_INPUT"
    IN_REVIEW = "IN_REVIEW"
    WAITING = "WAITING"
    REFUSED = "REFUSED"


# --- values ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Criterion:
    """Who can join, one line: `kind` and `parameters` of decision 54, the provider's own words in `text` and `texts`.

    `result` is MET, NOT_MET or UNKNOWN where it was checked.
    """

    kind: str
    parameters: Json
    text: str
    texts: Mapping[str, str] = field(default_factory=dict)
    result: str = ""
    actual: Any = None
    needed: Any = None


@dataclass(frozen=True)
class WantedCredential:
    """`status` is PROVIDED, MISSING or "" where nothing was checked yet."""

    type: str
    description: str
    status: str = ""
    source: str = ""
    der_id: str = ""
    descriptions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WantedConsent:
    """A consent in one line; its page reads more of it (`portals.consents`)."""

    type: str
    description: str
    is_required: bool
    purposes: tuple[str, ...]
    data: tuple[str, ...]


@dataclass(frozen=True)
class Reason:
    """Why a verdict is as it is. `actual` and `needed` are the provider's values, in the criterion's unit."""

    code: str
    text: str
    criterion: str = ""
    actual: Any = None
    needed: Any = None


@dataclass(frozen=True)
class CellAction:
    """What the person can do about a verdict."""

    type: str
    credential_type: str = ""
    consent_type: str = ""
    der_id: str = ""


@dataclass(frozen=True)
class Cell:
    """The verdict on one meter for one program; `until` and `earliest_start` are instants."""

    meter_id: str
    utility_id: str
    program_id: str
    cell: str
    reasons: tuple[Reason, ...] = ()
    actions: tuple[CellAction, ...] = ()
    earliest_start: datetime | None = None
    until: datetime | None = None
    enrollment_id: str = ""
    number: str = ""
    connection_type: str = ""
    sanctioned_load_kw: float | None = None
    site_id: str = ""

    @property
    def can_be_chosen(self) -> bool:
        is_paused = self.cell == "NO_CONSENT" and self.enrollment_id != ""  # enrolled already, without its agreement
        return self.cell in ("CAN_ENROLL", "NEEDS_ACTION", "NO_CONSENT") and not is_paused


@dataclass(frozen=True)
class Der:
    """A device; capacity in `unit` (kW or kWh). `certificate` is CERTIFIED, NOT_CERTIFIED or EXPIRED."""

    der_id: str
    type: str
    meter_id: str = ""
    capacity: float | None = None
    unit: str = ""
    manufacturer: str = ""
    model: str = ""
    certificate: str = ""
    valid_until: datetime | None = None
    source: str = ""


@dataclass(frozen=True)
class ProgramView:
    """A program of the catalogue, in one language where the provider has it: `locale` is the one that was found.

    `is_reviewed`: a person has read that translation. `example` is one worked example in money, marked as such.
    `paper_review`: PROVIDER where the owner's staff reviews agencies' mandates on paper, and not the agency.
    """

    provider_id: str
    program_id: str
    name: str
    short: str
    long: str
    benefits: tuple[str, ...]
    example: str
    locale: str
    is_reviewed: bool
    kind: str
    control: str
    personas: tuple[str, ...]
    utilities: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    credentials: tuple[WantedCredential, ...]
    consents: tuple[WantedConsent, ...]
    documents: tuple[Json, ...]
    opens_at: datetime | None
    closes_at: datetime | None
    reopens_at: datetime | None
    minutes: int
    paper_review: str = ""
    statements: tuple[str, ...] = ()

    @property
    def der_types(self) -> tuple[str, ...]:
        """The kinds of device it is for; empty where it does not say."""
        found = (c.parameters.get("anyOf") for c in self.criteria if c.kind == "DER_TYPE")
        return tuple(each for types in found for each in _texts(types))

    @property
    def needs_ders(self) -> bool:
        """Whether a device of the person's belongs to it: a certificate or a device is asked for."""
        kinds = {criterion.kind for criterion in self.criteria}
        types = {credential.type for credential in self.credentials}
        return bool(kinds & {"DER_TYPE", "DER_CERTIFIED"}) or "DERCertificationCredential" in types

    def is_open(self, now: datetime) -> bool:
        return not (self.opens_at and now < self.opens_at) and not (self.closes_at and now >= self.closes_at)


@dataclass(frozen=True)
class SelectedView:
    eligibility: tuple[Cell, ...] = ()
    ders: tuple[Der, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    credentials: tuple[WantedCredential, ...] = ()
    consents: tuple[WantedConsent, ...] = ()
    unavailable_utilities: tuple[str, ...] = ()
    refusal: RefusalView | None = None


@dataclass(frozen=True)
class RefusalView:
    """A refusal: `code` of spec domain 6, `reason` of its closed set, `sentence` the provider's own words."""

    code: str
    sentence: str
    reason: str = ""
    path: str = ""
    details: Json = field(default_factory=dict)


@dataclass(frozen=True)
class ConflictView:
    """What stands in the way, as far as the person may be told; `until` is the first instant at which it is free."""

    reason: str
    type: str
    enrollment_id: str = ""
    program_id: str = ""
    meter_id: str = ""
    until: datetime | None = None


@dataclass(frozen=True)
class DocumentView:
    """A file that is asked for or came. `status` ASKED, UNDER_REVIEW, APPROVED or REFUSED; `upload_url` is secret."""

    id: str
    kind: str
    der_id: str
    formats: tuple[str, ...]
    max_bytes: int
    status: str
    scan: str = ""
    reason: str = ""
    upload_url: str = field(default="", repr=False)
    expires_at: datetime | None = None


@dataclass(frozen=True)
class MeterLine:
    """A meter of an order: `status` ENROLLED, REJECTED, CANCELLED, PENDING or ""; why, where it was rejected."""

    meter_id: str
    status: str = ""
    code: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class AvailableMeter:
    """A meter of the proven person that an order may name."""

    meter_id: str
    utility_id: str = ""
    number: str = ""
    connection_type: str = ""
    sanctioned_load_kw: float | None = None


@dataclass(frozen=True)
class Missing:
    """A credential that is still wanted, and for which meter or device."""

    type: str
    target: str = ""


@dataclass(frozen=True)
class NextStep:
    action: str
    message: str
    der_id: str = ""
    document_id: str = ""
    utility_id: str = ""


@dataclass(frozen=True)
class PreparedView:
    """What an init came to; `state` is None before any answer. `waits_for` names the utility that does not answer."""

    state: Outcome | None = None
    refusal: RefusalView | None = None
    conflicts: tuple[ConflictView, ...] = ()
    credentials: tuple[WantedCredential, ...] = ()
    findings: tuple[Criterion, ...] = ()
    consents: tuple[WantedConsent, ...] = ()
    documents: tuple[DocumentView, ...] = ()
    lines: tuple[MeterLine, ...] = ()
    meters: tuple[AvailableMeter, ...] = ()
    missing: tuple[Missing, ...] = ()
    warnings: tuple[str, ...] = ()
    next_steps: tuple[NextStep, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        return self.state

    @property
    def rejected_meters(self) -> tuple[MeterLine, ...]:
        return tuple(line for line in self.lines if line.status == "REJECTED")

    @property
    def questions(self) -> tuple[str, ...]:
        """The devices whose power in kW is asked for."""
        return tuple(step.der_id for step in self.next_steps if step.action == "PROVIDE_CAPACITY")

    @property
    def waits_for(self) -> str:
        return next((step.utility_id for step in self.next_steps if step.action == "WAIT"), "")


@dataclass(frozen=True)
class IssuedView:
    """A credential as the provider hands it over; `data` are its signed bytes, "" where they did not come along."""

    credential_id: str
    type: str
    data: str = field(default="", repr=False)
    access_url: str = field(default="", repr=False)
    offer_url: str = field(default="", repr=False)
    verification_url: str = ""
    issued_at: datetime | None = None
    status: str = ""
    supersedes: str = ""


@dataclass(frozen=True)
class GivenConsent:
    """A consent as the provider keeps it: `state` GRANTED or REVOKED; `until` where a withdrawal is scheduled."""

    type: str
    from_utility: str
    to_utility: str
    state: str
    granted_at: datetime | None
    revoked_at: datetime | None
    until: datetime | None
    credential: IssuedView

    @property
    def key(self) -> str:
        return f"{self.type}|{self.from_utility}|{self.to_utility}" if self.from_utility else self.type


@dataclass(frozen=True)
class EnrollmentView:
    """An enrolment as an on_confirm, on_status or on_update tells it."""

    enrollment_id: str = ""
    order_number: str = ""
    status: str = ""
    program_id: str = ""
    subject: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    enrolled_at: datetime | None = None
    ends_early_at: datetime | None = None
    cancelled_at: datetime | None = None
    meters: tuple[MeterLine, ...] = ()
    ders: tuple[str, ...] = ()
    credential: IssuedView | None = None
    consents: tuple[GivenConsent, ...] = ()
    conflicts: tuple[ConflictView, ...] = ()
    refusal: RefusalView | None = None
    update_type: str = ""
    suspension: Json = field(default_factory=dict)
    utility_notices: tuple[Json, ...] = ()
    history: tuple[Json, ...] = ()
    message: str = ""
    log_reference: str = ""

    @property
    def rejected_meters(self) -> tuple[MeterLine, ...]:
        return tuple(line for line in self.meters if line.status == "REJECTED")


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
    capacity, certificate = _map(told.get("capacity") or told.get("beckn:capacity")), _map(told.get("certificate"))
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


def _map(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _maps(value: Any) -> tuple[Json, ...]:
    return tuple(each for each in value if isinstance(each, Mapping)) if isinstance(value, list) else ()


def _text(value: Any) -> str:
    return value[:2_000_000] if isinstance(value, str) else ""


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def _by_locale(value: Any) -> Mapping[str, str]:
    return {str(k): v for k, v in _map(value).items() if isinstance(v, str)}


def _whole(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _address(value: Any) -> str:
    """An address of the web, which a page may lead to; "" for everything else, `javascript:` above all."""
    try:
        parts = urlsplit(_text(value))
    except ValueError:
        return ""
    is_whole = parts.scheme in ("https", "http") and bool(parts.hostname) and _text(value).isprintable()
    return _text(value) if is_whole and " " not in _text(value) else ""


def _number(value: Any) -> float | None:
    """A finite number; None for what is none, or too large to be one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if isfinite(found) else None


def instant(value: Any) -> datetime | None:
    """An instant with its zone, of a day that every zone's calendar has; None for what is none."""
    try:
        found = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    # A page shows it in the utility's zone, and the calendar's first and last day have no neighbours there.
    is_shown = found is not None and found.tzinfo is not None and _FIRST_YEAR <= found.year <= _LAST_YEAR
    return found if is_shown else None


def chosen(cells: Iterable[Cell], umids: Sequence[str]) -> tuple[Cell, ...]:
    """The cells of these meters, in the order of the answer."""
    wanted = set(umids)
    return tuple(cell for cell in cells if cell.meter_id in wanted)
