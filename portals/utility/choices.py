"""What the customer may choose from: meters and devices, put together from everything that was told. Pure.

The customer's utility knows addresses, the provider's answers know verdicts; a meter appears once (rule R-P2.1). A
meter that the utility could not be asked about is no refused one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from portals import reading
from portals.models import Application

SHOWN = 4  # last characters of a meter's number
#: What a meter can be chosen with; the others are shown with their reason (screens P5).
OPEN = frozenset({"", "CAN_ENROLL", "NEEDS_ACTION", "WAITLIST", "NO_CONSENT", "UNKNOWN"})


@dataclass(frozen=True)
class MeterChoice:
    """A meter of the customer. `ending`: the last characters of its number; `cell`: the verdict, "" while unknown."""

    umid: str
    ending: str = ""
    address: str = ""
    site: str = ""
    connection: str = ""
    load_kw: float | None = None
    cell: str = ""
    reasons: tuple[Any, ...] = ()
    until: Any = None
    enrollment_id: str = ""
    is_chosen: bool = False

    @property
    def is_open(self) -> bool:
        is_paused = self.cell == "NO_CONSENT" and self.enrollment_id != ""  # enrolled already, without its agreement
        return (self.cell in OPEN and not is_paused) or self.wants_a_device

    @property
    def wants_a_device(self) -> bool:
        """Only equipment is in the way, and the next question is about it: the customer may have some to add."""
        kinds = [each.criterion or each.code for each in self.reasons]
        return self.cell == "NOT_ELIGIBLE" and bool(kinds) and all(kind.startswith("DER_") for kind in kinds)


@dataclass(frozen=True)
class DeviceChoice:
    """A device of the customer. `certificate`: CERTIFIED, NOT_CERTIFIED, EXPIRED or "" where nobody says."""

    id: str
    type: str = ""
    capacity: float | None = None
    unit: str = ""
    maker: str = ""
    model: str = ""
    meter: str = ""
    certificate: str = ""
    valid_until: Any = None
    source: str = ""
    is_chosen: bool = False

    @property
    def answer(self) -> dict[str, Any]:
        """As `Application.answers["ders"]` keeps it."""
        return {
            "id": self.id,
            "type": self.type,
            "capacity": self.capacity,
            "unit": self.unit,
            "source": self.source or "UTILITY",
        }


def meters(application: Application) -> tuple[MeterChoice, ...]:
    """All meters of the customer that this program was asked about, those that can be chosen first.

    While nothing is chosen, every meter that can join is: somebody with one meter types and ticks nothing.
    """
    found: dict[str, MeterChoice] = {}
    for known in _known(application, "meters"):
        umid = _text(known.get("umid"))
        if umid:
            found[umid] = MeterChoice(
                umid,
                ending=_end(_text(known.get("number"))),
                address=_text(known.get("address")),
                site=_text(known.get("site")),
                connection=_text(known.get("connectionType")).upper(),
                load_kw=_number(known.get("sanctionedLoadKw")),
            )
    for cell in reading.selected(application.told.get("on_select")).eligibility:
        before = found.get(cell.meter_id, MeterChoice(cell.meter_id))
        found[cell.meter_id] = replace(
            before,
            ending=before.ending or _end(cell.number),
            site=before.site or cell.site_id,
            connection=before.connection or cell.connection_type.upper(),
            load_kw=before.load_kw if before.load_kw is not None else cell.sanctioned_load_kw,
            cell=cell.cell,
            reasons=tuple(cell.reasons),
            until=cell.until or cell.earliest_start,
            enrollment_id=cell.enrollment_id,
        )
    for told in reading.prepared(application.told.get("on_init")).meters:
        choice = MeterChoice(
            told.meter_id,
            ending=_end(told.number),
            connection=told.connection_type.upper(),
            load_kw=told.sanctioned_load_kw,
        )
        found.setdefault(told.meter_id, choice)
    return tuple(sorted(_with_choice(application, found.values()), key=lambda each: not each.is_open))


def chosen_meters(application: Application) -> tuple[MeterChoice, ...]:
    """The meters the customer has chosen, also those nobody tells anything about any more."""
    by_umid = {each.umid: each for each in meters(application)}
    return tuple(by_umid.get(umid, MeterChoice(umid, is_chosen=True)) for umid in application.answers.get("meters", []))


def devices(application: Application) -> tuple[DeviceChoice, ...]:
    """The devices behind the chosen meters, and those the customer has added."""
    wanted, found = set(application.answers.get("meters", [])), dict[str, DeviceChoice]()
    for known in _known(application, "ders"):
        device = _known_device(known)
        if device.id and (not device.meter or not wanted or device.meter in wanted):
            found[device.id] = device
    for told in reading.selected(application.told.get("on_select")).ders:
        if not told.meter_id or not wanted or told.meter_id in wanted:
            found[told.der_id] = DeviceChoice(
                told.der_id,
                told.type,
                told.capacity,
                told.unit,
                maker=told.manufacturer,
                model=told.model,
                meter=told.meter_id,
                certificate=told.certificate,
                valid_until=told.valid_until,
                source=told.source,
            )
    given = application.answers.get("ders")
    for each in given or []:
        name = _text(each.get("id"))
        found.setdefault(
            name,
            DeviceChoice(
                name, _text(each.get("type")), _number(each.get("capacity")), _text(each.get("unit")), source="CUSTOMER"
            ),
        )
    chosen = {_text(each.get("id")) for each in given} if given is not None else set(found)
    return tuple(replace(each, is_chosen=each.id in chosen) for each in found.values())


def _known_device(known: Mapping[str, Any]) -> DeviceChoice:
    is_certified = known.get("isCertified")
    certificate = ("CERTIFIED" if is_certified else "NOT_CERTIFIED") if isinstance(is_certified, bool) else ""
    return DeviceChoice(
        _text(known.get("id")),
        _text(known.get("type")),
        _number(known.get("capacity")),
        _text(known.get("unit")),
        maker=_text(known.get("manufacturer")),
        model=_text(known.get("model")),
        meter=_text(known.get("meter")),
        certificate=certificate,
    )


def _with_choice(application: Application, choices: Iterable[MeterChoice]) -> Iterable[MeterChoice]:
    given = application.answers.get("meters")
    for each in choices:
        yield replace(each, is_chosen=each.is_open and (given is None or each.umid in given))


def _known(application: Application, what: str) -> list[Mapping[str, Any]]:
    known = application.answers.get("known")
    rows = known.get(what) if isinstance(known, Mapping) else None
    return [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []


def _end(number: str) -> str:
    """The last characters of a number, without what divides it."""
    return number[-SHOWN:].lstrip("-/ ")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
