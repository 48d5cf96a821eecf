"""Kept data: every kind of personal data with its ground and period, the oldest there is, and when the job last ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from console.pages import ConsolePage
from identity import keeping
from identity.keeping import Ground, How, Kind
from identity.models import KeptKind

#: A night may be missed; after a second one somebody has to look.
GRACE = timedelta(days=1, hours=6)

GROUNDS: Mapping[Ground, str | Promise] = {
    Ground.SERVICE: _("To do what the person asked for"),
    Ground.CONTRACT: _("While they take part, and as long afterwards as either side may claim something of it"),
    Ground.SECURITY: _("Against misuse"),
    Ground.PROOF: _("To prove that consents and decisions were lawful"),
    Ground.DUTY: _("The law wants to see that it was done"),
}
HOWS: Mapping[How, str | Promise] = {
    How.DELETE: _("Deleted"),
    How.WIPE: _("Wiped; the row stays"),
    How.STAYS: _("Stays"),
}


@dataclass(frozen=True)
class Standing:
    """One kind as the page shows it. `overdue` is a sentence, "" where everything is in time."""

    kind: Kind
    row: KeptKind | None
    period: str
    ground: str | Promise
    how: str | Promise
    overdue: str

    @property
    def stays(self) -> bool:
        return self.kind.how is How.STAYS


class Kept(ConsolePage):
    title = _("Kept data")
    template_name = "console/privacy/kept.html"

    def context(self) -> dict[str, Any]:
        standings = standings_now(self.now)
        return {
            "groups": [
                (ground, [each for each in standings if each.kind.ground is code]) for code, ground in GROUNDS.items()
            ],
            "overdue": [each for each in standings if each.overdue],
            "never_ran": not any(each.row and each.row.ran_at for each in standings),
        }


def standings_now(now: datetime) -> list[Standing]:
    """How it stands with each kind: one query."""
    rows = {row.code: row for row in KeptKind.objects.all()}
    return [_standing(kind, rows.get(kind.code), now) for kind in keeping.kinds()]


def overdue(now: datetime) -> list[Standing]:
    """The kinds of which something is kept beyond its time, or whose job does not run."""
    return [each for each in standings_now(now) if each.overdue]


def _standing(kind: Kind, row: KeptKind | None, now: datetime) -> Standing:
    return Standing(kind, row, _words(kind.period()), GROUNDS[kind.ground], HOWS[kind.how], _overdue(kind, row, now))


def _overdue(kind: Kind, row: KeptKind | None, now: datetime) -> str:
    period = kind.period()
    if kind.how is How.STAYS or row is None or period is None:
        return ""
    if row.failures:
        told = {"times": row.failures, "problem": row.problem}
        return gettext("The last %(times)d runs failed: %(problem)s. Look into the worker’s log.") % told
    if row.due_at < now - GRACE:
        return gettext("The job has not run when it should have. Are worker and beat running?")
    if row.oldest_at is not None and row.oldest_at + period < now - GRACE:
        return gettext("Older rows are still kept: something of them is not finished.")
    return ""


def _words(period: timedelta | None) -> str:
    if period is None:
        return gettext("for good")
    if not period:
        return gettext("at once")
    if period < timedelta(hours=1):
        return ngettext("%d minute", "%d minutes", period.seconds // 60) % (period.seconds // 60)
    if period < timedelta(days=2):
        hours = int(period.total_seconds() // 3600)
        return ngettext("%d hour", "%d hours", hours) % hours
    years, rest = divmod(period.days, 365)
    if years > 1 and rest <= years // 4 + 1:  # a period of years has its leap days in it
        return ngettext("%d year", "%d years", years) % years
    return ngettext("%d day", "%d days", period.days) % period.days
