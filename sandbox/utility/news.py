"""What this utility's billing is told, and what the utility tells: its feed of changes, and `/happen` to make them.

`POST /happen {"kind": "MOVE_OUT", "umid": "umid-001"}` changes the utility's records at once, puts a line into the
feed, and brings it to the program owner in a signed call as well (`"push": false` leaves it to the feed). Kept in
memory: a sandbox forgets, and begins another feed.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.utility.app import Answer, Request
    from sandbox.utility.people import People

OF_METERS = (
    "MOVE_OUT", "NEW_HOLDER", "METER_EXCHANGE", "SANCTIONED_LOAD", "ACCOUNT_STANDING", "DISCONNECTION", "RECONNECTION",
)  # fmt: skip
OF_DEVICES = ("CERTIFICATE_REVOKED", "CERTIFICATE_RENEWED")
UNTOLD = ("CERTIFICATE_RENEWED",)  # changes the register and stands in no feed: it is found when somebody looks
MAX_PAGE = 500
PUSH_SECONDS = 5.0
_STANDINGS = ("GOOD", "ARREARS", "CLOSED")


class Impossible(Exception):
    """What was asked cannot happen here; the text says why. `is_unknown`: there is no such meter or device."""

    def __init__(self, message: str, *, is_unknown: bool = False) -> None:
        super().__init__(message)
        self.is_unknown = is_unknown


class Billing:
    """Which meters are in which program, as it was told; the same notice sent again is answered as the first time."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock, self._lock = clock, threading.Lock()
        self._told: dict[str, dict[str, Any]] = {}

    def take(self, notice: Mapping[str, Any]) -> str:
        """Keep a notice; returns the reference by which it is acknowledged. Raises Impossible."""
        number = notice.get("noticeId")
        if not isinstance(number, str) or not number or not isinstance(notice.get("meters"), list):
            raise Impossible("A notice has a noticeId and its meters.")
        with self._lock:
            kept = self._told.get(number)
            if kept is None:
                reference = f"BILL-{len(self._told) + 1:06}"
                kept = {**notice, "acknowledgement": reference, "receivedAt": _iso(self._clock())}
                self._told[number] = kept
            return str(kept["acknowledgement"])

    def told(self, umid: str = "") -> list[dict[str, Any]]:
        """What came, oldest first; of one meter where it is named."""
        with self._lock:
            rows = list(self._told.values())
        return [row for row in rows if not umid or {"meterId": umid} in row["meters"]]


