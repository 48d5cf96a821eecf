"""The sandbox's identity provider of the console's people: `python -m sandbox.staff --port P --var DIR`.

One person for each role, two case workers and two approvers, and one who has not been invited yet.
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

NAME = "staff"
TITLE = "Staff sign-in"


@dataclass(frozen=True)
class Person:
    """`roles` as the product names them; none: the provider knows them and the console does not."""

    name: str
    roles: tuple[str, ...] = ()


PEOPLE: Mapping[str, Person] = {
    "viewer": Person("Vani Kapoor", ("VIEWER",)),
    "caseworker": Person("Charu Bose", ("CASE_WORKER",)),
    "caseworker-2": Person("Chetan Roy", ("CASE_WORKER",)),
    "approver": Person("Amit Nair", ("APPROVER",)),
    "approver-2": Person("Asma Ali", ("APPROVER",)),
    "editor": Person("Pavan Iyer", ("PROGRAM_EDITOR",)),
    "officer": Person("Sarita Kulkarni", ("SECURITY_OFFICER",)),
    "auditor": Person("Uma Dutta", ("AUDITOR",)),
    "applicant": Person("Nitin Goel"),
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
        return Account(login, person.name, password, f"staff-person:{login}", {})


def sub_of(folder: Path, login: str) -> str:
    """The `sub` that the provider of this deployment names somebody by (`provider.people.sub_of`)."""
    path = folder / NAME / "provider-secret"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_secret(path, secrets.token_urlsafe(48))
    return hmac.new(path.read_bytes(), f"sub\x00staff-person:{login}".encode(), hashlib.sha256).hexdigest()[:24]


def from_environment() -> Callable[..., Iterable[bytes]]:
    people = Directory(alone.folder() / NAME)
    return alone.application(NAME, TITLE, find=people.find, logins=PEOPLE)


if __name__ == "__main__":
    alone.run("sandbox.staff", __doc__)
