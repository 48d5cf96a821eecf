"""May we call this address? Decided before a connection exists, on the URL's text and on what its name resolves to.

A presented document must not be able to make us call an internal address. Source: spec/credentials.md 4.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

MAX_URL_CHARACTERS = 16_384  # a look-up of many meters is long
_PORTS = {"https": 443, "http": 80}
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_][a-z0-9_-]{0,62})*")
# Addresses that carry an IPv4 address inside: a gateway may deliver them to the inner one.
_TUNNELS = tuple(
    ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32", "::/96")
)


class OutboundError(Exception):
    """The call did not bring an answer. `reason` is a short sentence without the address's secrets."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Forbidden(OutboundError):
    """The guard refuses this address; asking again does not help."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL points: host in lower case without brackets, path with its query."""

    scheme: Literal["http", "https"]
    host: str
    port: int
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of ALLOWED_OUTBOUND: a host name or a network, with or without a port."""

    host: str
    network: Network | None
    port: int | None
    plain_http: bool

    def covers(self, target: Target, address: Address) -> bool:
        if self.port is not None and self.port != target.port:
            return False
        if self.network is not None:
            return address in self.network
        return self.host == target.host


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be called. `allowed` are hosts, host:port, addresses or CIDR networks that need not be public.

    An entry written as `http://host[:port]` is also allowed without TLS: an operator's own machine beside us.
    """

    sandbox: bool
    allowed: tuple[str, ...] = ()

    def judge(self, target: Target, addresses: Sequence[str]) -> Address:
        """The one address to connect to. Raises Forbidden when any of them may not be called.

        Any, not each: a name that answers with a public and an internal address at once is an attempt to rebind.
        """
        if not addresses:
            raise Forbidden("the host has no address")
        judged = [self._judge_one(target, ipaddress.ip_address(text.partition("%")[0])) for text in addresses]
        return judged[0]

    def _judge_one(self, target: Target, address: Address) -> Address:
        entries = [entry for entry in _entries(self.allowed) if entry.covers(target, address)]
        if not entries and not is_public(address):
            raise Forbidden("the host's address is not public")
        if target.scheme == "http" and not self._plain_http(entries, address):
            raise Forbidden("only https is called")
        return address

    def _plain_http(self, entries: list[_Entry], address: Address) -> bool:
        return (self.sandbox and address.is_loopback) or any(entry.plain_http for entry in entries)


def read_url(url: str) -> Target:
    """The parts of an absolute http(s) URL. Raises Forbidden for every spelling that two parsers could read apart."""
    if len(url) > MAX_URL_CHARACTERS:
        raise Forbidden("the URL is too long")
    if any(not "!" <= character <= "~" for character in url) or "\\" in url:
        raise Forbidden("the URL has characters that do not belong into one")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Forbidden("the URL cannot be read") from error
    if parts.scheme not in ("http", "https"):
        raise Forbidden("only https is called")
    if parts.username is not None or parts.password is not None:
        raise Forbidden("the URL carries a user name")
    if port == 0:
        raise Forbidden("the URL has no usable port")
    path = parts.path or "/"
    if parts.query:
        path = f"{path}?{parts.query}"
    scheme: Literal["http", "https"] = "https" if parts.scheme == "https" else "http"
    return Target(scheme, _read_host(parts.hostname or ""), port or _PORTS[scheme], path)


def _read_host(text: str) -> str:
    host = text.lower().removesuffix(".")
    literal = as_address(host)
    if literal is not None and "%" not in host:
        return str(literal)
    if not _HOST.fullmatch(host) or len(host) > 253:
        raise Forbidden("the URL's host is not a name")
    last = host.rpartition(".")[2]
    # 2130706433, 0x7f.1, 017700000001, 127.1: resolvers read these as addresses, other parsers do not.
    if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last):
        raise Forbidden("the URL's host is a number and not an address")
    return host


def as_address(host: str) -> Address | None:
    """The address when `host` is one in its plain spelling, else None."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def is_public(address: Address) -> bool:
    """Whether the address is reachable for everyone and nobody's inside; addresses that wrap IPv4 ones are not."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local or any(address in network for network in _TUNNELS):
            return False
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_private
        or address.is_loopback
        or address.is_link_local
        or address.is_unspecified
    )


@lru_cache(maxsize=32)
def _entries(allowed: tuple[str, ...]) -> tuple[_Entry, ...]:
    return tuple(read_entry(text) for text in allowed)


def read_entry(text: str) -> _Entry:
    """One line of ALLOWED_OUTBOUND. Raises ValueError with the line when it is none of the known forms."""
    bare = text.strip().lower()
    plain_http = bare.startswith("http://")
    bare = bare.removeprefix("http://").removeprefix("https://").removesuffix("/")
    network = _as_network(bare)
    if network is not None:
        return _Entry("", network, None, plain_http)
    host, port = _split_port(bare)
    if not host or any(character in host for character in "/@? "):
        raise ValueError(f"ALLOWED_OUTBOUND: {text!r} is not a host, host:port, address or CIDR network")
    return _Entry(host, _as_network(host), port, plain_http)


def _as_network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None


def _split_port(text: str) -> tuple[str, int | None]:
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        return host, int(rest[1:]) if rest[1:].isdigit() else None
    host, colon, port = text.rpartition(":")
    if colon and port.isdigit() and ":" not in host:
        return host, int(port)
    return text, None
