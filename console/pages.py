"""What the console's pages have in common: they show and never edit; an act has a page of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views import generic

from audit import clock
from console.paging import CappedPaginator
from console.rights import Right, may, need

View = Callable[..., HttpResponse]


class ConsolePage(generic.View):
    """A page that is no model's list: its right, its title, its template. `pages` of its room's `urls` names it.

    `get` renders `context()`; a page that acts has `post`, which takes the right `acts` (None: the same). GET never
    writes.
    """

    right: ClassVar[Right] = Right.SEE
    acts: ClassVar[Right | None] = None
    title: ClassVar[str | Promise] = ""
    template_name: ClassVar[str] = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        need(request, self.right)
        if request.method == "POST" and self.acts is not None:
            need(request, self.acts)
        self.now = clock.now()
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        return self.page()

    def context(self) -> dict[str, Any]:
        """What the page shows."""
        return {}

    def page(self, *, status: int = 200, **said: Any) -> HttpResponse:
        """Render the page; what is said here wins over `context`."""
        shown = {**admin.site.each_context(self.request), "title": str(self.title), **self.context(), **said}
        return render(self.request, self.template_name, shown, status=status)


class OnlyLookedAt(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and one page for each row; nothing is added, changed or deleted here.

    `sees` is the right it takes to look, `acts` the one that each of its acts takes besides (None: the act asks for
    itself).
    """

    actions = None
    list_per_page = 50
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # counting for each filter reads the whole table, once for each of its values
    paginator = CappedPaginator
    sees: ClassVar[Right] = Right.SEE
    acts: ClassVar[Right | None] = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.sees)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.sees)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        """The list, a row's page, and the acts; Django's others would be dead ends."""
        return [
            path(self._address(), self._guarded(self.changelist_view), name=self._named("changelist")),
            *(
                path(self._address(f"{name}/"), self._guarded(view, self.acts), name=self._named(name))
                for name, view in self.acts_on_all().items()
            ),
            path(self._address("<str:pk>/"), self._guarded(self.row_view), name=self._named("change")),
            *(
                path(self._address(f"<str:pk>/{name}/"), self._guarded(view, self.acts), name=self._named(name))
                for name, view in self.acts_on_one().items()
            ),
        ]

    def _guarded(self, view: View, right: Right | None = None) -> View:
        """The view for who has the rights. What looking and acting take is told on it, for the test of the roles."""

        def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            need(request, self.sees)
            if right is not None:
                need(request, right)
            return view(request, *args, **kwargs)

        guarded: View = self.admin_site.admin_view(update_wrapper(asked, view))
        guarded.rights = (right or self.sees, right or self.sees)  # type: ignore[attr-defined]
        return guarded

    def acts_on_all(self) -> dict[str, View]:
        return {}

    def acts_on_one(self) -> dict[str, View]:
        return {}

    def row_view(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Show one row through `told_of`."""
        row = self.row(request, pk)
        context = {"title": str(self.title_of(row)), "row": row, **self.told_of(request, row)}
        return self.page(request, f"console/{self.opts.model_name}.html", context)

    def title_of(self, row: Any) -> str:
        return str(row)

    def told_of(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """What a row's page shows besides the row."""
        return {}

    def row(self, request: HttpRequest, pk: str) -> Any:
        """Return the row; 404 where there is none, 403 without the right to see such rows."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            return self.get_queryset(request).get(pk=pk)
        except (self.model.DoesNotExist, ValueError, forms.ValidationError) as error:
            raise Http404(_("There is no such row.")) from error

    def page(self, request: HttpRequest, template: str, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
        named = {"opts": self.opts, "app_label": self.opts.app_label, "list_page": f"admin:{self._named('changelist')}"}
        return render(request, template, {**self.admin_site.each_context(request), **named, **context}, status=status)

    def _address(self, rest: str = "") -> str:
        return f"{self.opts.app_label}/{self.opts.model_name}/{rest}"

    def _named(self, page: str) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}_{page}"


class _AsOrdered(ChangeList):
    """The list in its own order, whatever an address asks for: only that one has an index."""

    def get_ordering(self, request: HttpRequest, queryset: Any) -> list[Any]:
        self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))


class ListOfMany(OnlyLookedAt):
    """The list of a table of millions: newest first and no other way."""

    sortable_by = ()

    def get_changelist(self, request: HttpRequest, **named: Any) -> type[ChangeList]:
        return _AsOrdered


class OfUtility(admin.SimpleListFilter):
    """Which utility, of those in the settings: asking the table for all it has would read all of it."""

    title = _("utility")
    parameter_name = "utility_id"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(each.id, each.name or each.id) for each in settings.UTILITIES]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(utility_id=self.value()) if self.value() else queryset
