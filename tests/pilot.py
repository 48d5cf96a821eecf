"""The public pilot's own schemas and samples, where they lie beside the project; nothing of them is kept in it.

Found through PILOT_PAYLOADS, else beside the repository in shared/payloads/pilot. Tests that need them ask for the
fixture `pilot` and are skipped with the reason where they are absent.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

FOLDER = Path(os.environ.get("PILOT_PAYLOADS", "") or Path(__file__).parents[2] / "shared" / "payloads" / "pilot")
ABSENT = f"the pilot's schemas are not here ({FOLDER}); PILOT_PAYLOADS names another folder"
DOMAIN = "beckn.one:deg:p2p-enrollment:2.0.0"

Json = dict[str, Any]


@dataclass
class Pilot:
    """What the pilot published."""

    folder: Path

    def sample(self, name: str) -> Json:
        return dict(json.loads((self.folder / f"{name}.json").read_text()))

    def problems(self, message: Mapping[str, Any]) -> list[str]:
        """What is wrong with a message or callback by the pilot's schemas, with the places; empty when nothing is."""
        content, found = message["message"], []
        for order in [*([content["order"]] if "order" in content else []), *content.get("orders", [])]:
            found += self._hold(self._core, "Order", order, "order")
            fulfillment = order.get("beckn:fulfillment", {})
            for name, attributes in (
                ("orderAttributes", order.get("beckn:orderAttributes")),
                ("deliveryAttributes", fulfillment.get("beckn:deliveryAttributes")),
            ):
                if attributes is not None:
                    found += self._hold(self._enrollment, "EnergyEnrollment", attributes, name)
        for place, catalog in enumerate(content.get("catalogs", [])):
            found += self._hold(self._core, "Catalog", catalog, f"catalogs[{place}]")
        if "support" in content:
            found += self._hold(self._core, "SupportInfo", content["support"], "support")
        if "error" in message:
            found += self._hold(self._core, "Error", message["error"], "error")
        return found

    def known_attributes(self) -> set[str]:
        """The keys of `orderAttributes` that the pilot names."""
        return set(self._enrollment["components"]["schemas"]["EnergyEnrollment"]["properties"])

    def _hold(self, document: Json, name: str, value: Any, place: str) -> list[str]:
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"#/components/schemas/{name}",
            "components": document["components"],
        }
        validator = jsonschema_rs.validator_for(schema, validate_formats=True)
        return [f"{place}: {e.instance_path}: {e.message[:200]}" for e in validator.iter_errors(value)]

    @cached_property
    def _core(self) -> Json:
        return dict(yaml.safe_load((self.folder / "core-v2.yaml").read_text()))

    @cached_property
    def _enrollment(self) -> Json:
        return dict(yaml.safe_load((self.folder / "energy-enrollment-v0.2.yaml").read_text()))
