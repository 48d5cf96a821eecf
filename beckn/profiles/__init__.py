"""The profiles: how the network spells what we mean. One module a profile, chosen by the message's domain.

A profile module has `NAME`, `DOMAINS`, `VERSIONS`, `ACTIONS`, `SECRET_KEYS_IN`, `SECRET_KEYS_OUT`,
`validate(action, body)`, the `read_*` functions (JSON → commands) and `write(action, result, …)` (results → JSON).
Adding one is a new file and its name in `_PROFILES`. Source: spec wire, profiles and mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class ProfileProblem:
    """What is wrong with a message and where: `path` as the wire writes it, without `beckn:` prefixes."""

    path: str
    message: str


def _profiles() -> tuple[ModuleType, ...]:
    from beckn.profiles import onboarding

    return (onboarding,)


def profile_for(context: Mapping[str, Any]) -> ModuleType | None:
    """The profile that speaks `context.domain`, or None for a domain we do not serve."""
    domain = context.get("domain")
    return next((profile for profile in _profiles() if domain in profile.DOMAINS), None)


def profile_named(name: str) -> ModuleType:
    """The profile of this name, as kept with a received message; raises KeyError for an unknown one."""
    for profile in _profiles():
        if name == profile.NAME:
            return profile
    raise KeyError(name)
