"""The utilities' systems: which answer, and which are silent and left alone for a while."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.pages import OnlyLookedAt
from utility_systems import registry
from utility_systems.models import SystemHealth

SYSTEMS: Mapping[str, str | Promise] = {
    "cis": _("Customers and accounts (cis)"),
    "mdm": _("Meters (mdm)"),
    "der": _("Devices (der)"),
    "codes": _("Codes sent to customers"),
    "notices": _("Letters to customers"),
    "billing": _("Billing"),
    "changes": _("News of changes"),
}


@admin.register(SystemHealth)
class HealthAdmin(OnlyLookedAt):
    """One page: a line for each system of each utility, whether it ever was silent or not."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        known = {(row.utility_id, row.system): row for row in SystemHealth.objects.all()}
        shown = [
            {
                "utility": utility.name or utility.id,
                "name": SYSTEMS.get(name, name),
                "health": _of_its_address(known, utility.id, name),
            }
            for utility in settings.UTILITIES
            for name in registry.systems_of(utility.id)
        ]
        return self.page(
            request, "console/systemhealth_list.html", {"title": gettext("Utility systems"), "systems": shown}
        )

    def row_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        self.row(request, pk)
        return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))


def _of_its_address(known: dict[tuple[str, str], SystemHealth], utility_id: str, name: str) -> SystemHealth | None:
    """Systems behind one address share a circuit, and its row stands under the first of them."""
    return known.get((utility_id, registry.watched_as(utility_id, name)))
