"""A utility's JSON answers → facts. Unknown fields are ignored; a missing or wrong one makes the whole answer unusable.

Read by hand rather than by a schema library: no value is bent into another type, and the error names the field.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from identity.codes import CodeSession, CodeVerdict
from utility_systems.ports import (
    AccountFacts,
    Certificate,
    CertificateKind,
    ConnectionType,
    DerFacts,
    EarlierNumber,
    Holder,
    MeterFacts,
    Phase,
    Role,
    Standing,
    der_type,
)

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


class UnusableAnswer(Exception):
    """The answer is not what was agreed; `field` is where, like `meters[0].holders[1].since`."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class Part:
    """One JSON object of an answer, with its path for errors. Absent and null are the same."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise UnusableAnswer(path or "answer", "is not an object")
        self._value: Mapping[str, Any] = value
        self._path = path

    def has(self, name: str) -> bool:
        return self._value.get(name) is not None

    def text(self, name: str) -> str:
        value = self.text_or_none(name)
        if not value:
            raise self._wrong(name, "is missing")
        return value

    def text_or_none(self, name: str) -> str | None:
        value = self._value.get(name)
        if value is not None and not isinstance(value, str):
            raise self._wrong(name, "is not text")
        if value is not None and ("\x00" in value or len(value) > 512):
            raise self._wrong(name, "is not a name or id")
        return value

    def optional_text(self, name: str) -> str:
        return self.text_or_none(name) or ""

    def number_or_none(self, name: str) -> float | None:
        """A number that is not negative: loads and ratings have no sign."""
        value = self._value.get(name)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "is not a number")
        if not 0 <= value < 1e12:
            raise self._wrong(name, "is negative or too large")
        return float(value)

    def flag(self, name: str) -> bool:
        value = self._value.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "is missing" if value is None else "is not true or false")
        return value

    def word(self, name: str, words: type[Word]) -> Word:
        text = self.text(name).upper()
        if text in words.__members__:
            return words[text]
        if "UNKNOWN" in words.__members__:
            return words["UNKNOWN"]
        raise self._wrong(name, "is not one of " + ", ".join(words.__members__))

    def instant(self, name: str) -> datetime:
        value = self.instant_or_none(name)
        if value is None:
            raise self._wrong(name, "is missing")
        return value

    def instant_or_none(self, name: str) -> datetime | None:
        text = self.text_or_none(name)
        if not text:
            return None
        try:
            value = datetime.fromisoformat(text)
        except ValueError:
            raise self._wrong(name, "is not an instant") from None
        if value.tzinfo is None:
            raise self._wrong(name, "has no time zone")
        return value.astimezone(UTC)

    def day_or_none(self, name: str) -> date | None:
        text = self.text_or_none(name)
        if not text:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise self._wrong(name, "is not a day") from None

    def each(self, name: str, read: Callable[["Part"], T]) -> tuple[T, ...]:
        value = self._value.get(name)
        if not isinstance(value, list):
            raise self._wrong(name, "is missing" if value is None else "is not a list")
        return tuple(read(Part(item, f"{self._at(name)}[{position}]")) for position, item in enumerate(value))

    def wrong(self, name: str, problem: str) -> UnusableAnswer:
        return self._wrong(name, problem)

    def _wrong(self, name: str, problem: str) -> UnusableAnswer:
        return UnusableAnswer(self._at(name), problem)

    def _at(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name


def read_meters(answer: Any, *, utility_id: str, asked: Sequence[str] | None, now: datetime) -> tuple[MeterFacts, ...]:
    """The meters of the answer that were asked for, all of them for None. Raises UnusableAnswer."""
    wanted = None if asked is None else set(asked)

    def meter(part: Part) -> MeterFacts:
        return MeterFacts(
            umid=part.text("umid"),
            utility_id=_same(part, utility_id),
            meter_number=part.text("meterNumber"),
            connection_type=part.word("connectionType", ConnectionType),
            phase=part.word("phase", Phase),
            sanctioned_load_kw=part.number_or_none("sanctionedLoadKw"),
            interval_capable=part.flag("intervalCapable"),
            net_meter=part.flag("netMeter"),
            site_id=part.optional_text("siteId"),
            grid_area=part.optional_text("gridArea"),
            holders=part.each("holders", _holder),
            account_standing=part.word("accountStanding", Standing),
            as_of=part.instant_or_none("asOf") or now,
            sanctioned_export_kw=part.number_or_none("sanctionedExportKw"),
            earlier_numbers=part.each("earlierNumbers", _earlier_number) if part.has("earlierNumbers") else (),
        )

    found = Part(answer, "").each("meters", meter)
    _check_asked("meters", [each.umid for each in found], wanted)
    return tuple(each for each in found if wanted is None or each.umid in wanted)


def read_ders(
    answer: Any, *, asked: Sequence[str] | None, now: datetime, at: Sequence[str] = ()
) -> tuple[DerFacts, ...]:
    """The DERs of the answer that were asked for: by their ids, or (`asked` None) those behind the meters `at`.

    Raises UnusableAnswer, also for an answer that speaks of others.
    """

    def der(part: Part) -> DerFacts:
        return DerFacts(
            der_id=part.text("derId"),
            type=der_type(part.text("type")),
            rated_kw=part.number_or_none("ratedKw"),
            energy_kwh=part.number_or_none("energyKwh"),
            manufacturer=part.optional_text("manufacturer"),
            model=part.optional_text("model"),
            serial_digest=part.optional_text("serialDigest"),
            commissioned_on=part.day_or_none("commissionedOn"),
            umid=part.optional_text("umid"),
            bidirectional=part.flag("bidirectional"),
            owner_did=part.optional_text("owner"),
            certificates=part.each("certificates", _certificate),
            as_of=part.instant_or_none("asOf") or now,
        )

    found = Part(answer, "").each("ders", der)
    if asked is None:
        _check_asked("ders", [each.umid for each in found], set(at))
    else:
        _check_asked("ders", [each.der_id for each in found], set(asked))
    return tuple(each for each in found if (each.umid in at if asked is None else each.der_id in asked))


def _check_asked(name: str, found: Sequence[str], wanted: Collection[str] | None) -> None:
    """An answer that speaks only of others says nothing about what was asked: not even that it is unknown."""
    if wanted is not None and found and not set(found) & set(wanted):
        raise UnusableAnswer(name, "speak only of what was not asked for")


def read_accounts(answer: Any) -> tuple[str, ...]:
    """Ids of accounts. Raises UnusableAnswer."""
    return Part(answer, "").each("accounts", lambda part: part.text("utilityCustomerId"))


def read_code_session(answer: Any) -> CodeSession:
    """Raises UnusableAnswer."""
    part = Part(answer, "")
    return CodeSession(
        nguid=part.text("nguid"),
        expires_at=part.instant("expiresAt"),
        masked_to=part.optional_text("maskedTo"),
        attempts=int(part.number_or_none("attempts") or 0),
    )


def read_code_verdict(answer: Any) -> CodeVerdict:
    """A right code names the account it was sent to. Raises UnusableAnswer."""
    part = Part(answer, "")
    is_right = part.flag("verified")
    return CodeVerdict(
        is_right=is_right,
        attempts_left=int(part.number_or_none("attemptsLeft") or 0),
        is_locked=part.flag("locked") if part.has("locked") else False,
        is_over=part.flag("over") if part.has("over") else False,
        subject_did=part.text("subject") if is_right else "",
        utility_customer_id=part.text("utilityCustomerId") if is_right else "",
    )


def read_account(answer: Any, utility_customer_id: str) -> AccountFacts | None:
    """The account, or None when the utility says that it knows none. Raises UnusableAnswer."""
    part = Part(answer, "")
    if not part.flag("valid"):
        return None
    return AccountFacts(
        utility_customer_id=utility_customer_id,
        standing=part.word("standing", Standing),
        connection_type=part.word("connectionType", ConnectionType),
    )


class _Match(StrEnum):
    MATCH = "MATCH"
    NO_MATCH = "NO_MATCH"
    SEVERAL = "SEVERAL"


def read_match(answer: Any) -> str:
    """Whether there is such a customer. Raises UnusableAnswer."""
    return Part(answer, "").word("result", _Match).value


def read_contact_change(answer: Any) -> datetime | None:
    """When an account's registered contact last changed, where the utility says so. Raises UnusableAnswer."""
    return Part(answer, "").instant_or_none("contactChangedAt")


def _holder(part: Part) -> Holder:
    since, until = part.instant("since"), part.instant_or_none("until")
    if until is not None and until <= since:
        raise part.wrong("until", "is not after since")
    return Holder(
        subject_did=part.text("subject"),
        utility_customer_id=part.optional_text("utilityCustomerId"),
        role=part.word("role", Role),
        since=since,
        until=until,
    )


def _earlier_number(part: Part) -> EarlierNumber:
    since, until = part.instant("since"), part.instant("until")
    if until <= since:
        raise part.wrong("until", "is not after since")
    return EarlierNumber(part.text("number"), since, until)


def _certificate(part: Part) -> Certificate:
    valid_from, valid_until = part.instant("validFrom"), part.instant_or_none("validUntil")
    if valid_until is not None and valid_until <= valid_from:
        raise part.wrong("validUntil", "is not after validFrom")
    return Certificate(
        kind=part.word("kind", CertificateKind),
        issuer=part.text("issuer"),
        capacity_kw=part.number_or_none("capacityKw"),
        valid_from=valid_from,
        valid_until=valid_until,
    )


def _same(part: Part, utility_id: str) -> str:
    if part.text("utilityId") != utility_id:
        raise part.wrong("utilityId", "is another utility's")
    return utility_id
