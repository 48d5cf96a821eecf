"""The closed list of criteria that a program may ask of a meter or its holder (decision 54). Pure.

Each gives one finding: met or not, what is needed, and what is there instead.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from enrollment.commands import Authority
from enrollment.facts import METER_OWNERSHIP, Evidence, Facts, Finding, Outcome, is_current, one_of
from utility_systems.ports import MeterFacts

#: Roles that a subject may have at a meter, weakest last; METER_ROLE names those a program accepts.
METER_ROLES = ("OWNER", "HOLDER", "JOINT", "TENANT", "OPERATOR")


def _roles(meter: MeterFacts, subject_did: str, evidence: Sequence[Evidence], now: datetime) -> set[str]:
    roles: set[str] = {
        h.role
        for h in meter.holders
        if is_current(h.since, h.until, now) and (not h.subject_did or h.subject_did == subject_did)
    }
    for e in evidence:
        if e.type == METER_OWNERSHIP and e.claims.get("meterId") == meter.umid and e.claims.get("ownershipStatus"):
            roles.add(str(e.claims["ownershipStatus"]))
    return roles


def check(
    criterion: Mapping[str, Any],
    meter: MeterFacts,
    subject_did: str,
    evidence: Sequence[Evidence],
    facts: Facts,
    authority: Authority,
    now: datetime,
) -> Finding:
    kind, parameters = criterion["kind"], criterion.get("parameters") or {}
    if kind == "METER_ROLE":
        roles = _roles(meter, subject_did, evidence, now)
        wanted = set(parameters.get("anyOf", METER_ROLES))
        met, needed, actual = bool(roles & wanted), one_of(wanted), ", ".join(sorted(roles)) or "unknown"
    elif kind == "SUBJECT_KIND":
        wanted = set(parameters.get("anyOf", ()))
        met, needed, actual = facts.subject_kind in wanted, one_of(wanted), facts.subject_kind
    elif kind == "MIN_ACR":
        level = str(parameters.get("value", ""))
        met, needed, actual = _acr_at_least(authority.acr, level), f"sign-in level {level}", authority.acr or "none"
    else:
        met, needed, actual = _METER_CHECKS[kind](meter, parameters)
    text = criterion.get("text", "")
    return Finding(kind, meter.umid, Outcome.PASS if met else Outcome.FAIL, text or needed, "" if met else actual, text)


def _acr_at_least(acr: str, level: str) -> bool:
    if acr.isdigit() and level.isdigit():
        return int(acr) >= int(level)
    return acr == level


_Checked = tuple[bool, str, str]


def _utility(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ())
    return meter.utility_id in wanted, f"a meter of {one_of(wanted)}", meter.utility_id


def _region(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ())
    return meter.grid_area in wanted, f"a meter in {one_of(wanted)}", meter.grid_area or "unknown"


def _connection_type(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ())
    return meter.connection_type in wanted, f"a {one_of(wanted)} connection", meter.connection_type or "unknown"


def _interval_meter(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    return bool(meter.interval_capable), "an interval (smart) meter", "no interval meter"


def _net_meter(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    return bool(meter.net_meter), "a net meter", "no net meter"


def _sanctioned_load(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    low, high, load = p.get("fromKw"), p.get("toKw"), meter.sanctioned_load_kw
    needed = " ".join(
        ["a sanctioned load", *([f"from {low} kW"] if low is not None else []), *([f"up to {high} kW"] if high else [])]
    )
    if load is None:
        return False, needed, "unknown"
    return (low is None or load >= low) and (high is None or load <= high), needed, f"{load} kW"


def _account_standing(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    wanted = p.get("anyOf", ("GOOD",))
    standing = meter.account_standing or "UNKNOWN"
    return standing in wanted, f"account standing {one_of(wanted)}", standing


def _from_context(meter: MeterFacts, p: Mapping[str, Any]) -> _Checked:
    raise AssertionError("answered by _check from the subject, the evidence or the proof")


#: Criteria asked of each meter. A kind not listed here or in `DER_CRITERIA` cannot be published.
_METER_CHECKS = {
    "UTILITY": _utility,
    "REGION": _region,
    "CONNECTION_TYPE": _connection_type,
    "METER_ROLE": _from_context,
    "SUBJECT_KIND": _from_context,
    "MIN_ACR": _from_context,
    "INTERVAL_METER": _interval_meter,
    "NET_METER": _net_meter,
    "SANCTIONED_LOAD": _sanctioned_load,
    "ACCOUNT_STANDING": _account_standing,
}
DER_CRITERIA = frozenset({"DER_TYPE", "DER_CERTIFIED"})
#: The closed list of decision 54.
CRITERIA = frozenset(_METER_CHECKS) | DER_CRITERIA


def is_asked_of_meters(criterion: Mapping[str, Any]) -> bool:
    return criterion["kind"] in _METER_CHECKS
