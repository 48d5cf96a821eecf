"""What the provider found about each condition of a program, as the page "Can you join?" lists it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portals import reading

MET, NOT_MET, NEEDED = "MET", "NOT_MET", "NEEDED"
#: Refusals that come after every condition was looked at and met.
_AFTER_CONDITIONS = frozenset({"ENROLLMENT_CONFLICT", "CAPACITY_FULL", "DUPLICATE"})


@dataclass(frozen=True)
class Line:
    """A condition and how it stands: MET, NOT_MET, NEEDED (something of the customer's), "" while not looked at."""

    criterion: reading.Criterion
    state: str = ""
    actual: str = ""

    @property
    def kind(self) -> str:
        return self.criterion.kind


def checked(told: Mapping[str, Any], program: reading.ProgramView, locale: str) -> tuple[Line, ...]:
    """Each condition with what the provider found.

    A provider that says nothing of a condition and goes on has found it met, but those about devices while it still
    asks for something of theirs.
    """
    prepared = reading.prepared(told.get("on_init"), locale)
    conditions = prepared.findings or reading.selected(told.get("on_select"), locale).criteria or program.criteria
    failed = {_text(each.get("criterion")): each for each in _failed(prepared.refusal)}
    known = {each.kind for each in conditions}
    # A provider may find more than it lists: where a device's owner is known from, what a meter may feed in.
    unlisted = [
        Line(reading.Criterion(kind, {}, _text(each.get("needed"))), NOT_MET, _text(each.get("actual")))
        for kind, each in failed.items()
        if kind and kind not in known
    ]
    return (*unlisted, *(_line(each, prepared, failed) for each in conditions))


def _line(
    criterion: reading.Criterion, prepared: reading.PreparedView, failed: Mapping[str, Mapping[str, Any]]
) -> Line:
    if criterion.kind in failed:
        return Line(criterion, NOT_MET, _text(failed[criterion.kind].get("actual")))
    if criterion.result in (MET, NOT_MET):
        return Line(criterion, criterion.result, _text(criterion.actual))
    code = prepared.refusal.code if prepared.refusal else ""
    is_asking = prepared.state in (reading.Outcome.NEEDS_INPUT, reading.Outcome.IN_REVIEW)
    if criterion.kind.startswith("DER_"):
        if is_asking or code == "DER_NOT_CERTIFIED":
            return Line(criterion, NEEDED)
        if failed:
            return Line(criterion)  # looked at last, and not any more once something failed
    if is_asking or prepared.state is reading.Outcome.READY or failed or code in _AFTER_CONDITIONS:
        return Line(criterion, MET)
    return Line(criterion)


def _failed(refusal: reading.RefusalView | None) -> Sequence[Mapping[str, Any]]:
    failed = refusal.details.get("failed") if refusal else None
    return [each for each in failed if isinstance(each, Mapping)] if isinstance(failed, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
