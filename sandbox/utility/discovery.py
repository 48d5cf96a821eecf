"""A discovery service of the sandbox: takes a BPP's catalogues, checks who signed them, and shows what it knows."""

import json
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from sandbox.journey import wire

Keys = Callable[[Any, Any], list[dict[str, Any]]]


class Refused(Exception):
    """The message is not taken; the text says why."""


class Discovery:
    """The catalogues of each BPP as it last sent them, newest message wins. Kept in memory: a sandbox forgets."""

    def __init__(self, keys: Keys, clock: Callable[[], datetime]) -> None:
        self._keys, self._clock = keys, clock
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}

    def publish(self, authorization: str, body: bytes) -> None:
        """Take a signed `catalog_publish`. Raises Refused."""
        try:
            subscriber_id, key_id = wire.signer_of(authorization)
            keys = self._keys(subscriber_id, key_id)
            if not keys:
                raise Refused(f"{subscriber_id}|{key_id} is in no registry.")
            wire.verify(authorization, body, public_key=keys[0]["signing_public_key"], now=self._clock())
            message = json.loads(body)
            context = message["context"]
            if context["action"] != "catalog_publish" or context["bpp_id"] != subscriber_id:
                raise Refused("The context names another action or sender.")
            self._keep(subscriber_id, context, message["message"]["catalogs"])
        except (wire.BadSignature, KeyError, TypeError, ValueError) as problem:
            raise Refused(str(problem)) from None

    def _keep(self, bpp_id: str, context: Mapping[str, Any], catalogs: Any) -> None:
        with self._lock:
            known = self._known.get(bpp_id)
            if known is None or known["timestamp"] <= context["timestamp"]:
                self._known[bpp_id] = {"timestamp": context["timestamp"], "catalogs": list(catalogs)}

    def catalogs(self) -> list[dict[str, Any]]:
        with self._lock:
            return [catalog for known in self._known.values() for catalog in known["catalogs"]]
