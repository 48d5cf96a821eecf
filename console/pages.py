"""What the console's pages have in common: they show and never edit; an act has a page of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils.translation import gettext_lazy as _

View = Callable[..., HttpResponse]


class OnlyLookedAt(admin.ModelAdmin):  # type: ignore[type-arg]
    """A list and one page for each row; nothing is added, changed or deleted here."""

    actions = None
    list_per_page = 50
    show_full_result_count = False

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
