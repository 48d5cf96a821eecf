"""The console: Django's admin site with few addresses and a first page with news.

Staff sign in at the organisation's identity provider (`console.staff.doors`). A local account is for emergencies
("break glass", `manage.py createsuperuser`): it has an address of its own, is off in production unless BREAK_GLASS is
set, and each use of it is an alarm. Source: screens C1, C14; design, identity.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from importlib import import_module
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import clock, log
from audit.log import Action, Actor, ActorKind, Channel
from console import news
from console.menu import menu_of
from console.rights import Right, may, rights_of
from console.staff import doors
from identity import alarms, console_sessions, staff
from identity.limits import Budget, source_of
from identity.models import Alarm

# Five tries, then one in a minute: for an address, and for an account wherever the tries come from.
FROM_ONE_ADDRESS = Budget("console-sign-in-from", per_second=1 / 60, burst=5)
FOR_ONE_ACCOUNT = Budget("console-sign-in-as", per_second=1 / 60, burst=5)


ALARMS_SHOWN = 5

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
    login_template = "console/staff/break_glass.html"
    index_template = "console/index.html"
    enable_nav_sidebar = False

    def get_urls(self) -> list[Any]:
        """Only what is used: every address stands in the access table."""

        def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
            return self.admin_view(view)

        ours = [
            path("", guarded(self.index), name="index"),
            *doors.addresses(),
            path("break-glass", self.login, name="break-glass"),
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
        found = staff.standing(request)
        return {
            **super().each_context(request),
            "menu": menu_of(request),
            "standing": found,
            **_time_left(request, found),
        }

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether whoever asks may see any page; which ones say their rights."""
        return staff.standing(request).is_in

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """Of a local account; everybody else has their password elsewhere."""
        if staff.standing(request).state is not staff.State.BREAK_GLASS:
            raise Http404
        return super().password_change(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        told: dict[str, Any] = {"news": news.of_today(clock.now(), rights_of(request))}
        told["alarms"] = list(alarms.open_alarms()[:ALARMS_SHOWN])
        told["may_see_alarms"] = may(request, Right.MANAGE_STAFF)
        return super().index(request, {**told, **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The emergency's door; an address without anything behind it where it is shut."""
        if not settings.BREAK_GLASS:
            raise Http404
        before, now = request.user.pk, clock.now()
        shown = {"title": gettext("Break-glass account"), "app_path": request.path, **(extra_context or {})}
        with transaction.atomic():
            response = super().login(request, shown)
            if request.user.pk and request.user.pk != before:
                console_sessions.begin(request, now)
                staff.forget_standing(request)
                log.record(Action.LOGIN_BREAK_GLASS, actor=actor_of(request), at=now, details={"door": "console"})
                told = {"user": request.user.pk}
                alarms.ring(Alarm.Kind.BREAK_GLASS, actor=actor_of(request), now=now, told=told)
        form = (getattr(response, "context_data", None) or {}).get("form")
        if isinstance(form, forms.Form) and form.has_error("__all__", "too_many"):
            response.status_code = 429
            response.headers["Retry-After"] = str(FROM_ONE_ADDRESS.retry_after_seconds)
        return response


def _time_left(request: HttpRequest, found: staff.Standing) -> dict[str, Any]:
    """When the session ends: nobody should lose what they type to a clock that they cannot see."""
    if not found.is_in:
        return {}
    minutes = int(settings.CONSOLE_IDLE.total_seconds() // 60)
    return {"session_ends": console_sessions.ends_at(request), "idle_minutes": minutes}


def actor_of(request: HttpRequest) -> Actor:
    """The member of staff who is signed in, for the journal."""
    return Actor(ActorKind.STAFF, str(request.user.pk), Channel.CONSOLE)
