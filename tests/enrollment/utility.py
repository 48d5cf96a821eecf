"""A small utility over HTTP: the meters and DERs a test tells it, its status list, and its bad days.

Speaks the API that utility_systems.rest asks; a real server, so that silence, errors and slowness are real too.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from django.db import connections

from audit import clock
from sandbox import issuing
from tests.factories import LONG_AGO, RAJESH, UTILITY_A, UTILITY_B
from utility_systems.ports import DerFacts, MeterFacts

ISSUER = "did:example:utility-credential-issuer"


class Utility:
    """What the server knows. `is_down`: it answers 503; `seconds`: how long it takes; `asked`: the paths it got."""

    def __init__(self) -> None:
        self.key = issuing.make_key("ES256")
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        self.forget()

    def forget(self) -> None:
        self.is_down = False
        self.lists_are_down = False
        self.seconds = 0.0
        self.asked: list[str] = []
        self.meters: dict[str, MeterFacts] = {}
        self.ders: dict[str, DerFacts] = {}
        self.revoked: set[int] = set()
        self.billing_is_down = False
        self.told: list[dict[str, Any]] = []  # what billing got, oldest first
        self.notices: list[dict[str, Any]] = []  # what its customers were told
        self.codes: list[dict[str, Any]] = []  # whom it was to send a code; all are 123456, and Rajesh's
        self.changes: list[dict[str, Any]] = []  # its feed
        self._meanwhile: Callable[[], object] | None = None

    def meanwhile(self, do: Callable[[], object]) -> None:
        """Do this once, in another thread with its own database connection, before the next answer is given."""
        self._meanwhile = do

    def knows(self, *things: MeterFacts | DerFacts) -> None:
        for each in things:
            if isinstance(each, MeterFacts):
                self.meters[each.umid] = each
            else:
                self.ders[each.der_id] = each

    def status_entry(self, index: int) -> dict[str, str]:
        return issuing.status_entry(f"{self.base}/status/1", index)

    def answer(self, target: str) -> tuple[int, str, bytes]:
        self.asked.append(target)
        parts, query = urlsplit(target), parse_qs(urlsplit(target).query)
        time.sleep(self.seconds)
        do, self._meanwhile = self._meanwhile, None
        if do is not None:
            do()
            connections.close_all()
        if parts.path == "/status/1":
            return (503, "text/plain", b"") if self.lists_are_down else (200, "application/vc+jwt", self._list())
        if self.is_down:
            return 503, "text/plain", b"out of order"
        _, utility_id, rest = parts.path.split("/", 2)
        if rest == "changes":
            begin = int(query.get("cursor", ["0"])[0] or 0)
            page = [] if utility_id != UTILITY_A else self.changes[begin : begin + int(query["limit"][0])]
            return _json({"changes": page, "cursor": str(begin + len(page))})
        if rest == "api/v1/meters" and "customer" in query:
            held = [
                m for m in self.meters.values() if any(h.utility_customer_id == query["customer"][0] for h in m.holders)
            ]
            return _json({"meters": [_meter(m) for m in held if m.utility_id == utility_id]})
        if rest == "api/v1/meters":
            found = (self.meters.get(umid) for umid in query["umid"])
            return _json({"meters": [_meter(m) for m in found if m and m.utility_id == utility_id]})
        if rest == "api/v1/ders" and utility_id == UTILITY_A:
            if "meter" in query:
                return _json({"ders": [_der(d) for d in self.ders.values() if d.umid in query["meter"]]})
            return _json({"ders": [_der(d) for d in map(self.ders.get, query["derId"]) if d]})
        return _json({"ders": []})

    def take(self, target: str, body: Any) -> tuple[int, str, bytes]:
        """What is posted: to billing, or to the notices for its customers."""
        if target.endswith("/billing"):
            if self.billing_is_down:
                return 503, "text/plain", b"out of order"
            if not any(each["noticeId"] == body["noticeId"] for each in self.told):
                self.told.append(body)
            return _json({"acknowledgement": f"ack-{len(self.told)}"})
        if target.endswith("/otp/generate"):
            self.codes.append(body)
            ends = clock.now() + timedelta(minutes=5)
            session = {"nguid": f"nguid-{len(self.codes)}", "expiresAt": ends.isoformat(), "attempts": 5}
            return _json({**session, "maskedTo": ""})
        if target.endswith("/otp/verify"):
            is_right = body["otp"] == "123456"
            whose = {"subject": RAJESH, "utilityCustomerId": "CUST-123456"} if is_right else {"attemptsLeft": 4}
            return _json({"verified": is_right, **whose})
        self.notices.append(body)
        return _json({"sent": True})

    def _list(self) -> bytes:
        return issuing.sign_status_list(
            self.key,
            issuer=ISSUER,
            url=f"{self.base}/status/1",
            set_indexes=self.revoked,
            now=LONG_AGO,
            valid_until=LONG_AGO + timedelta(days=7300),
        ).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        utility = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                posted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(*utility.take(self.path, posted))

            def do_GET(self) -> None:
                self._answer(*utility.answer(self.path))

            def _answer(self, status: int, kind: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Cache-Control", "no-store")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def as_configured(utility: Utility, token: str, *, with_news: bool = False) -> list[Any]:
    """settings.UTILITIES for both utilities; another token is another configuration, with a circuit of its own.

    `with_news`: their billing is told of enrolments, and their feeds are read.
    """

    def news(each: str) -> dict[str, str]:
        if not with_news:
            return {}
        base = f"{utility.base}/{each}"
        return {"billing_url": f"{base}/billing", "changes_url": f"{base}/changes", "changes_secret": f"secret-{each}"}

    from config.env import Utility as Configured

    return [
        Configured(
            id=each, time_zone="Asia/Kolkata", url=f"{utility.base}/{each}", token=token, read_timeout=2, **news(each)
        )
        for each in (UTILITY_A, UTILITY_B)
    ]


def _json(content: Mapping[str, Any]) -> tuple[int, str, bytes]:
    return 200, "application/json", json.dumps(content).encode()


def _meter(m: MeterFacts) -> dict[str, Any]:
    return {
        "umid": m.umid,
        "utilityId": m.utility_id,
        "meterNumber": m.meter_number,
        "connectionType": m.connection_type.value,
        "phase": m.phase.value,
        "sanctionedLoadKw": m.sanctioned_load_kw,
        "intervalCapable": m.interval_capable,
        "netMeter": m.net_meter,
        "siteId": m.site_id,
        "gridArea": m.grid_area,
        "accountStanding": m.account_standing.value,
        "holders": [
            {
                "subject": h.subject_did,
                "utilityCustomerId": h.utility_customer_id,
                "role": h.role.value,
                "since": _instant(h.since),
                "until": _instant(h.until),
            }
            for h in m.holders
        ],
        "asOf": _instant(m.as_of),
    }


def _der(d: DerFacts) -> dict[str, Any]:
    return {
        "derId": d.der_id,
        "type": d.type,
        "ratedKw": d.rated_kw,
        "energyKwh": d.energy_kwh,
        "manufacturer": d.manufacturer,
        "model": d.model,
        "serialDigest": d.serial_digest,
        "commissionedOn": d.commissioned_on.isoformat() if d.commissioned_on else None,
        "umid": d.umid,
        "bidirectional": d.bidirectional,
        "owner": d.owner_did,
        "certificates": [
            {
                "kind": c.kind.value,
                "issuer": c.issuer,
                "capacityKw": c.capacity_kw,
                "validFrom": _instant(c.valid_from),
                "validUntil": _instant(c.valid_until),
            }
            for c in d.certificates
        ],
    }


def _instant(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
