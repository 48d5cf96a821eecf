"""Profile A, outward: the catalogue and a selected program (wire 7)."""

from __future__ import annotations

from beckn.profiles import contents
from beckn.profiles.onboarding_parts import spell
from beckn.profiles.words import ENROLLMENT_CONTEXT, Json, attributes, instant_text, presentation, requirements
from enrollment.results import (
    Catalog,
    CatalogEntry,
    Selected,
)


def selected(result: Selected) -> Json:
    entry = result.entry
    return {
        "@context": ENROLLMENT_CONTEXT,
        "@type": "beckn:Order",
        "beckn:id": result.order_id,
        "beckn:provider": {"beckn:id": entry.provider_id},
        "beckn:items": [{"beckn:id": entry.program_id, "beckn:descriptor": {"schema:name": entry.name}}],
        "beckn:orderAttributes": attributes(contents.of(result, spell)),
    }


def catalogs(catalog: Catalog) -> list[Json]:
    by_provider: dict[str, list[CatalogEntry]] = {}
    for entry in catalog.entries:
        by_provider.setdefault(entry.provider_id, []).append(entry)
    return [
        {
            "@context": ENROLLMENT_CONTEXT,
            "@type": "beckn:Catalog",
            "beckn:id": f"catalog-{provider}",
            "beckn:descriptor": {"schema:name": "Energy programs"},
            "beckn:items": [item(entry) for entry in entries],
        }
        for provider, entries in by_provider.items()
    ]


def item(entry: CatalogEntry) -> Json:
    validity = {
        **({"schema:startDate": instant_text(entry.opens_at)} if entry.opens_at else {}),
        **({"schema:endDate": instant_text(entry.closes_at)} if entry.closes_at else {}),
    }
    return {
        "@type": "beckn:Item",
        "beckn:id": entry.program_id,
        "beckn:descriptor": {
            "@type": "beckn:Descriptor",
            "schema:name": entry.name,
            "beckn:shortDesc": entry.short_description,
            "beckn:longDesc": entry.long_description,
        },
        "beckn:provider": {"beckn:id": entry.provider_id},
        "beckn:validity": validity,
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
