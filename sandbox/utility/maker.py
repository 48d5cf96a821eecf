"""The sandbox's vehicle maker, at /maker/ of utility A: whose account a car is in, and whether its owner lets it tell.

`GET /maker/api/v1/devices?derId=…` for us (with the utility's token), `POST /maker/share {"derId", "shared"}` what the
owner does in the maker's app, `POST /maker/faults {"mode": "down|none"}`, and a page that shows the cars.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.utility.app import Answer, Request

_LOAD = re.compile(r"der-ev-(load-\d{6,9})")
NAME = "Vidyut Motors"
MAX_IDS = 50


class Maker:
    """Cars and chargers by their ids, each in somebody's account."""

    def __init__(self, file: Path) -> None:
        rows = json.loads(file.read_text()).get("makerDevices", [])
        self._devices: dict[str, dict[str, Any]] = {row["derId"]: _device(row) for row in rows}
        self._shared = {row["derId"]: bool(row.get("shared", True)) for row in rows}
        self._lock = threading.Lock()
        self.is_down = False

    def devices(self, der_ids: list[str]) -> list[dict[str, Any]]:
        """Those of the devices whose owner shares them."""
        with self._lock:
            found = (self._device_of(each) for each in dict.fromkeys(der_ids))
            return [device for device in found if device is not None and self._shared.get(device["derId"], True)]

    def _device_of(self, der_id: str) -> dict[str, Any] | None:
        """A device of the file, or the car `der-ev-load-000001` of `did:example:load-000001` and so on."""
        made_up = _LOAD.fullmatch(der_id)
        if made_up is None:
            return self._devices.get(der_id)
        row = {"derId": der_id, "type": "EV", "ratedKw": 7.4, "energyKwh": 40, "model": "V1", "serial": der_id}
        return _device({**row, "commissionedOn": "2023-04-01", "owner": f"did:example:{made_up[1]}"})

    def share(self, der_id: str, shared: bool) -> bool:
        with self._lock:
            if der_id not in self._devices:
                return False
            self._shared[der_id] = shared
            return True

    def page(self) -> str:
        rows = "".join(
            f"<tr><td>{escape(der_id)}</td><td>{escape(d['type'])}</td><td>{d['ratedKw']} kW</td>"
            f"<td>{escape(d['owner'])}</td><td>{'shared' if self._shared[der_id] else 'not shared'}</td></tr>"
            for der_id, d in self._devices.items()
        )
        return (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{NAME} (sandbox)</title><h1>{NAME}</h1>'
            "<p>A made-up maker of the sandbox. Whoever shares a device lets us tell the energy programs whose it is."
            "</p><table><tr><th>Device</th><th>Type</th><th>Power</th><th>In the account of</th><th></th></tr>"
            f"{rows}</table></html>"
        )


def routes(
    maker: Maker,
    *,
    authorize: Callable[[Request], None],
    answer_json: Callable[..., Answer],
    answer_page: Callable[[str], Answer],
) -> Mapping[tuple[str, str], Callable[[Request], Answer]]:
    """The maker's addresses, for the table of the process that serves it."""

    def devices(request: Request) -> Answer:
        if maker.is_down:
            return answer_json({"error": {"code": "DOWN", "message": "The maker is down."}}, 503)
        authorize(request)
        return answer_json({"ders": maker.devices(request.query.get("derId", [])[:MAX_IDS])})

    def share(request: Request) -> Answer:
        body = request.json()
        known = maker.share(str(body.get("derId", "")), bool(body.get("shared")))
        return answer_json({"derId": body.get("derId"), "shared": bool(body.get("shared"))}, 200 if known else 404)

    def fault(request: Request) -> Answer:
        maker.is_down = request.json().get("mode") == "down"
        return answer_json({"mode": "down" if maker.is_down else "none"})

    return {
        ("GET", "/maker/"): lambda _: answer_page(maker.page()),
        ("GET", "/maker"): lambda _: answer_page(maker.page()),
        ("GET", "/maker/api/v1/devices"): devices,
        ("POST", "/maker/share"): share,
        ("POST", "/maker/faults"): fault,
    }


def _device(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "derId": row["derId"],
        "type": row["type"],
        "ratedKw": row["ratedKw"],
        "energyKwh": row.get("energyKwh"),
        "manufacturer": NAME,
        "model": row["model"],
        "serialDigest": hashlib.sha256(row["serial"].encode()).hexdigest(),
        "commissionedOn": row["commissionedOn"],
        "bidirectional": row.get("bidirectional", False),
        "owner": row["owner"],
        "certificates": [],
    }
