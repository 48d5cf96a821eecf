"""The sandbox's national identity provider: `python -m sandbox.national --port P --var DIR`.

It knows people and a number of each, no utility, account or meter. Whoever it signs in is nobody's customer until a
utility's own sign-in says whose; the number it sends must be found nowhere afterwards (decision 16).
"""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from sandbox.provider import alone
from sandbox.provider.directory import Account

NAME = "national"
TITLE = "National identity"
PERSONAS = Path(__file__).resolve().parent / "personas.json"


class People:
    """Everybody of the sandbox by first name, with a number that is made up for each deployment."""

    def __init__(self, folder: Path) -> None:
        self._people = {
            str(each["name"]).split()[0].lower(): each for each in json.loads(PERSONAS.read_text())["people"]
        }
        self._keys = alone.Keys(folder / "national-key")

    def find(self, login: str) -> Account | None:
        person = self._people.get(login)
        if person is None:
            return None
        claims = {"id_type": "NATIONAL_ID", "national_id_number": self.number(login), "name": person["name"]}
        password = self._keys.derived("password", login)[:10]
        return Account(login, str(person["name"]), password, str(person["did"]), claims)

    def number(self, login: str) -> str:
        """Twelve digits in groups of four."""
        digits = f"{int(self._keys.derived('number', login), 16) % 10**12:012d}"
        return " ".join(digits[at : at + 4] for at in (0, 4, 8))

    def logins(self) -> list[str]:
        return sorted(self._people)


def from_environment() -> Callable[..., Iterable[bytes]]:
    people = People(alone.folder() / NAME)
    return alone.application(NAME, TITLE, find=people.find, logins=people.logins())


if __name__ == "__main__":
    alone.run("sandbox.national", __doc__)
