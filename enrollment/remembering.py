"""What a case keeps of its commands between messages: one encrypted JSON value, wiped when the case ends.

`{"init": {...}, "evidence": [...], "status_entries": [...], "authority": {...}}`, and while a confirm waits for a
utility also `confirm` and `confirm_authority`. The credentials' bytes are kept only while an init waits, because only
then is the whole check made again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from enrollment.commands import (
    Assistance,
    Authority,
    ConfirmEnrollment,
    ConsentGrant,
    DerRef,
    MeterRef,
    OrderRef,
    PrepareEnrollment,
    PresentedCredential,
    ProvenIdentity,
)
from enrollment.facts import Evidence


def payload(
    command: PrepareEnrollment,
    authority: Authority,
    evidence: Sequence[Evidence],
    status_entries: Sequence[Mapping[str, Any] | None],
    *,
    keep_credentials: bool,
) -> dict[str, Any]:
    init = _plain(asdict(command))
    # The person's name and contact are kept with the subject, once; the existing enrolments were only hints.
    init["existing"] = []
    if not keep_credentials:
        init["person"] = {}
        init["credentials"] = [{**c, "data": ""} for c in init["credentials"]]
    return {
        "init": init,
        "authority": _plain(asdict(authority)),
        "evidence": [_plain(asdict(e)) for e in evidence],
        "status_entries": list(status_entries),
    }


def with_confirm(kept: Mapping[str, Any], command: ConfirmEnrollment, authority: Authority) -> dict[str, Any]:
    return {**kept, "confirm": _plain(asdict(command)), "confirm_authority": _plain(asdict(authority))}


def with_authority(kept: Mapping[str, Any], authority: Authority) -> dict[str, Any]:
    return {**kept, "authority": _plain(asdict(authority))}


def init_command(kept: Mapping[str, Any]) -> PrepareEnrollment:
    raw = dict(kept["init"])
    return PrepareEnrollment(
        **{
            **raw,
            "order": OrderRef(**raw["order"]),
            "meters": tuple(MeterRef(**m) for m in raw["meters"]),
            "ders": tuple(DerRef(**d) for d in raw["ders"]),
            "credentials": tuple(PresentedCredential(**c) for c in raw["credentials"]),
            "existing": (),
            "documents": tuple(raw.get("documents", ())),
            "starts_at": _instant(raw["starts_at"]),
            "ends_at": _instant(raw["ends_at"]),
            "assisted_by": Assistance(**raw["assisted_by"]) if raw["assisted_by"] else None,
        }
    )


def meters(kept: Mapping[str, Any], umids: Sequence[str]) -> tuple[MeterRef, ...]:
    """The meters of the init that are still wanted, with the utility each was named at."""
    return tuple(meter for meter in init_command(kept).meters if meter.umid in set(umids))


def confirm_command(kept: Mapping[str, Any]) -> ConfirmEnrollment:
    raw = dict(kept["confirm"])
    return ConfirmEnrollment(
        **{
            **raw,
            "order": OrderRef(**raw["order"]),
            "meters": tuple(raw["meters"]) if raw["meters"] is not None else None,
            "starts_at": _instant(raw["starts_at"]),
            "ends_at": _instant(raw["ends_at"]),
            "consents": tuple(ConsentGrant(**{**c, "meters": tuple(c["meters"])}) for c in raw["consents"]),
            "assisted_by": Assistance(**raw["assisted_by"]) if raw["assisted_by"] else None,
        }
    )


def confirm_authority(kept: Mapping[str, Any]) -> Authority:
    return authority({"authority": kept["confirm_authority"]})


def authority(kept: Mapping[str, Any]) -> Authority:
    raw = dict(kept["authority"])
    identities = tuple(_identity(each) for each in raw.get("identities", ()))
    return Authority(**{**raw, "asserts_utilities": tuple(raw["asserts_utilities"]), "identities": identities})


def _identity(raw: Mapping[str, Any]) -> ProvenIdentity:
    lists = {name: tuple(raw[name]) for name in ("meter_ids", "utility_customer_ids")}
    return ProvenIdentity(**{**raw, **lists, "auth_time": _instant(raw["auth_time"])})


def evidence(kept: Mapping[str, Any]) -> tuple[Evidence, ...]:
    names = {f.name for f in fields(Evidence)}
    return tuple(_evidence({k: v for k, v in e.items() if k in names}) for e in kept["evidence"])


def _evidence(raw: Mapping[str, Any]) -> Evidence:
    known = {
        "trusted_utilities": tuple(raw.get("trusted_utilities", ())),
        "valid_until": _instant(raw.get("valid_until")),
    }
    return Evidence(**{**raw, **known})


def _instant(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _plain(value: Any) -> Any:
    """JSON-ready: instants as ISO 8601, tuples as lists, mappings as dicts."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
