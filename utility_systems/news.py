"""Two more systems of a utility: its billing, which is told of every enrolment, and its feed of changes.

Each has an address of its own (`billing_url`, `changes_url` of the utility's settings) and fails by itself: billing
that is down keeps nobody from enrolling. A utility without the address is not told, or not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import orjson
from django.conf import settings

from outbound import client
from utility_systems.answers import Part, UnusableAnswer
from utility_systems.ports import UtilityUnavailable

MAX_BYTES = 4 << 20


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
    configured = _configured(utility_id)
    return bool(configured is not None and configured.billing_url)


def has_feed(utility_id: str) -> bool:
    configured = _configured(utility_id)
    return bool(configured is not None and configured.changes_url)


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
    answer = _ask(utility_id, "billing", "POST", "", body)
    try:
        return Part(answer, "").text("acknowledgement")[:200]
    except UnusableAnswer as error:
        raise UtilityUnavailable(utility_id, "billing", reason=f"unusable answer ({error.field})") from error


def changes(utility_id: str, cursor: str, limit: int = 100) -> Changes:
    """The changes after `cursor` ("" from the beginning). Raises UtilityUnavailable."""
    answer = _ask(utility_id, "changes", "GET", "?" + urlencode({"cursor": cursor, "limit": limit}), None)
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


def _configured(utility_id: str) -> Any:
    return next((each for each in settings.UTILITIES if each.id == utility_id), None)


def _ask(utility_id: str, system: str, method: str, query: str, body: Any) -> Any:
    configured = _configured(utility_id)
    url = getattr(configured, f"{system}_url", "") if configured is not None else ""
    if not url:
        raise UtilityUnavailable(utility_id, system, reason="not configured")
    headers = {"Authorization": f"Bearer {configured.token}", "Accept": "application/json"}
    timeouts = {"connect_timeout": configured.connect_timeout, "read_timeout": configured.read_timeout}
    try:
        if method == "GET":
            response = client.get(url + query, headers=headers, max_bytes=MAX_BYTES, **timeouts)
        else:
            sent = {**headers, "Content-Type": "application/json"}
            response = client.post(url, body=orjson.dumps(body), headers=sent, **timeouts)
        if response.status not in (200, 201):
            raise UtilityUnavailable(utility_id, system, reason=f"status {response.status}")
        return response.json()
    except (client.OutboundError, ValueError) as error:
        raise UtilityUnavailable(utility_id, system, reason=type(error).__name__) from error
