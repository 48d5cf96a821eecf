"""Utility id → adapter and systems, as settings.UTILITIES says."""

import base64
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from outbound.client import TlsIdentity
from utility_systems import calls, health, rest
from utility_systems.access import Access, ClientCredentials, FixedToken
from utility_systems.circuit import Circuit
from utility_systems.files import FilesAdapter
from utility_systems.mapping import Cipher, Mapped
from utility_systems.ports import UtilityAdapter, UtilityUnavailable
from utility_systems.transport import Patience, System


class UnknownUtility(Exception):
    """No utility of this id is configured in this deployment."""


def utility_ids() -> tuple[str, ...]:
    return tuple(utility.id for utility in settings.UTILITIES)


def adapter_for(utility_id: str) -> UtilityAdapter:
    """The utility's systems behind one port. Raises UnknownUtility."""
    return _built(_configured(utility_id)).adapter


def contacts_of(utility_id: str) -> UtilityAdapter:
    """The utility for whoever writes to its customers; one that is not configured does not answer them."""
    try:
        return adapter_for(utility_id)
    except UnknownUtility as gone:
        raise UtilityUnavailable(utility_id, "notices", reason="not configured") from gone


def system(utility_id: str, name: str) -> System | None:
    """One system by its name ("billing"); None where the deployment gives it no address. Raises UnknownUtility."""
    return _built(_configured(utility_id)).systems.get(name)


def systems_of(utility_id: str) -> tuple[str, ...]:
    """The names of the systems that have an address. Raises UnknownUtility."""
    return tuple(_built(_configured(utility_id)).systems)


def watched_as(utility_id: str, name: str) -> str:
    """The system under whose name the circuit of `name` leaves its row: the first behind the same address."""
    systems = _built(_configured(utility_id)).systems
    return next(other for other, each in systems.items() if each.circuit is systems[name].circuit)


def zone(utility_id: str) -> ZoneInfo:
    """The zone whose days are this utility's days (decision 55)."""
    return ZoneInfo(_configured(utility_id).time_zone)


class _Built:
    """What a configuration becomes, once a process: circuits and tokens live here."""

    def __init__(self, utility: Any) -> None:
        self.utility = utility
        self.systems = _systems(utility)
        zone = ZoneInfo(utility.time_zone)
        over_http = rest.RestAdapter(utility.id, zone, self.systems) if utility.url else None
        self.adapter: UtilityAdapter = over_http or _from_files(utility, zone, None)
        if over_http is not None and getattr(utility, "files", None):
            self.adapter = _from_files(utility, zone, over_http)


def _from_files(utility: Any, zone: ZoneInfo, others: rest.RestAdapter | None) -> FilesAdapter:
    files = utility.files
    stale_after = timedelta(hours=files.stale_after_hours)
    return FilesAdapter(utility.id, zone, Path(files.folder), stale_after=stale_after, others=others)


_lock = threading.Lock()
_kept: dict[str, _Built] = {}


def _built(utility: Any) -> _Built:
    with _lock:
        kept = _kept.get(utility.id)
        if kept is None or kept.utility != utility:
            kept = _kept[utility.id] = _Built(utility)
        return kept


def _configured(utility_id: str) -> Any:
    for utility in settings.UTILITIES:
        if utility.id == utility_id:
            return utility
    raise UnknownUtility(utility_id)


def _systems(utility: Any) -> Mapping[str, System]:
    """Those named in `systems`, the rest at the utility's own address; one circuit for each address."""
    if not utility.url:
        return {}
    circuits: dict[str, Circuit] = {}
    own: Mapping[str, Any] = getattr(utility, "systems", None) or {}
    found = {name: _system(utility, name, own.get(name), circuits) for name in rest.SYSTEMS}
    for name in ("billing", "changes"):
        address = getattr(utility, f"{name}_url", "")
        if name in own or address:
            found[name] = _system(utility, name, own.get(name), circuits, address)
    return found


def _system(utility: Any, name: str, own: Any, circuits: dict[str, Circuit], address: str = "") -> System:
    url = (own.url if own else address) or utility.url
    if url not in circuits:
        circuits[url] = Circuit(changed=health.watcher(utility.id, name))
    connect = own.connect_timeout if own and own.connect_timeout else utility.connect_timeout
    read = own.read_timeout if own and own.read_timeout else utility.read_timeout
    tls = TlsIdentity(own.tls.certificate, own.tls.key, own.tls.ca) if own and own.tls else None
    return System(
        utility.id,
        name,
        url,
        _access(own, tls, utility.token),
        patience=Patience(connect, read, own.retries if own else 1),
        circuit=circuits[url],
        tls=tls,
        mapped=_mapped(own),
        count=calls.counter(utility.id, name),
    )


def _access(own: Any, tls: TlsIdentity | None, token: str) -> Access:
    if own and own.oauth2:
        service = own.oauth2
        return ClientCredentials(
            service.token_url, service.client_id, service.client_secret, scope=service.scope, tls=tls
        )
    return FixedToken(own.token if own and own.token else token)


def _mapped(own: Any) -> Mapped:
    if own is None:
        return Mapped()
    cipher = None
    if own.encryption:
        cipher = Cipher(base64.b64decode(own.encryption.key), frozenset(own.encryption.fields))
    return Mapped(own.mapping, cipher)
