"""The sandbox's national identity provider: `python -m sandbox.national --port P --var DIR`.

It knows people and a number of each, no utility, account or meter. Whoever it signs in is nobody's customer until a
utility's own sign-in says whose; the number it sends must be found nowhere afterwards (decision 16).
"""

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

CONFIG = "SANDBOX_NATIONAL"
NAME = "national"
TITLE = "National identity"
PERSONAS = Path(__file__).resolve().parent / "personas.json"


class People:
    """Everybody of the sandbox by first name, with a number that is made up for each deployment."""

    def __init__(self, folder: Path) -> None:
        self._people = {
            str(each["name"]).split()[0].lower(): each for each in json.loads(PERSONAS.read_text())["people"]
        }
        self._key = folder / "national-key"
        self.sent: deque[dict[str, Any]] = deque(maxlen=100)

    def find(self, login: str) -> Account | None:
        person = self._people.get(login)
        if person is None:
            return None
        claims = {"id_type": "NATIONAL_ID", "national_id_number": self.number(login), "name": person["name"]}
        return Account(login, str(person["name"]), self._derived("password", login)[:10], str(person["did"]), claims)

    def number(self, login: str) -> str:
        """Twelve digits in groups of four."""
        digits = f"{int(self._derived('number', login), 16) % 10**12:012d}"
        return " ".join(digits[at : at + 4] for at in (0, 4, 8))

    def logins(self) -> list[str]:
        return sorted(self._people)

    def send(self, account: Account, code: str) -> None:
        at = datetime.now(UTC).isoformat()
        self.sent.appendleft({"at": at, "to": account.login, "template": "sign-in-code", "parameters": {"code": code}})

    def _derived(self, purpose: str, login: str) -> str:
        if not self._key.exists():
            self._key.parent.mkdir(parents=True, exist_ok=True)
            write_secret(self._key, secrets.token_urlsafe(24))
        return hmac.new(self._key.read_bytes(), f"{purpose}\x00{login}".encode(), hashlib.sha256).hexdigest()


def from_environment() -> Callable[..., Iterable[bytes]]:
    """The WSGI application: the provider at /o, its people at /, what it sent at /outbox."""
    options = json.loads(os.environ[CONFIG])
    folder, issuer = Path(options["var"]), f"{options['public_url']}/o"
    people = People(folder / NAME)
    provider = Provider(
        issuer=issuer,
        title=f"Sign in to {TITLE}",
        folder=folder / NAME,
        clients=clients_of(folder / "settings.env", issuer),
        find=people.find,
        send_code=people.send,
        clock_offset=options["clock_offset"],
    )

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/healthz":
            return _answer(start_response, "text/plain", "up")
        if path == "/outbox":
            return _answer(start_response, "application/json", json.dumps({"messages": list(people.sent)}))
        return _answer(start_response, "text/html", _page(people)) if path == "/" else provider(environ, start_response)

    return application


def _page(people: People) -> str:
    accounts = [account for account in map(people.find, people.logins()) if account]
    rows = "".join(
        f"<li><code>{escape(each.login)}</code> <code>{each.password}</code> {escape(each.name)}</li>"
        for each in accounts
    )
    return (
        f'<!doctype html><html lang="en"><title>{TITLE}</title><h1>{TITLE}</h1><p>Sandbox: nothing here is real. '
        f'User names and passwords:</p><ul>{rows}</ul><p>Codes it "sent": <a href="/outbox">/outbox</a>.</p></html>'
    )


def _answer(start_response: Any, kind: str, text: str) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", f"{kind}; charset=utf-8")])
    return [text.encode()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.national", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--var", type=Path, required=True, help="the deployment's folder")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds added to the clock")
    options = parser.parse_args()
    public_url = f"http://127.0.0.1:{options.port}"
    said = {"var": str(options.var.resolve()), "public_url": public_url, "clock_offset": options.clock_offset}
    os.environ[CONFIG] = json.dumps(said)
    Granian(
        "sandbox.national:from_environment",
        factory=True,
        address="127.0.0.1",
        port=options.port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=4,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
