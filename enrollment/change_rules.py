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
from utility_systems.ports import MeterFacts

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


def is_still_theirs(meter: MeterFacts | None, subject_did: str, now: datetime) -> bool:
    """Does the utility's record, read now, still know this person at the meter? One without the meter knows nobody."""
    return meter is not None and meter.holder(subject_did, now) is not None


#: Conditions that a change at the meter may touch; the others are proven by the person and stay proven.
_OF_THE_METER = frozenset(
    {"UTILITY", "REGION", "CONNECTION_TYPE", "INTERVAL_METER", "NET_METER", "SANCTIONED_LOAD", "ACCOUNT_STANDING"}
)


def not_met(criteria: Sequence[Mapping[str, Any]], meter: MeterFacts, now: datetime) -> tuple[Finding, ...]:
    """The program's conditions that the meter, as it is now, does not meet."""
    facts, nobody = Facts({meter.umid: meter}, {}, ()), Authority("")
    found = (check(c, meter, "", (), facts, nobody, now) for c in criteria if c["kind"] in _OF_THE_METER)
    return tuple(finding for finding in found if not finding.is_met)
