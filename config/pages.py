"""What every page says about the house: whether it is a sandbox, and whom to call."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest


def house(request: HttpRequest | None = None) -> Mapping[str, Any]:
    """Context processor. Asks neither session nor database, so that error pages may use it, too."""
    phone = str(settings.HELP_PHONE)
    dial = "".join(each for each in phone if each in "+0123456789")
    zones = {utility.time_zone for utility in settings.UTILITIES}
    return {
        "sandbox": settings.SANDBOX,
        # An hour is told as it is where people are, if that is one place (decision 55).
        "zone": zones.pop() if len(zones) == 1 else "",
        "help": {"phone": phone, "dial": dial, "hours": str(settings.HELP_HOURS)},
    }
