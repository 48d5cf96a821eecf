"""Two more systems of a utility: its billing, which is told of every enrolment, and its feed of changes.

Each has an address of its own (`billing_url`, `changes_url` of the utility's settings) and fails by itself: billing
that is down keeps nobody from enrolling. A utility without the address is not told, or not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from utility_systems import registry
from utility_systems.answers import Part, UnusableAnswer
from utility_systems.mapping import BadCipher
from utility_systems.ports import UtilityUnavailable
from utility_systems.transport import Declined, Pairs, System


@dataclass(frozen=True, slots=True)
class EnrollmentNotice:
    """What billing is told: which meters are in which program from when, and whether a tariff goes with it.

    `event` is STARTED, CHANGED, SUSPENDED, RESUMED or ENDED; the same `notice_id` is the same notice, sent again.
    """

    notice_id: str
    enrollment_id: str
    order_number: str
    event: str
    effective_at: datetime
    meters: tuple[str, ...]
    program_id: str
    is_tariff: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened at a utility: `kind` is a word of enrollment.change_rules, `at` when it took effect."""

    change_id: str
    kind: str
    at: datetime
    umid: str = ""
    der_id: str = ""
    details: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Changes:
    """A page of the feed, oldest first; `cursor` is where the next one begins."""

    items: tuple[Change, ...]
    cursor: str


def has_billing(utility_id: str) -> bool:
    return _system(utility_id, "billing") is not None


def has_feed(utility_id: str) -> bool:
    return _system(utility_id, "changes") is not None


def tell(utility_id: str, notice: EnrollmentNotice) -> str:
    """Tell billing; returns the reference by which it acknowledges. Raises UtilityUnavailable."""
    body = {
        "noticeId": notice.notice_id,
        "enrollmentId": notice.enrollment_id,
        "orderNumber": notice.order_number,
        "event": notice.event,
        "effectiveAt": notice.effective_at.isoformat(),
        "meters": [{"meterId": umid} for umid in notice.meters],
        "programId": notice.program_id,
        "tariffFlag": notice.is_tariff,
        **({"reason": notice.reason} if notice.reason else {}),
    }
    answer = _ask(utility_id, "billing", "POST", body=body)
    try:
        return Part(answer, "").text("acknowledgement")[:200]
    except UnusableAnswer as error:
        raise UtilityUnavailable(utility_id, "billing", reason=f"unusable answer ({error.field})") from error


def changes(utility_id: str, cursor: str, limit: int = 100) -> Changes:
    """The changes after `cursor` ("" from the beginning). Raises UtilityUnavailable."""
    answer = _ask(utility_id, "changes", "GET", [("cursor", cursor), ("limit", str(limit))])
    try:
        return read_changes(answer)
    except UnusableAnswer as error:
        raise UtilityUnavailable(utility_id, "changes", reason=f"unusable answer ({error.field})") from error


def read_changes(answer: Any) -> Changes:
    """A page of a feed, or what a webhook brings. Raises UnusableAnswer."""
    part = Part(answer, "")
    return Changes(part.each("changes", _change), part.optional_text("cursor"))


def _change(part: Part) -> Change:
    return Change(
        change_id=part.text("changeId")[:200],
        kind=part.text("kind")[:40],
        at=part.instant("at"),
        umid=part.optional_text("umid")[:200],
        der_id=part.optional_text("derId")[:200],
        details={
            "newNumber": part.optional_text("newNumber"),
            "isPermanent": part.flag("isPermanent") if part.has("isPermanent") else False,
        },
    )


def _ask(utility_id: str, name: str, method: str, query: Pairs = (), body: Mapping[str, Any] | None = None) -> Any:
    system = _system(utility_id, name)
    if system is None:
        raise UtilityUnavailable(utility_id, name, reason="not configured")
    try:
        return system.ask(method, "", query=query, body=body)
    except (Declined, BadCipher) as problem:
        raise UtilityUnavailable(utility_id, name, reason=str(problem)) from problem


def _system(utility_id: str, name: str) -> System | None:
    try:
        return registry.system(utility_id, name)
    except registry.UnknownUtility:
        return None
