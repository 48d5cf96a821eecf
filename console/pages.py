"""What the console's pages have in common: they show and never edit; an act has a page of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
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

    `get` renders `context()`; a page that acts has `post`. GET never writes.
    """

    right: ClassVar[Right] = Right.SEE
    title: ClassVar[str | Promise] = ""
    template_name: ClassVar[str] = ""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        need(request, self.right)
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

    `sees` is the right it takes to look; pages that do not say one yet are asked for by Django's permission to view.
    """

    actions = None
    list_per_page = 50
    show_full_result_count = False
    paginator = CappedPaginator
    sees: Right | None = None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request, self.sees) if self.sees is not None else super().has_view_permission(request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may(request, self.sees) if self.sees is not None else super().has_module_permission(request)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[Any]:
        """The list, a row's page, and the acts; Django's others would be dead ends."""
        return [
            path(self._address(), self.admin_site.admin_view(self.changelist_view), name=self._named("changelist")),
            *(
                path(self._address(f"{name}/"), self.admin_site.admin_view(view), name=self._named(name))
                for name, view in self.acts_on_all().items()
            ),
            path(self._address("<str:pk>/"), self.admin_site.admin_view(self.row_view), name=self._named("change")),
            *(
                path(self._address(f"<str:pk>/{name}/"), self.admin_site.admin_view(view), name=self._named(name))
                for name, view in self.acts_on_one().items()
            ),
        ]

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


def refuse_without_sight(page: OnlyLookedAt, request: HttpRequest) -> None:
    if not page.has_view_permission(request):
        raise PermissionDenied


def may_act(request: HttpRequest, model: type[Model]) -> bool:
    """Whether this member of staff may do what changes rows of this kind."""
    return bool(request.user.has_perm(f"{model._meta.app_label}.change_{model._meta.model_name}"))


def refuse_without_right(request: HttpRequest, model: type[Model]) -> None:
    if not may_act(request, model):
        raise PermissionDenied
