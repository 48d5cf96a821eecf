"""Whom a case is about, as far as an agent may read it: a short name and the end of an account's number.

Nothing before the customer's own proof. Source: screens, the bar on every case page.
"""

from __future__ import annotations

from dataclasses import dataclass

from identity import people
from portals.models import AssistedCase
from portals.utility.views_programs import account_of


@dataclass(frozen=True)
class About:
    """`name`: the first name and an initial, "" where nobody tells one; `ending`: "1234" or ""."""

    name: str = ""
    ending: str = ""


def of(case: AssistedCase) -> About | None:
    """The customer who has proved to be the one; None before."""
    subject = people.living(case.subject)
    if subject is None or case.proved_at is None:
        return None
    account = account_of(subject, case.utility_id, {})
    return About(short(account.get("name", "")), account.get("ending", ""))


def short(name: str) -> str:
    """ "Asha Rao" is "Asha R."."""
    words = name.split()
    return f"{words[0]} {words[-1][0]}." if len(words) > 1 else "".join(words)
