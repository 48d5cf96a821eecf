"""A customer's meters as a `select` with proof is told of them: `eligibility[]`, `availableDers[]` (decision 25)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from beckn.profiles.words import Json, instant_text
from enrollment.results import Assessment, Cell, CellAction, CellReason, DerLineInRegister

SHOWN = 4  # last characters of a meter's number


def assessment(found: Assessment | None, program_id: str, checked_at: datetime | None) -> Json:
    """The answer's part about the customer; nothing where nobody has shown who asks."""
    if found is None:
        return {}
    told: Json = {
        "eligibility": [_cell(cell, program_id) for cell in found.cells],
        "availableDers": [_der(der) for der in found.ders],
    }
    if found.unavailable:
        told["unavailableUtilities"] = list(found.unavailable)
    if checked_at is not None:
        told["eligibilityCheckedAt"] = instant_text(checked_at)
    return told


def _cell(cell: Cell, program_id: str) -> Json:
    told: Json = {
        "meterId": cell.umid,
        "utilityId": cell.utility_id,
        "programId": program_id,
        "cell": cell.state.value,
        "reasons": [_reason(reason) for reason in cell.reasons],
        "actions": [_action(action) for action in cell.actions],
    }
    if cell.earliest_start is not None:
        told["earliestStart"] = instant_text(cell.earliest_start)
    if cell.until is not None:
        told["until"] = instant_text(cell.until)
    if cell.enrollment_id:
        told["enrollmentId"] = cell.enrollment_id
    if cell.meter is not None:
        told["meter"] = _without_nothing(
            {
                "number": cell.meter.meter_number[-SHOWN:],
                "connectionType": cell.meter.connection_type.value,
                "sanctionedLoadKw": cell.meter.sanctioned_load_kw,
                "siteId": cell.meter.site_id,
            }
        )
    return told


def _reason(reason: CellReason) -> Json:
    return _without_nothing(
        {
            "code": reason.code,
            "text": reason.text,
            "criterion": reason.criterion,
            "actual": reason.actual,
            "needed": reason.needed,
        }
    )


def _action(action: CellAction) -> Json:
    return _without_nothing(
        {
            "type": action.type,
            "credentialType": action.credential_type,
            "consentType": action.consent_type,
            "derId": action.der_id,
        }
    )


def _der(der: DerLineInRegister) -> Json:
    is_in_kw = der.rated_kw is not None
    value = der.rated_kw if is_in_kw else der.energy_kwh
    told = _without_nothing(
        {
            "beckn:id": der.der_id,
            "beckn:type": der.type,
            "meterId": der.umid,
            "manufacturer": der.manufacturer,
            "model": der.model,
            "source": der.source,
        }
    )
    if value is not None:
        told["capacity"] = {"value": value, "unit": "kW" if is_in_kw else "kWh"}
    ends = {"validUntil": instant_text(der.certified_until)} if der.certified_until is not None else {}
    return told | {"certificate": {"status": der.certificate, **ends}}


def _without_nothing(values: dict[str, Any]) -> Json:
    return {key: value for key, value in values.items() if value not in ("", None)}
