"""The status lists: how full, how fresh, and signing one again (screen C6)."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext

from audit import clock
from console.pages import OnlyLookedAt, View
from console.rights import Right, may
from credentials import list_watch, publishing
from credentials.models import StatusList


@admin.register(StatusList)
class ListAdmin(OnlyLookedAt):
    """One page: they are few, and their numbers are worth nothing apart."""

    acts = Right.MANAGE_KEYS

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = clock.now()
        shown = [
            {
                "standing": standing,
                "size": f"{standing.size:,}",
                "used": 100 * standing.taken / standing.size,
                "state": "over" if standing.is_over(now) else "late" if standing.is_late(now) else "good",
            }
            for standing in list_watch.standings()
        ]
        context = {"title": gettext("Status lists"), "lists": shown, "may_act": may(request, Right.MANAGE_KEYS)}
        return self.page(request, "console/statuslist_list.html", context)

    def row_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        self.row(request, pk)
        return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))

    def acts_on_all(self) -> dict[str, View]:
        return {"publish": self.publish}

    def publish(self, request: HttpRequest) -> HttpResponse:
        """Sign and publish every list again. GET asks, POST does."""
        if request.method == "POST":
            count = publishing.publish_all(clock.now())
            messages.success(request, gettext("%(count)d lists are published.") % {"count": count})
            return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))
        return self.page(request, "console/statuslist_publish.html", {"title": gettext("Publish all lists again")})
