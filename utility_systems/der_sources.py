"""Who else than a utility's register knows a device: its maker's account, by one port (personas 3, device proof).

A maker answers for devices whose owner has let it tell us; its answer names the owner as the network knows them. What
neither a register nor a maker knows is only declared, or comes with a document. The source stays with the facts.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import urlencode

from django.conf import settings

from audit import clock
from outbound import client
from utility_systems import answers
from utility_systems.ports import DerFacts, UtilityUnavailable

log = logging.getLogger(__name__)

MAKER = "MAKER"
MAX_IDS, MAX_BYTES = 50, 1 << 20


class DerSource(Protocol):
    """Somebody who knows devices. `source` is what `DerFacts.source` then says."""

    name: str
    source: str

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]:
        """The devices it knows of those asked for. Raises UtilityUnavailable."""


class MakerAccount:
    """A maker over HTTP: `GET <url>/api/v1/devices?derId=…` answers `{"ders": [...]}` as a utility's register does."""

    source = MAKER

    def __init__(self, configured: Any) -> None:
        self.name: str = configured.id
        self._configured = configured

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]:
        asked = list(dict.fromkeys(der_ids))[:MAX_IDS]
        try:
            response = client.get(
                f"{self._configured.url}/api/v1/devices?{urlencode([('derId', each) for each in asked])}",
                headers={"Authorization": f"Bearer {self._configured.token}", "Accept": "application/json"},
                max_bytes=MAX_BYTES,
                connect_timeout=self._configured.connect_timeout,
                read_timeout=self._configured.read_timeout,
            )
            if response.status != 200:
                raise self._silent(f"status {response.status}")
            found = answers.read_ders(response.json(), asked=asked, now=clock.now())
        except (client.OutboundError, answers.UnusableAnswer, ValueError) as error:
            raise self._silent(type(error).__name__) from error
        # A maker knows whose a device is, and no certificate of the grid's.
        return tuple(replace(der, source=MAKER, certificates=(), umid="") for der in found)

    def _silent(self, reason: str) -> UtilityUnavailable:
        log.warning("A maker's answer cannot be used: maker=%s problem=%s", self.name, reason)
        return UtilityUnavailable(self.name, "maker", reason=reason)


def makers() -> tuple[DerSource, ...]:
    return tuple(MakerAccount(each) for each in settings.DER_MAKERS)


def known_to_makers(der_ids: Sequence[str], *, must_answer: bool) -> dict[str, DerFacts]:
    """The devices that makers know of those that no register does.

    `must_answer`: who is asked needs to be known, so that silence is an outage (UtilityUnavailable) and not a "no".
    """
    found: dict[str, DerFacts] = {}
    for maker in makers() if der_ids else ():
        try:
            for der in maker.ders(der_ids):
                found.setdefault(der.der_id, der)
        except UtilityUnavailable:
            if must_answer:
                raise
    return found
