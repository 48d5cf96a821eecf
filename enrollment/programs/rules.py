"""Which conflict groups may meet on one meter or device, and what a change of that would find among the living.

A rule binds whoever applies from now on; it ends nobody's enrolment. Therefore a change is simulated on live data
before it is saved, and saved only with the digest of what was shown. Source: spec conflicts, R1 to R3; decision 45.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from audit import chain, log
from audit.log import Action, Actor
from enrollment import claims
from enrollment.claims import Side
from enrollment.conflicts import CONTROL_GROUP
from enrollment.models import ConflictPair, Enrollment, Program, ProgramVersion
from enrollment.programs.checking import GROUP
from enrollment.programs.drafting import NotWritten
from enrollment.states import Control, VersionState

DENY, ALLOW = "DENY", "ALLOW"
#: What is more is told as "more than"; nothing is counted further.
MOST = 10_000
EXAMPLES = 10


class NotSimulated(NotWritten):
    """What the change would do is not what was shown, or nobody was shown it."""

    def __init__(self) -> None:
        super().__init__(_("What this change would do is not what you were shown. Read it again, then save."))


@dataclass(frozen=True)
class Meeting:
    """Two programs whose enrolments would conflict: how many pairs of enrolments."""

    program: str
    other: str
    count: int


@dataclass(frozen=True)
class Simulation:
    """What a change of the rules would find among living enrolments.

    `count` pairs of enrolments share a meter or device at a time, at most MOST + 1 of them counted; `examples` are
    pairs of order numbers. `digest` names the change and what was found.
    """

    change: Mapping[str, Any]
    count: int
    enrollments: int
    meetings: tuple[Meeting, ...]
    examples: tuple[tuple[str, str], ...]
    digest: str

    @property
    def is_more(self) -> bool:
        return self.count > MOST

    @property
    def shown(self) -> int:
        return min(self.count, MOST)


def groups(pairs: Mapping[tuple[str, str], str]) -> list[str]:
    """Every conflict group of a version that is published or being written, and of a pair of the table; in order."""
    states = [VersionState.DRAFT, VersionState.PUBLISHED]
    named = set(ProgramVersion.objects.filter(state__in=states).values_list("conflict_group", flat=True))
    named |= {group for pair in pairs for group in pair}
    return sorted(named - {"", CONTROL_GROUP})


def verdicts() -> dict[tuple[str, str], str]:
    """The pair table: (group, group) in alphabetical order → DENY or ALLOW."""
    return {(a, b): verdict for a, b, verdict in ConflictPair.objects.values_list("group_a", "group_b", "verdict")}


def verdict_on(first: str, second: str) -> str:
    """DENY where the two may not meet; a missing pair is ALLOW, a group with itself DENY (rule R1)."""
    if first == second:
        return DENY
    low, high = _in_order(first, second)
    return ConflictPair.objects.filter(group_a=low, group_b=high).values_list("verdict", flat=True).first() or ALLOW


def simulate_pair(first: str, second: str, verdict: str, now: datetime) -> Simulation:
    """What setting the pair to this verdict would find: under ALLOW nothing, for nobody is kept apart by it."""
    first, second = _pair(first, second, verdict)
    change = {"pair": [first, second], "before": verdict_on(first, second), "after": verdict}
    if verdict == ALLOW:
        return _simulation(change, ())
    sides = [
        (Side(first), Side(second)),
        # A device under direct control stands in CONTROL; its program's own group counts for the pair all the same.
        (Side(CONTROL_GROUP, program_group=first), Side(second)),
        (Side(first), Side(CONTROL_GROUP, program_group=second)),
    ]
    return _simulation(change, _meeting(sides, now))


def simulate_group(version: ProgramVersion, now: datetime) -> Simulation | None:
    """What the program's living enrolments would meet in the version's conflict group; None where nothing changes.

    They keep the group they were made in. What is found is what the same people would be refused for today.
    """
    program, wanted, is_direct = version.program, version.conflict_group, version.control == Control.DIRECT
    former = program.versions.filter(state=VersionState.PUBLISHED).first()
    if former is None or (former.conflict_group == wanted and (former.control == Control.DIRECT or not is_direct)):
        return None
    own = set(program.versions.exclude(state=VersionState.DRAFT).values_list("conflict_group", flat=True))
    sides: list[tuple[Side, Side]] = []
    if former.conflict_group != wanted:
        for target in sorted({wanted, *claims.denied_groups(wanted)}):
            for group in sorted({*own, CONTROL_GROUP} - {target}):
                sides.append((Side(group, program_pk=program.pk), Side(target, not_program_pk=program.pk)))
    if is_direct and former.control != Control.DIRECT:
        for group in sorted(own):
            mine = Side(group, program_pk=program.pk, kind="DER")
            sides.append((mine, Side(CONTROL_GROUP, not_program_pk=program.pk)))
    change = {
        "program": program.program_id,
        "before": [former.conflict_group, former.control],
        "after": [wanted, version.control],
        "denied": sorted(claims.denied_groups(wanted)),
    }
    return _simulation(change, _meeting(sides, now))


def save_pair(
    first: str, second: str, verdict: str, *, simulated: str, reason: str, actor: Actor, now: datetime
) -> Simulation:
    """Set the pair, once its simulation was shown. Raises NotSimulated where it comes out otherwise now, NotWritten."""
    if not reason.strip():
        raise NotWritten(_("Say why the rule is changed."))
    first, second = _pair(first, second, verdict)
    with transaction.atomic():
        before = ConflictPair.objects.select_for_update().filter(group_a=first, group_b=second).first()
        if (before.verdict if before is not None else ALLOW) == verdict:
            raise NotWritten(_("The rule says that already."))
        shown = simulate_pair(first, second, verdict, now)
        if shown.digest != simulated:
            raise NotSimulated
        pair, _made = ConflictPair.objects.update_or_create(
            group_a=first, group_b=second, defaults={"verdict": verdict}
        )
        log.record(
            Action.RULE_CHANGED,
            actor=actor,
            at=now,
            object_type="ConflictPair",
            object_id=f"{first}:{second}",
            before={"verdict": shown.change["before"]},
            after={"verdict": pair.verdict},
            details={
                "groups": [first, second],
                "from": shown.change["before"],
                "to": verdict,
                "would_conflict": shown.shown,
                "simulation": shown.digest,
                "reason": reason[:500],
            },
        )
    return shown


def _pair(first: str, second: str, verdict: str) -> tuple[str, str]:
    if not GROUP.match(first) or not GROUP.match(second) or CONTROL_GROUP in (first, second):
        raise NotWritten(_("A conflict group is capital letters, digits and underscores, like FLEX."))
    if first == second:
        raise NotWritten(_("A group is always kept apart from itself: choose two different ones."))
    if verdict not in (DENY, ALLOW):
        raise NotWritten(_("Say whether the two groups may meet."))
    return _in_order(first, second)


def _in_order(first: str, second: str) -> tuple[str, str]:
    return (first, second) if first < second else (second, first)


def _meeting(sides: Sequence[tuple[Side, Side]], now: datetime) -> list[claims.Together]:
    with transaction.atomic():
        return claims.living_together(sides, now, most=MOST + 1)


def _simulation(change: Mapping[str, Any], found: Sequence[claims.Together]) -> Simulation:
    pairs = sorted({(each.case_pk, each.other_case_pk): each for each in found}.items())
    by_program = Counter((each.program_pk, each.other_program_pk) for _key, each in pairs)
    names = dict(
        Program.objects.filter(pk__in={pk for pks in by_program for pk in pks}).values_list("pk", "program_id")
    )
    meetings = tuple(
        Meeting(names.get(mine, "?"), names.get(other, "?"), count)
        for (mine, other), count in sorted(by_program.items(), key=lambda item: (-item[1], item[0]))
    )
    shown = [key for key, _each in pairs[:EXAMPLES]]
    numbers = dict(
        Enrollment.objects.filter(case__in={pk for key in shown for pk in key}).values_list("case_id", "order_number")
    )
    examples = tuple((numbers.get(mine, "?"), numbers.get(other, "?")) for mine, other in shown)
    is_more = len(found) > MOST
    # Of more than is counted it is chance which were found: then the change and "more" is all there is to name.
    named = [] if is_more else [[each.program, each.other, each.count] for each in meetings]
    told = {"change": dict(change), "is_more": is_more, "found": named}
    return Simulation(
        change=change,
        count=MOST + 1 if is_more else len(pairs),
        enrollments=len({pk for key, _each in pairs for pk in key}),
        meetings=meetings,
        examples=examples,
        digest=chain.digest(told),
    )
