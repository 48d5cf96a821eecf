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
    utility = _configured(utility_id)
    timeouts = getattr(utility, "timeouts", None)
    return _adapter(
        utility.id,
        utility.time_zone,
        str(utility.url),
        _secret(utility.token),
        float(getattr(timeouts, "connect", None) or 3.0),
        float(getattr(timeouts, "read", None) or 5.0),
    )


def zone(utility_id: str) -> ZoneInfo:
    """The zone whose days are this utility's days (decision 55)."""
    return ZoneInfo(_configured(utility_id).time_zone)


def _configured(utility_id: str) -> Any:
    for utility in settings.UTILITIES:
        if utility.id == utility_id:
            return utility
    raise UnknownUtility(utility_id)


def _secret(value: Any) -> str:
    return value.get_secret_value() if hasattr(value, "get_secret_value") else str(value)


@lru_cache(maxsize=64)
def _adapter(utility_id: str, time_zone: str, url: str, token: str, connect: float, read: float) -> RestAdapter:
    # Kept per configuration, so that a process has one circuit per utility.
    return RestAdapter(utility_id, ZoneInfo(time_zone), url, token, connect_timeout=connect, read_timeout=read)
