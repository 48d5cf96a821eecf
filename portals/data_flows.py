"""The very data that will flow if a customer says Yes: which of their things each word of a consent means. Pure.

Source: issue 5 point 13. What we do not know is said to be unknown, not left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from portals.consents import Asked
from portals.models import Application


@dataclass(frozen=True)
class OwnMeter:
    """A meter of the customer, as its number may be shown: `ending` are the last four characters."""

    umid: str
    ending: str
    address: str = ""


@dataclass(frozen=True)
class OwnDevice:
    """A device of the customer. `capacity` has its `unit`, None where nobody has told it."""

    der_id: str
    type: str
    capacity: float | None = None
    unit: str = ""


@dataclass(frozen=True)
class Flow:
    """One line of the table: what kind of data, whose, and how often it is read (an ISO 8601 duration, or EVENT)."""

    kind: str
    frequency: str
    meters: tuple[OwnMeter, ...] = ()
    devices: tuple[OwnDevice, ...] = ()
    name: str = ""
    account_ending: str = ""

    @property
    def is_known(self) -> bool:
        return bool(self.meters or self.devices or self.name or self.account_ending)


_OF_METERS = frozenset({"INTERVAL_READINGS", "METER_ID", "BILLING", "TARIFF"})
_OF_DEVICES = frozenset({"DER_NAMEPLATE", "DER_TELEMETRY", "DER_CONTROL"})
_REPEATED = frozenset({"INTERVAL_READINGS", "DER_TELEMETRY", "DER_CONTROL", "BILLING"})


def flows(application: Application, consent: Asked, *, name: str = "") -> tuple[Flow, ...]:
    """What flows, in the provider's order; control comes last, as a line of its own. `name`: the customer's."""
    kinds = [*consent.data, *(["DER_CONTROL"] if consent.mode == "CONTROL" else [])]
    return tuple(_flow(application, kind, consent.frequency, name) for kind in dict.fromkeys(kinds))


def meters_of(application: Application) -> tuple[OwnMeter, ...]:
    """The meters the customer has chosen."""
    chosen = _list(application.answers.get("meters"))
    known = {each.umid: each for each in _known_meters(application)}
    return tuple(known.get(umid) or OwnMeter(umid, umid[-4:]) for umid in chosen if isinstance(umid, str))


def devices_of(application: Application) -> tuple[OwnDevice, ...]:
    """The devices the customer has chosen or declared."""
    found = []
    for each in _list(application.answers.get("ders")):
        if isinstance(each, Mapping) and isinstance(each.get("id"), str):
            kind, unit = _text(each.get("type")), _text(each.get("unit"))
            found.append(OwnDevice(each["id"], kind, _number(each.get("capacity")), unit))
    return tuple(found)


def _flow(application: Application, kind: str, frequency: str, name: str) -> Flow:
    often = frequency if kind in _REPEATED else ""
    if kind in _OF_METERS:
        return Flow(kind, often, meters=meters_of(application))
    if kind in _OF_DEVICES:
        return Flow(kind, often, devices=devices_of(application))
    if kind == "IDENTITY_MATCH":
        known = _mapping(application.answers.get("known"))
        return Flow(
            kind, often, name=_text(known.get("name")) or name, account_ending=_text(known.get("accountEnding"))
        )
    return Flow(kind, often)


def _known_meters(application: Application) -> Iterable[OwnMeter]:
    """What the provider's `eligibility[]` says of meters, then what the utility said, which knows the address."""
    order = _mapping(_mapping(_mapping(application.told.get("on_select")).get("message")).get("order"))
    for each in _list(_mapping(order.get("beckn:orderAttributes")).get("eligibility")):
        about = _mapping(_mapping(each).get("meter"))
        if about.get("number"):
            yield OwnMeter(_text(_mapping(each).get("meterId")), _text(about.get("number"))[-4:])
    for each in _list(_mapping(application.answers.get("known")).get("meters")):
        about = _mapping(each)
        ending = (_text(about.get("number")) or _text(about.get("umid")))[-4:]
        yield OwnMeter(_text(about.get("umid")), ending, _text(about.get("address")))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
