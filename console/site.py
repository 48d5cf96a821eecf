"""The console's front door: Django's admin site with few addresses, a limited sign-in, and a first page with news.

Staff sign in here with a local account ("break glass", `manage.py createsuperuser`) only. Signing in through the
organisation's identity provider is another issue; until then give these accounts to few, and long passwords to all.
Source: screens C1, C14; design, identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _

from audit import clock, log
from audit.log import Action, Actor, ActorKind, Channel
from console import news
from console.menu import menu_of
from identity.limits import Budget, source_of

SESSION_SECONDS = 8 * 3600

# Five tries, then one in a minute: for an address, and for an account wherever the tries come from.
FROM_ONE_ADDRESS = Budget("console-sign-in-from", per_second=1 / 60, burst=5)
FOR_ONE_ACCOUNT = Budget("console-sign-in-as", per_second=1 / 60, burst=5)


# The rooms whose pages are no model's list: each has `urls.pages`, a list of `path(...)`, guarded here.
ROOMS = ("enrollments", "deciding", "programs", "messages", "figures", "operations", "journal", "privacy", "staff")


class SignInForm(AdminAuthenticationForm):
    """User name and password, a limited number of times."""

    error_messages = {
        **AdminAuthenticationForm.error_messages,
        "too_many": _("Too many attempts. Wait %(seconds)s seconds, then try again."),
    }

    def clean(self) -> dict[str, Any]:
        assert self.request is not None
        # As the sign-in reads it: spaces around a name, or letters in another width, are no other account.
        named = str(self.cleaned_data.get("username", ""))
        now, account = clock.now(), hashlib.sha256(named.encode()).hexdigest()
        for budget, who in ((FROM_ONE_ADDRESS, source_of(self.request)), (FOR_ONE_ACCOUNT, account)):
            if not budget.take(now, who):
                seconds = {"seconds": budget.retry_after_seconds}
                raise ValidationError(self.error_messages["too_many"], code="too_many", params=seconds)
        cleaned: dict[str, Any] = super().clean()
        return cleaned


class ConsoleSite(AdminSite):
    site_title = _("Console")
    site_header = _("Energy Enrollment console")
    index_title = _("Home")
    site_url = None
    login_form = SignInForm
    index_template = "console/index.html"
    enable_nav_sidebar = False

    def get_urls(self) -> list[Any]:
        """Only what is used: every address stands in the access table."""

        def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
            return self.admin_view(view)

        ours = [
            path("", guarded(self.index), name="index"),
            path("login/", self.login, name="login"),
            path("logout/", guarded(self.logout), name="logout"),
            path("password_change/", guarded(self.password_change), name="password_change"),
            path("password_change/done/", guarded(self.password_change_done), name="password_change_done"),
        ]
        for room in ROOMS:
            for page in import_module(f"console.{room}.urls").pages:
                ours.append(path(str(page.pattern), guarded(page.callback), name=page.name))
        for admin in self._registry.values():
            ours += admin.get_urls()
        return [*ours, path("<str:app_label>/", guarded(self.app_index), name="app_list")]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "menu": menu_of(request)}

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        return super().index(request, {"news": news.of_today(clock.now()), **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        before = request.user.pk
        response = super().login(request, extra_context)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if request.user.pk and request.user.pk != before:
            request.session.set_expiry(SESSION_SECONDS)
            log.record(Action.LOGIN, actor=actor_of(request), at=clock.now(), details={"door": "console"})
        elif isinstance(form, forms.Form) and form.has_error("__all__", "too_many"):
            response.status_code = 429
            response.headers["Retry-After"] = str(FROM_ONE_ADDRESS.retry_after_seconds)
        return response


def actor_of(request: HttpRequest) -> Actor:
    """The member of staff who is signed in, for the journal."""
    return Actor(ActorKind.STAFF, str(request.user.pk), Channel.CONSOLE)
