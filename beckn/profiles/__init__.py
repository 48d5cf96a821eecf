"""The profiles: how the network spells what we mean. One module a profile, chosen by a message's domain and shape.

A profile is a module of this package with
- `NAME`; `DOMAINS` where it is at home; `VERSIONS`; `ACTIONS`; `MARKS`, the keys of an order that only it has;
- `SECRET_KEYS_IN`, `SECRET_KEYS_OUT`: keys whose values are kept apart, encrypted;
- `validate(action, body)`; `order_ref`, `asked_for`, `user_auth`, `identities`, `link_reference`, `presentation`,
  `assisted_by`, the `read_*` (JSON → commands) and `filter_of`; `write(action, result, …)` and `item(entry)`
  (results → JSON);
- where it differs from the others: `support(reference, contact)`, and `STRICT_UPDATES`, the commands of an update that
  a strict participant may send.
Adding one is a new file: what it shares with others is in `words`, `contents`, `reading`, `schemas`.
Source: spec wire, profiles and mapping.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class ProfileProblem:
    """What is wrong with a message and where: `path` as the wire writes it, without `beckn:` prefixes."""

    path: str
    message: str


@lru_cache(maxsize=1)
def all_profiles() -> tuple[ModuleType, ...]:
    """Every profile there is: the modules of this package that have a name and domains."""
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return tuple(module for module in modules if hasattr(module, "NAME") and hasattr(module, "DOMAINS"))


def profile_for(context: Mapping[str, Any], message: Any = None) -> ModuleType | None:
    """The profile of this message, or None for a domain we do not serve.

    The one at home in `context.domain`; but an order that has only another's marks is in that one's words, whatever
    domain its sender kept from before.
    """
    domain = context.get("domain")
    home = next((profile for profile in all_profiles() if domain in profile.DOMAINS), None)
    order = message.get("order") if isinstance(message, Mapping) else None
    if home is None or not isinstance(order, Mapping) or home.MARKS & order.keys():
        return home
    shaped = [profile for profile in all_profiles() if profile.MARKS & order.keys()]
    return shaped[0] if len(shaped) == 1 else home


def profile_named(name: str) -> ModuleType:
    """The profile of this name, as kept with a received message; raises KeyError for an unknown one."""
    for profile in all_profiles():
        if name == profile.NAME:
            return profile
    raise KeyError(name)


def secret_keys_out() -> frozenset[str]:
    """The keys that any profile keeps apart in what we send."""
    return frozenset().union(*(profile.SECRET_KEYS_OUT for profile in all_profiles()))
