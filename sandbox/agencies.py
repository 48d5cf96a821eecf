"""The sandbox's identity provider of agencies' people: `python -m sandbox.agencies --port P --var DIR`.

Two agencies share it, as small ones do; one person works for both, and one for none yet.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.provider import alone
from sandbox.provider.directory import Account
from sandbox.utility.issuers import write_secret

NAME = "agencies"
TITLE = "Agencies' sign-in"
AGENCY_A, AGENCY_B = "ea-001", "ea-002"


@dataclass(frozen=True)
class Work:
    """A job at an agency: `role` as the product names it; `lapsed` operators' certificates have ended."""

    agency: str
    operator_id: str
    role: str = "AGENT"
    lapsed: bool = False


@dataclass(frozen=True)
class Person:
    name: str
    works: tuple[Work, ...] = ()


PEOPLE: Mapping[str, Person] = {
    "op-1": Person("Anita Rao", (Work(AGENCY_A, "op-1"),)),
    "op-2": Person("Omar Shaikh", (Work(AGENCY_A, "op-2", lapsed=True),)),
    "reviewer": Person("Ritu Menon", (Work(AGENCY_A, "op-3", "REVIEWER"),)),
    "manager": Person("Mohan Das", (Work(AGENCY_A, "op-4", "MANAGER"),)),
    "both": Person("Bela Khan", (Work(AGENCY_A, "op-5"), Work(AGENCY_B, "op-5"))),
    "agent-b": Person("Arun Pillai", (Work(AGENCY_B, "op-1"),)),
    "manager-b": Person("Mina Joshi", (Work(AGENCY_B, "op-4", "MANAGER"),)),
    "newcomer": Person("Nina Sen"),
}


class Directory:
    """Who signs in; passwords are made up for each deployment."""

    def __init__(self, folder: Path) -> None:
        self._keys = alone.Keys(folder / "people-key")

    def find(self, login: str) -> Account | None:
        person = PEOPLE.get(login)
        if person is None:
            return None
        password = self._keys.derived("password", login)[:10]
        return Account(login, person.name, password, f"agency-person:{login}", {})


def sub_of(folder: Path, login: str) -> str:
    """The `sub` that the provider of this deployment names somebody by (`provider.people.sub_of`)."""
    path = folder / NAME / "provider-secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, secrets.token_urlsafe(48))
    return hmac.new(path.read_bytes(), f"sub\x00agency-person:{login}".encode(), hashlib.sha256).hexdigest()[:24]


def from_environment() -> Callable[..., Iterable[bytes]]:
    people = Directory(alone.folder() / NAME)
    return alone.application(NAME, TITLE, find=people.find, logins=PEOPLE)


if __name__ == "__main__":
    alone.run("sandbox.agencies", __doc__)
