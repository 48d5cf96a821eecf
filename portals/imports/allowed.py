"""What an agency's file may name at this moment."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from identity.models import Agency
from portals import houses, reading
from portals.imports.columns import Allowed, ProgramChoice
from portals.models import CatalogProgram


def allowed(agency: Agency, now: datetime) -> Allowed:
    """The utilities and programs we know, which of them are in the agency's scope, and the languages we write in."""
    known = {each.utility_id for each in houses.houses()} | {each.id for each in settings.UTILITIES}
    return Allowed(
        utilities={each: not agency.utilities or each in agency.utilities for each in known},
        programs=_programs(agency, now),
        languages=frozenset(code for code, _ in settings.LANGUAGES),
    )


def _programs(agency: Agency, now: datetime) -> dict[str, ProgramChoice]:
    """By the name in our addresses, and by the owner's id where no other owner has the same."""
    found: dict[str, ProgramChoice] = {}
    doubled: set[str] = set()
    rows = list(CatalogProgram.objects.filter(gone_at=None).order_by("slug"))
    slugs = {row.slug for row in rows}
    for row in rows:
        view = reading.program(row.item)
        is_open = view.is_open(now) and not (view.reopens_at and now < view.reopens_at)
        is_theirs = not agency.programs or row.program_id in agency.programs
        choice = ProgramChoice(row.pk, frozenset(view.utilities), is_open, is_theirs)
        if row.program_id in found:
            doubled.add(row.program_id)
        elif row.program_id not in slugs:
            found[row.program_id] = choice
        found[row.slug] = choice
    return {name: choice for name, choice in found.items() if name not in doubled or name in slugs}
