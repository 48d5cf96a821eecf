"""Who can sign in, as the process that holds the provider says it. No Django here: it is read before Django starts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Account:
    """What the provider knows of one person. `claims` go into its tokens beside the standard ones."""

    login: str
    name: str
    password: str
    subject: str
    claims: Mapping[str, Any]


@dataclass
class Directory:
    """`find(login)` is the person of that name; `send_code(account, code)` puts a code where the person can read it."""

    find: Callable[[str], Account | None]
    send_code: Callable[[Account, str], None]


known: Directory | None = None  # set by `sandbox.provider.mount` before the first request
