"""What a case keeps of its commands between messages: one encrypted JSON value, wiped when the case ends.

`{"init": {...}, "evidence": [...], "status_entries": [...], "authority": {...}}`, and while a confirm waits for a
utility also `confirm` and `confirm_authority`. The credentials' bytes are kept only while an init waits, because only
then is the whole check made again. While persons decide, `facts`, `ends_at` and `at` are what the check stood on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
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
from enrollment.facts import DocumentFact, Evidence, Facts
from utility_systems.ports import (
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
)


def payload(
    command: PrepareEnrollment,
    authority: Authority,
    evidence: Sequence[Evidence],
    status_entries: Sequence[Mapping[str, Any] | None],
    *,
    keep_credentials: bool,
    stood_on: tuple[Facts, datetime | None, datetime] | None = None,
) -> dict[str, Any]:
    """`stood_on`: the facts of the check, the end asked for, and its moment; where persons decide."""
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
        **(
            {"facts": _kept_facts(stood_on[0]), **_plain({"ends_at": stood_on[1], "at": stood_on[2]})}
            if stood_on
            else {}
        ),
    }


def _kept_facts(facts: Facts) -> dict[str, Any]:
    """The facts without the evidence, which is kept beside them."""
    return {
        "meters": [_plain(asdict(each)) for each in facts.meters.values()],
        "ders": [_plain(asdict(each)) for each in facts.ders.values()],
        "subject_kind": facts.subject_kind,
        "documents": [_plain(asdict(each)) for each in facts.documents],
    }


def stood_on(kept: Mapping[str, Any]) -> tuple[Facts, datetime | None, datetime] | None:
    """What `payload` was given under this name; None where it was given nothing."""
    at = _instant(kept.get("at"))
    if "facts" not in kept or at is None:
        return None
    raw = kept["facts"]
    facts = Facts(
        meters={each["umid"]: _meter(each) for each in raw["meters"]},
        ders={each["der_id"]: _der(each) for each in raw["ders"]},
        evidence=evidence(kept),
        subject_kind=raw["subject_kind"],
        documents=tuple(DocumentFact(**{**each, **_instants(each, "valid_until")}) for each in raw["documents"]),
    )
    return facts, _instant(kept.get("ends_at")), at


def _meter(raw: Mapping[str, Any]) -> MeterFacts:
    holders = (Holder(**{**h, "role": Role(h["role"]), **_instants(h, "since", "until")}) for h in raw["holders"])
    numbers = (EarlierNumber(**{**n, **_instants(n, "since", "until")}) for n in raw["earlier_numbers"])
    words = {
        "connection_type": ConnectionType(raw["connection_type"]),
        "phase": Phase(raw["phase"]),
        "account_standing": Standing(raw["account_standing"]),
    }
    lists = {"holders": tuple(holders), "earlier_numbers": tuple(numbers)}
    return MeterFacts(**{**raw, **words, **lists, **_instants(raw, "as_of")})


def _der(raw: Mapping[str, Any]) -> DerFacts:
    certificates = (
        Certificate(**{**c, "kind": CertificateKind(c["kind"]), **_instants(c, "valid_from", "valid_until")})
        for c in raw["certificates"]
    )
    day = raw["commissioned_on"]
    return DerFacts(
        **{
            **raw,
            "certificates": tuple(certificates),
            "commissioned_on": date.fromisoformat(day) if day else None,
            **_instants(raw, "as_of"),
        }
    )


def _instants(raw: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: _instant(raw.get(name)) for name in names}


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
    """JSON-ready: instants and days as ISO 8601, tuples as lists, mappings as dicts."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
