"""What an agency may help with: the programs of its certificate, at the utilities of its certificate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from identity.models import Agency
from portals import houses, reading
from portals.models import CatalogProgram


@dataclass(frozen=True)
class Offer:
    """A program at one utility that an agent may begin a case for. `key` names the two in a form."""

    key: str
    program: CatalogProgram
    view: reading.ProgramView
    utility_id: str
    utility: str


def covers(agency: Agency, program: CatalogProgram, utility_id: str) -> bool:
    """Whether the agency's certificate, and the program, are for this utility's customers."""
    wanted = reading.program(program.item).utilities
    is_utility = not agency.utilities or utility_id in agency.utilities
    is_program = not agency.programs or program.program_id in agency.programs
    return bool(utility_id) and is_utility and is_program and (not wanted or utility_id in wanted)


def offers(agency: Agency, now: datetime, locale: str) -> list[Offer]:
    """What a case can be begun for today, by the programs' names."""
    found = []
    for row in CatalogProgram.objects.filter(gone_at=None).select_related("bpp").order_by("slug"):
        view = reading.program(row.item, locale)
        if not view.is_open(now) or (view.reopens_at and now < view.reopens_at):
            continue
        for utility_id in view.utilities or [each.utility_id for each in houses.houses()]:
            if covers(agency, row, utility_id):
                name = houses.house_of(utility_id).name or utility_id
                found.append(Offer(f"{row.slug}@{utility_id}", row, view, utility_id, name))
    return sorted(found, key=lambda each: (each.view.name.casefold(), each.utility.casefold()))


def offer_of(agency: Agency, key: str, now: datetime, locale: str) -> Offer | None:
    """The offer that a form names, if it is still this agency's."""
    return next((each for each in offers(agency, now, locale) if each.key == key), None)
