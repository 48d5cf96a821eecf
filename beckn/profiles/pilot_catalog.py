"""Profile B, outward: the catalogue as the core schema has it, closed objects and all (spec wire 7, core 2.0)."""

from __future__ import annotations

from datetime import datetime

from beckn import identities
from beckn.profiles.words import ENROLLMENT_CONTEXT, Json, instant_text, presentation, requirements
from enrollment.results import Catalog, CatalogEntry

#: A catalogue's schema names one context, another than the pilot's orders have.
CATALOG_CONTEXT = (
    "https://raw.githubusercontent.com/beckn/protocol-specifications-new/refs/heads/main/schema/core/v2/context.jsonld"
)
_NONE = Catalog(())


def catalogs(catalog: Catalog, *, retired: Catalog = _NONE) -> list[Json]:
    """One catalogue for each provider, `retired` programs in it as inactive items; no match is an empty list."""
    us = identities.owner()
    by_provider: dict[str, list[Json]] = {}
    for entries, is_active in ((catalog.entries, True), (retired.entries, False)):
        for entry in entries:
            by_provider.setdefault(entry.provider_id, []).append(item(entry, is_active=is_active))
    return [
        {
            "@context": CATALOG_CONTEXT,
            "@type": "beckn:Catalog",
            "beckn:id": f"catalog-{provider}",
            "beckn:descriptor": _descriptor("Energy programs"),
            "beckn:providerId": provider,
            "beckn:bppId": us.subscriber_id,
            "beckn:bppUri": us.uri,
            "beckn:isActive": any(each["beckn:isActive"] for each in items),
            "beckn:items": items,
        }
        for provider, items in by_provider.items()
    ]


def item(entry: CatalogEntry, *, is_active: bool = True) -> Json:
    """A program as an item; where the core has no place for something of ours, `itemAttributes` is open."""
    return {
        "@context": CATALOG_CONTEXT,
        "@type": "beckn:Item",
        "beckn:id": entry.program_id,
        "beckn:descriptor": _descriptor(entry.name, entry.short_description, entry.long_description),
        "beckn:category": {"@type": "schema:CategoryCode", "schema:codeValue": entry.kind},
        **_window(entry.opens_at, entry.closes_at),
        "beckn:isActive": is_active and entry.is_open,
        "beckn:provider": {"beckn:id": entry.provider_id, "beckn:descriptor": _descriptor(entry.provider_id)},
        "beckn:itemAttributes": {
            "@context": ENROLLMENT_CONTEXT,
            "@type": "EnergyProgram",
            "kind": entry.kind,
            "personas": list(entry.personas),
            "utilities": list(entry.utilities),
            **presentation(entry),
            **requirements(entry.requirements),
        },
    }


def _descriptor(name: str, short: str = "", long: str = "") -> Json:
    return {
        "@type": "beckn:Descriptor",
        "schema:name": name,
        **({"beckn:shortDesc": short} if short else {}),
        **({"beckn:longDesc": long} if long else {}),
    }


def _window(opens_at: datetime | None, closes_at: datetime | None) -> Json:
    """A period needs one of its ends; a program that is open for ever has none."""
    if opens_at is None and closes_at is None:
        return {}
    period = {
        "@type": "beckn:TimePeriod",
        **({"schema:startDate": instant_text(opens_at)} if opens_at else {}),
        **({"schema:endDate": instant_text(closes_at)} if closes_at else {}),
    }
    return {"beckn:availabilityWindow": [period]}
