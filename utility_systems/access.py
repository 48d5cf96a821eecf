"""How we show a utility's system who we are: a fixed token, OAuth2 client credentials, a certificate of ours.

A system may want several at once (mutual TLS and a token). Tokens live in the process that got them.
"""

import base64
import threading
import time
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urlencode

from outbound import client
from outbound.client import OutboundError, TlsIdentity

EARLY_SECONDS = 30.0  # a token is replaced so long before its end
LONGEST_SECONDS = 3600.0


class NoAccess(Exception):
    """The system's token service gave no token; the text says why and repeats nothing of it."""


class Access(Protocol):
    """Adds what a request needs. `forget`: the last one was refused, get another."""

    def headers(self) -> dict[str, str]: ...
    def forget(self) -> None: ...


@dataclass(frozen=True)
class FixedToken:
    token: str = field(repr=False)

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def forget(self) -> None:
        """There is no other."""


class ClientCredentials:
    """OAuth2 client credentials (RFC 6749, 4.4): one token a process, got by one thread while others wait for it."""

    def __init__(
        self, token_url: str, client_id: str, client_secret: str, *, scope: str = "", tls: TlsIdentity | None = None
    ) -> None:
        self._url, self._scope, self._tls = token_url, scope, tls
        pair = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._authorization = f"Basic {pair}"
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def headers(self) -> dict[str, str]:
        """Raises NoAccess."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._token, lifetime = self._ask()
                self._until = time.monotonic() + max(0.0, lifetime - EARLY_SECONDS)
            return {"Authorization": f"Bearer {self._token}"}

    def forget(self) -> None:
        with self._lock:
            self._until = 0.0

    def _ask(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials", **({"scope": self._scope} if self._scope else {})}
        headers = {
            "Authorization": self._authorization,
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        try:
            answer = client.post(
                self._url, body=urlencode(form).encode(), headers=headers, max_bytes=65_536, identity=self._tls
            )
            said = answer.json() if answer.status == 200 else {}
        except (OutboundError, ValueError) as problem:
            raise NoAccess("the token service does not answer") from problem
        token = said.get("access_token") if isinstance(said, dict) else None
        if not isinstance(token, str) or not token or str(said.get("token_type", "")).lower() != "bearer":
            raise NoAccess(f"the token service answers {answer.status} without a token")
        lifetime = said.get("expires_in", 300)
        usable = isinstance(lifetime, int | float) and not isinstance(lifetime, bool)
        return token, min(LONGEST_SECONDS, float(lifetime)) if usable else 300.0
