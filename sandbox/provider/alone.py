"""A provider that is no utility's, as a process: its people at /, what it sent at /outbox, sign-ins at /o."""

import argparse
import hashlib
import hmac
import json
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from html import escape
from pathlib import Path
from typing import Any

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from sandbox.provider.directory import Account
from sandbox.provider.mount import Provider
from sandbox.utility.issuers import write_secret
from sandbox.utility.signing_in import clients_of

CONFIG = "SANDBOX_ALONE"


class Keys:
    """What is made up for each deployment: only one key is kept."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def derived(self, purpose: str, login: str) -> str:
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_secret(self._path, secrets.token_urlsafe(24))
        return hmac.new(self._path.read_bytes(), f"{purpose}\x00{login}".encode(), hashlib.sha256).hexdigest()


class Outbox:
    """The codes that were "sent"."""

    def __init__(self) -> None:
        self.sent: deque[dict[str, Any]] = deque(maxlen=100)

    def send(self, account: Account, code: str) -> None:
        at = datetime.now(UTC).isoformat()
        self.sent.appendleft({"at": at, "to": account.login, "template": "sign-in-code", "parameters": {"code": code}})


def application(
    name: str, title: str, *, find: Callable[[str], Account | None], logins: Iterable[str]
) -> Callable[..., Iterable[bytes]]:
    """The WSGI application, with what `run` was told."""
    options = json.loads(os.environ[CONFIG])
    folder, issuer, outbox = Path(options["var"]), f"{options['public_url']}/o", Outbox()
    provider = Provider(
        issuer=issuer,
        title=f"Sign in to {title}",
        folder=folder / name,
        clients=clients_of(folder / "settings.env", issuer),
        find=find,
        send_code=outbox.send,
        clock_offset=options["clock_offset"],
    )

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/healthz":
            return _answer(start_response, "text/plain", "up")
        if path == "/outbox":
            return _answer(start_response, "application/json", json.dumps({"messages": list(outbox.sent)}))
        if path == "/":
            return _answer(start_response, "text/html", _page(title, [each for each in map(find, logins) if each]))
        return provider(environ, start_response)

    return answer


def folder() -> Path:
    """The deployment's folder, as `run` was told."""
    return Path(json.loads(os.environ[CONFIG])["var"])


def run(module: str, description: str | None) -> None:
    """Serve `module:from_environment` as the command line says."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--var", type=Path, required=True, help="the deployment's folder")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds added to the clock")
    options = parser.parse_args()
    public_url = f"http://127.0.0.1:{options.port}"
    said = {"var": str(options.var.resolve()), "public_url": public_url, "clock_offset": options.clock_offset}
    os.environ[CONFIG] = json.dumps(said)
    Granian(
        f"{module}:from_environment",
        factory=True,
        address="127.0.0.1",
        port=options.port,
        interface=Interfaces.WSGI,
        workers=1,
        workers_kill_timeout=3,  # a connection that nobody lets go keeps nothing from ending
        blocking_threads=4,
        log_level=LogLevels.error,
    ).serve()


def _page(title: str, accounts: list[Account]) -> str:
    rows = "".join(
        f"<li><code>{escape(each.login)}</code> <code>{each.password}</code> {escape(each.name)}</li>"
        for each in accounts
    )
    return (
        f'<!doctype html><html lang="en"><title>{title}</title><h1>{title}</h1><p>Sandbox: nothing here is real. '
        f'User names and passwords:</p><ul>{rows}</ul><p>Codes it "sent": <a href="/outbox">/outbox</a>.</p></html>'
    )


def _answer(start_response: Any, kind: str, text: str) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", f"{kind}; charset=utf-8")])
    return [text.encode()]
