"""Utility id → adapter, as settings.UTILITIES says."""

from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings

from utility_systems.ports import UtilityAdapter
from utility_systems.rest import RestAdapter


class UnknownUtility(Exception):
    """No utility of this id is configured in this deployment."""


def utility_ids() -> tuple[str, ...]:
    return tuple(utility.id for utility in settings.UTILITIES)


def adapter_for(utility_id: str) -> UtilityAdapter:
    """The utility's systems. Raises UnknownUtility."""
    return _adapter(_configured(utility_id))


def zone(utility_id: str) -> ZoneInfo:
    """The zone whose days are this utility's days (decision 55)."""
    return ZoneInfo(_configured(utility_id).time_zone)


def _configured(utility_id: str) -> Any:
    for utility in settings.UTILITIES:
        if utility.id == utility_id:
            return utility
    raise UnknownUtility(utility_id)


@lru_cache(maxsize=64)
def _adapter(utility: Any) -> RestAdapter:
    # Kept per configuration, so that a process has one circuit per utility.
    return RestAdapter(
        utility.id,
        ZoneInfo(utility.time_zone),
        utility.url,
        utility.token,
        connect_timeout=utility.connect_timeout,
        read_timeout=utility.read_timeout,
    )