@dataclass(frozen=True)
class Webhook:
    """Where changes are brought by themselves, and the secret that signs them."""

    url: str
    secret: str

    def bring(self, change: Mapping[str, Any], now: datetime) -> int:
        """Send one change; returns the status of the answer, 0 where there is none."""
        body = json.dumps({"changes": [change]}, separators=(",", ":")).encode()
        at = str(int(now.timestamp()))
        digest = hmac.new(self.secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        headers = {"Content-Type": "application/json", "X-Utility-Signature": f"t={at},v1={digest}"}
        request = urllib.request.Request(self.url, body, headers, method="POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=PUSH_SECONDS) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as problem:
            return int(problem.code)
        except OSError:
            return 0


class Happenings:
    """The feed: what has happened at this utility since it started, oldest first."""

    def __init__(self, people: People, clock: Callable[[], datetime], webhook: Webhook | None) -> None:
        self._people, self._clock, self.webhook = people, clock, webhook
        self._lock = threading.Lock()
        self._feed = secrets.token_hex(4)  # in cursors and ids: after a restart old ones must not hide new changes
        self._changes: list[dict[str, Any]] = []

    def happen(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Let it happen now; returns the feed's line. Raises Impossible."""
        kind = str(asked.get("kind", ""))
        if kind not in OF_METERS + OF_DEVICES:
            raise Impossible("kind is one of " + ", ".join(OF_METERS + OF_DEVICES))
        with self._lock:
            now = self._clock()
            change = self._of_device(asked, now) if kind in OF_DEVICES else self._of_meter(kind, asked, now)
            change = {"changeId": f"{self._feed}-{len(self._changes) + 1}", "kind": kind, "at": _exact(now), **change}
            if kind not in UNTOLD:
                self._changes.append(change)
        return change

    def page(self, cursor: str, limit: int) -> dict[str, Any]:
        """The lines after `cursor`; one of a feed that is over begins at the beginning."""
        feed, _, number = cursor.partition("-")
        begin = int(number) if feed == self._feed and number.isdigit() else 0
        with self._lock:
            lines = self._changes[begin : begin + max(1, min(limit, MAX_PAGE))]
        return {"changes": lines, "cursor": f"{self._feed}-{begin + len(lines)}"}

    def _of_meter(self, kind: str, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        meter = self._people.meter(str(asked.get("umid", "")))
        if meter is None:
            raise Impossible("There is no such meter here.", is_unknown=True)
        said: dict[str, Any] = {"umid": meter["umid"]}
        if kind == "MOVE_OUT":
            meter = {**meter, "holders": _left(meter["holders"], now)}
        elif kind == "NEW_HOLDER":
            meter = {**meter, "holders": [*_left(meter["holders"], now), *self._new_holders(asked, now)]}
        elif kind == "METER_EXCHANGE":
            meter = _exchanged(meter, str(asked.get("newNumber") or ""), now)
            said["newNumber"] = meter["meterNumber"]
        elif kind == "SANCTIONED_LOAD":
            meter = {**meter, "sanctionedLoadKw": _kilowatts(asked)}
        elif kind == "ACCOUNT_STANDING":
            meter = {**meter, "accountStanding": _standing(asked)}
        elif kind == "DISCONNECTION":
            said["isPermanent"] = bool(asked.get("isPermanent"))
        self._people.put_meter(meter)
        return said

    def _new_holders(self, asked: Mapping[str, Any], now: datetime) -> list[dict[str, Any]]:
        subject = str(asked.get("subject", ""))
        if not subject.startswith("did:"):
            raise Impossible("subject is the DID of the new holder.")
        account = next((each.id for each in self._people.accounts_of(subject)), f"CUST-{subject.rpartition(':')[2]}")
        holder = {"subject": subject, "utilityCustomerId": account, "since": _exact(now), "until": None}
        return [{**holder, "role": role} for role in ("OWNER", "HOLDER")]

    def _of_device(self, asked: Mapping[str, Any], now: datetime) -> dict[str, Any]:
        der = self._people.der(str(asked.get("derId", "")))
        if der is None:
            raise Impossible("There is no such device here.", is_unknown=True)
        if asked["kind"] == "CERTIFICATE_RENEWED":
            dates = {"validFrom": _exact(now), "validUntil": None}
        else:
            dates = {"validUntil": _exact(now)}
        self._people.put_der({**der, "certificates": [{**each, **dates} for each in der["certificates"]]})
        return {"derId": der["derId"], "umid": der["umid"]}


def _left(holders: Sequence[Mapping[str, Any]], now: datetime) -> list[dict[str, Any]]:
    """The holders with everybody gone; whoever came this very moment was never there."""
    at = _exact(now)
    return [{**each, "until": each["until"] or at} for each in holders if each["since"] != at]


def _exchanged(meter: Mapping[str, Any], number: str, now: datetime) -> dict[str, Any]:
    earlier = meter.get("earlierNumbers", [])
    since = earlier[-1]["until"] if earlier else meter["holders"][0]["since"]
    old = {"number": meter["meterNumber"], "since": since, "until": _exact(now)}
    new = number or f"{meter['meterNumber'].partition('/')[0]}/{len(earlier) + 2}"
    return {**meter, "meterNumber": new, "earlierNumbers": [*earlier, old]}


def _kilowatts(asked: Mapping[str, Any]) -> float:
    try:
        value = float(asked.get("sanctionedLoadKw", ""))
    except (TypeError, ValueError):
        value = 0.0
    if not 0 < value < 100_000:
        raise Impossible("sanctionedLoadKw is a number of kilowatts.")
    return value


def _standing(asked: Mapping[str, Any]) -> str:
    if asked.get("standing") not in _STANDINGS:
        raise Impossible("standing is one of " + ", ".join(_STANDINGS))
    return str(asked["standing"])


def _iso(instant: datetime) -> str:
    return instant.replace(microsecond=0).isoformat().replace("+00:00", "Z")


def _exact(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


# --- addresses -------------------------------------------------------------------------------------------------------


def routes(
    billing: Billing,
    happenings: Happenings,
    *,
    authorize: Callable[[Request], None],
    answer_json: Callable[..., Answer],
    answer_page: Callable[[str], Answer],
    clock: Callable[[], datetime],
) -> Mapping[tuple[str, str], Callable[[Request], Answer]]:
    """Billing and the feed, for the table of the process that serves them."""

    def told(request: Request) -> Answer:
        authorize(request)
        try:
            return answer_json({"acknowledgement": billing.take(request.json())})
        except Impossible as problem:
            return answer_json(_error(problem), 400)

    def list_told(request: Request) -> Answer:
        return answer_json({"enrolments": billing.told((request.query.get("umid") or [""])[0])})

    def changes(request: Request) -> Answer:
        authorize(request)
        limit = (request.query.get("limit") or ["100"])[0]
        return answer_json(
            happenings.page((request.query.get("cursor") or [""])[0], int(limit) if limit.isdigit() else 100)
        )

    def happen(request: Request) -> Answer:
        asked = request.json()
        try:
            change = happenings.happen(asked)
        except Impossible as problem:
            return answer_json(_error(problem), 404 if problem.is_unknown else 400)
        brought = None
        if asked.get("push", True) and happenings.webhook is not None:
            brought = happenings.webhook.bring(change, clock())
        return answer_json({**change, "broughtWithStatus": brought})

    return {
        ("POST", "/billing/enrolments"): told,
        ("GET", "/told"): list_told,
        ("GET", "/changes/feed"): changes,
        ("POST", "/happen"): happen,
        ("GET", "/news"): lambda _: answer_page(page(billing.told(), happenings.page("", MAX_PAGE)["changes"])),
    }


def _error(problem: Impossible) -> dict[str, Any]:
    return {"error": {"code": "NOT_FOUND" if problem.is_unknown else "MALFORMED", "message": str(problem)}}


def page(told: Sequence[Mapping[str, Any]], changes: Sequence[Mapping[str, Any]]) -> str:
    """What billing was told and what has happened, newest first, as the rows of a page."""
    notices = "".join(
        f"<tr><td>{escape(row['receivedAt'])}</td><td>{escape(str(row.get('event', '')))}</td>"
        f"<td>{escape(', '.join(str(m.get('meterId', '')) for m in row['meters']))}</td>"
        f"<td>{escape(str(row.get('programId', '')))}{' (tariff)' if row.get('tariffFlag') else ''}</td>"
        f"<td>{escape(row['acknowledgement'])}</td></tr>"
        for row in reversed(told)
    )
    lines = "".join(
        f"<tr><td>{escape(row['at'])}</td><td>{escape(row['kind'])}</td>"
        f"<td>{escape(str(row.get('derId') or row.get('umid', '')))}</td></tr>"
        for row in reversed(changes)
    )
    example = """curl -X POST …/happen -H 'Content-Type: application/json' \\
  -d '{"kind": "METER_EXCHANGE", "umid": "umid-001"}'"""
    return (
        "<h1>Billing and changes</h1><h2>What billing was told</h2>"
        + (f"<table>{notices}</table>" if notices else "<p>Nothing yet.</p>")
        + "<h2>What has happened</h2>"
        + (f"<table>{lines}</table>" if lines else "<p>Nothing yet.</p>")
        + f"<h2>Make something happen</h2><p>kind: {', '.join(OF_METERS + OF_DEVICES)}</p><pre>{escape(example)}</pre>"
    )
