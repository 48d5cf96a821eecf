"""How a utility is shown to its customers: name, logo, help line, languages, zone; setting PORTAL_UTILITIES.

Source: issue 5 (13).
"""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class House:
    """One utility as its customers know it. `logo` is a static path, `dial` the number as a telephone takes it.

    `customer_api` is the address of its API for its customers, "" where it has none.
    """

    utility_id: str
    name: str
    logo: str = ""
    phone: str = ""
    dial: str = ""
    hours: str = ""
    languages: tuple[str, ...] = ("en",)
    time_zone: str = "UTC"
    customer_api: str = ""
    grievance: str = ""


def house_of(utility_id: str) -> House:
    """The utility as it is shown; one that is not described is shown by its id, with the deployment's help line."""
    for each in settings.PORTAL_UTILITIES:
        if each.id == utility_id:
            phone, hours = (each.phone, each.hours) if each.phone else (settings.HELP_PHONE, settings.HELP_HOURS)
            return House(
                each.id,
                each.name,
                each.logo,
                phone,
                _dial(phone),
                hours,
                each.languages,
                each.time_zone,
                each.customer_api,
                each.grievance,
            )
    zone = next((each.time_zone for each in settings.UTILITIES if each.id == utility_id), "UTC")
    phone = settings.HELP_PHONE
    return House(utility_id, utility_id, phone=phone, dial=_dial(phone), hours=settings.HELP_HOURS, time_zone=zone)


def houses() -> tuple[House, ...]:
    """Every utility that is described, in the setting's order."""
    return tuple(house_of(each.id) for each in settings.PORTAL_UTILITIES)


def _dial(phone: str) -> str:
    return "".join(each for each in phone if each in "+0123456789")
