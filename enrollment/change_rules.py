"""What follows from a change at a utility: the named rules, one table. Pure.

| kind | what follows |
|---|---|
| MOVE_OUT, NEW_HOLDER | ENDS the enrolments of whoever the utility's own record no longer knows at the meter |
| METER_EXCHANGE, SANCTIONED_LOAD, ACCOUNT_STANDING | RECHECKS the program's conditions of the meter: not met suspends |
| DISCONNECTION | SUSPENDS, with 30 days to be connected again; a permanent one ENDS |
| RECONNECTION | RESUMES what a disconnection suspended |
| CERTIFICATE_REVOKED | SUSPENDS for the device's certificate, with 30 days to repair it (personas 6) |

Whatever else a utility tells is kept and changes nothing. Source: issue 4 (8), personas R-P4.6, P4-8, R-P6.6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from enrollment.commands import Authority
from enrollment.criteria import check
from enrollment.facts import Facts, Finding
from utility_systems.ports import Holder, MeterFacts

REPAIR = timedelta(days=30)


class Follows(StrEnum):
    END = "END"
    RECHECK = "RECHECK"
    SUSPEND = "SUSPEND"
    RESUME = "RESUME"
    CERTIFICATE = "CERTIFICATE"
    NOTHING = "NOTHING"


@dataclass(frozen=True)
class Rule:
    """`reason` is the code that the enrolment then carries, `sentence` what its BAP is told."""

    follows: Follows
    reason: str = ""
    sentence: str = ""


CRITERIA_NOT_MET = "CRITERIA_NOT_MET"
DISCONNECTED = "DISCONNECTED"
_NOTHING = Rule(Follows.NOTHING)
_RULES: Mapping[str, Rule] = {
    "MOVE_OUT": Rule(Follows.END, "MOVED_OUT"),
    "NEW_HOLDER": Rule(Follows.END, "HOLDER_CHANGED"),
    "METER_EXCHANGE": Rule(Follows.RECHECK, CRITERIA_NOT_MET),
    "SANCTIONED_LOAD": Rule(Follows.RECHECK, CRITERIA_NOT_MET),
    "ACCOUNT_STANDING": Rule(Follows.RECHECK, CRITERIA_NOT_MET),
    "DISCONNECTION": Rule(Follows.SUSPEND, DISCONNECTED, "The utility has disconnected the meter."),
    "RECONNECTION": Rule(Follows.RESUME, DISCONNECTED, "The meter is connected again: the enrollment goes on."),
    "CERTIFICATE_REVOKED": Rule(Follows.CERTIFICATE),
}


def rule_for(kind: str, *, is_permanent: bool = False) -> Rule:
    rule = _RULES.get(kind, _NOTHING)
    return Rule(Follows.END, rule.reason) if is_permanent and rule.follows is Follows.SUSPEND else rule


@dataclass(frozen=True)
class Known:
    """By what names a utility may know the person of an enrolment; `enrolled_at`: it certainly did then."""

    dids: frozenset[str]
    accounts: frozenset[str]
    enrolled_at: datetime

    def is_(self, holder: Holder) -> bool:
        """Does the record name this person here, by DID or by account?"""
        return holder.subject_did in self.dids or holder.utility_customer_id in self.accounts


def is_still_theirs(meter: MeterFacts | None, person: Known, now: datetime) -> bool:
    """Does the utility's record, read now, still know this person at the meter? One without the meter knows nobody.

    A record that names no people by DIDs, of somebody whose account we do not know, can only say whether whoever was
    there when they enrolled still is.
    """
    present = meter.holders_at(now) if meter is not None else ()
    if any(map(person.is_, present)):
        return True
    return not person.accounts and any(not h.subject_did and h.since <= person.enrolled_at for h in present)


#: Conditions that a change at the meter may touch; the others are proven by the person and stay proven.
_OF_THE_METER = frozenset(
    {"UTILITY", "REGION", "CONNECTION_TYPE", "INTERVAL_METER", "NET_METER", "SANCTIONED_LOAD", "ACCOUNT_STANDING"}
)


def not_met(criteria: Sequence[Mapping[str, Any]], meter: MeterFacts, now: datetime) -> tuple[Finding, ...]:
    """The program's conditions that the meter, as it is now, does not meet."""
    facts, nobody = Facts({meter.umid: meter}, {}, ()), Authority("")
    found = (check(c, meter, "", (), facts, nobody, now) for c in criteria if c["kind"] in _OF_THE_METER)
    return tuple(finding for finding in found if not finding.is_met)
