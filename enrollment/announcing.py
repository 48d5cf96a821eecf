"""The catalogue for a discovery service: what changed since it was last told, and how the programs stand now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from enrollment.catalog import entry
from enrollment.models import CatalogChange, Program, ProgramVersion
from enrollment.results import Catalog


@dataclass(frozen=True)
class Standing:
    """All programs: those with a published version, and those that were retired, as their last version had them."""

    published: Catalog
    retired: Catalog


def take_changes(limit: int = 1000) -> list[int]:
    """Lock and return the changes nobody was told of; none while another process has them. Caller's transaction."""
    waiting = CatalogChange.objects.select_for_update(skip_locked=True).filter(announced_at=None)
    return list(waiting.order_by("pk").values_list("pk", flat=True)[:limit])


def mark_announced(changes: Sequence[int], now: datetime) -> None:
    CatalogChange.objects.filter(pk__in=changes).update(announced_at=now)


def standing() -> Standing:
    """Every program as it stands now; one that was never published is nobody's business."""
    published = ProgramVersion.objects.filter(state="PUBLISHED").select_related("program")
    gone = Program.objects.exclude(versions__state="PUBLISHED").filter(versions__state="RETIRED").distinct()
    retired = (
        ProgramVersion.objects.filter(program__in=gone, state="RETIRED")
        .select_related("program")
        .order_by("program", "-number")
        .distinct("program")
    )
    return Standing(
        Catalog(tuple(entry(each) for each in published.order_by("program__program_id"))),
        Catalog(tuple(entry(each) for each in retired)),
    )
