"""What an applicant has declared of a device and its meters, beside what the utility or a maker says of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from console.deciding import words
from enrollment import remembering, replaying
from enrollment.commands import DerRef
from enrollment.models import EnrollmentCase
from enrollment.replaying import Replay
from utility_systems.models import Der, Meter
from utility_systems.ports import Certificate, DerFacts, MeterFacts

_MOST_METERS = 5
_SOURCES = {
    "UTILITY_API": gettext_lazy("the utility's register"),
    "MAKER": gettext_lazy("the maker's account"),
}


@dataclass(frozen=True)
class Line:
    """One thing, as it was declared and as it is known. `differs` where both say something and not the same."""

    what: str
    declared: str
    known: str
    differs: bool = False


@dataclass(frozen=True)
class Comparison:
    """`as_of` is when it was heard; `source` who knows the device, "" where nobody but the applicant does."""

    device: list[Line]
    meters: list[tuple[str, list[Line]]]
    source: str
    as_of: datetime | None


def of_device(case: EnrollmentCase, der_id: str) -> Comparison:
    """The device of a document and the meters of its order, from what the last check stood on."""
    replay = replaying.then(case)
    declared = _declared(case, der_id)
    known = replay.facts.ders.get(der_id) if replay is not None else None
    if replay is None or known is None:
        return Comparison(_of_rows(declared, der_id), _meter_rows(case), "", None)
    return Comparison(
        _device(declared, known, _subject(case)),
        _meters(replay, _subject(case)),
        str(_SOURCES.get(known.source, known.source)) if known.is_registered else "",
        replay.at,
    )


def _declared(case: EnrollmentCase, der_id: str) -> DerRef:
    ders = remembering.init_command(case.payload).ders if case.payload is not None else ()
    return next((each for each in ders if each.der_id == der_id), DerRef(der_id))


def _subject(case: EnrollmentCase) -> str:
    return (case.subject.did or "") if case.subject is not None else ""


def _device(declared: DerRef, known: DerFacts, subject: str) -> list[Line]:
    is_known = known.is_registered
    made = " ".join(each for each in (known.manufacturer, known.model) if each)
    owner = _("nobody is named")
    if known.owner_did:
        owner = _("the applicant") if known.owner_did == subject else _("somebody else")
    return [
        _line(_("Kind of device"), words.device(declared.type), words.device(known.type) if is_known else ""),
        _figure(_("Power"), declared.declared_kw, known.rated_kw if is_known else None, "kW"),
        _figure(_("Energy"), declared.declared_kwh, known.energy_kwh if is_known else None, "kWh"),
        Line(_("Maker and model"), "–", made or "–"),
        Line(_("In operation since"), "–", str(known.commissioned_on or "–")),
        Line(_("Behind the meter"), "–", known.umid or "–"),
        Line(_("Registered to"), _("the applicant"), owner, differs=owner == _("somebody else")),
        Line(_("Certificates in the register"), "–", "; ".join(map(_certificate, known.certificates)) or _("none")),
    ]


def _certificate(each: Certificate) -> str:
    power = f", {each.capacity_kw:g} kW" if each.capacity_kw is not None else ""
    until = f", {_('until')} {each.valid_until:%Y-%m-%d}" if each.valid_until is not None else ""
    return f"{each.kind.capitalize()}{power}{until}"


def _meters(replay: Replay, subject: str) -> list[tuple[str, list[Line]]]:
    return [
        (meter.umid, _meter(meter, replay.at, subject)) for meter in list(replay.facts.meters.values())[:_MOST_METERS]
    ]


def _meter(meter: MeterFacts, at: datetime, subject: str) -> list[Line]:
    role = meter.holder(subject, at)
    standing = role.role.capitalize() if role is not None else _("not among the holders that the utility names")
    return [
        Line(_("The applicant at this meter"), "–", standing),
        Line(_("Sanctioned load"), "–", _kw(meter.sanctioned_load_kw)),
        Line(_("May feed in"), "–", _kw(meter.sanctioned_export_kw)),
        Line(_("Connection"), "–", meter.connection_type.capitalize()),
        Line(_("Net meter"), "–", _("yes") if meter.net_meter else _("no")),
    ]


def _of_rows(declared: DerRef, der_id: str) -> list[Line]:
    """What we have kept of the device, where the check's own facts are not there any more."""
    row = Der.objects.filter(der_id=der_id).first()
    if row is None:
        return [
            _line(_("Kind of device"), words.device(declared.type), ""),
            _figure(_("Power"), declared.declared_kw, None, "kW"),
            _figure(_("Energy"), declared.declared_kwh, None, "kWh"),
        ]
    made = " ".join(each for each in (row.manufacturer, row.model) if each)
    return [
        _line(_("Kind of device"), words.device(declared.type), words.device(row.type)),
        _figure(_("Power"), declared.declared_kw, row.rated_kw, "kW"),
        _figure(_("Energy"), declared.declared_kwh, row.energy_kwh, "kWh"),
        Line(_("Maker and model"), "–", made or "–"),
        Line(_("In operation since"), "–", str(row.commissioned_on or "–")),
        Line(_("Behind the meter"), "–", row.primary_umid or "–"),
    ]


def _meter_rows(case: EnrollmentCase) -> list[tuple[str, list[Line]]]:
    rows = Meter.objects.filter(umid__in=case.meters[:_MOST_METERS])
    return [
        (
            row.umid,
            [
                Line(_("Sanctioned load"), "–", _kw(row.sanctioned_load_kw)),
                Line(_("Connection"), "–", row.connection_type.capitalize()),
                Line(_("Net meter"), "–", _("yes") if row.net_meter else _("no")),
            ],
        )
        for row in rows
    ]


def _line(what: str, declared: str, known: str) -> Line:
    return Line(what, declared or "–", known or "–", differs=bool(declared and known and declared != known))


def _figure(what: str, declared: float | None, known: float | None, unit: str) -> Line:
    both = declared is not None and known is not None
    return Line(what, _with(declared, unit), _with(known, unit), differs=both and declared != known)


def _with(value: Any, unit: str) -> str:
    return f"{value:g} {unit}" if value is not None else "–"


def _kw(value: float | None) -> str:
    return _with(value, "kW")
