"""The issuer's keys: what is published of each, what it has signed, and its life (screen C12).

A private key is on no page: the column is not even read. Each act has its own page that says what it does, asks for a
reason and for the key's name typed again, and calls the same service as `manage.py keys`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import clock
from console.pages import OnlyLookedAt, View
from console.rights import Right, may
from console.site import actor_of
from credentials import key_life, keys, policy
from credentials.key_providers import UnfitKey
from credentials.keys import Reason
from credentials.models import IssuerKey, KeyAlgorithm, KeyState

REASONS = [
    ("", "---------"),
    (Reason.PLANNED, _("Planned: keys are replaced from time to time")),
    (Reason.PROVIDER_CHANGE, _("Keys move to another place")),
    (Reason.SUSPECTED, _("Somebody else may have used it")),
    (Reason.COMPROMISED, _("Somebody else has used it, or it is lost")),
]


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.ChoiceField(label=_("Reason"), choices=REASONS)


class AnnounceForm(ReasonForm):
    algorithm = forms.ChoiceField(label=_("Kind of key"), choices=KeyAlgorithm.choices)
    field_order = ("algorithm", "reason")


class ConfirmForm(ReasonForm):
    """Why, and the key's name typed again."""

    kid = forms.CharField(label=_("Type the key's name again"), max_length=64, strip=True)

    def __init__(self, *args: Any, key: IssuerKey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._key = key
        self.fields["kid"].widget.attrs.update({"autocomplete": "off", "spellcheck": "false"})

    def clean_kid(self) -> str:
        kid = str(self.cleaned_data["kid"])
        if kid != self._key.kid:
            raise forms.ValidationError(_("This is not the name of the key you are about to change."))
        return kid


class ActivateForm(ConfirmForm):
    at_once = forms.BooleanField(
        label=_("Do not wait for caches: some verifiers may refuse new credentials for half a minute"), required=False
    )


@admin.register(IssuerKey)
class KeyAdmin(OnlyLookedAt):
    acts = Right.MANAGE_KEYS
    list_display = ("name", "state", "kind", "used_by", "since", "lives")
    list_filter = ("state", "algorithm")
    search_fields = ("kid", "multikey")
    search_help_text = _("Any part of a key's name")
    ordering = ("-announced_at", "-pk")
    change_list_template = "console/issuerkey_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[IssuerKey]:
        return IssuerKey.objects.defer("private")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        told = {"may_act": may(request, Right.MANAGE_KEYS), "title": gettext("Issuer keys")}
        return super().changelist_view(request, {**told, **(extra_context or {})})

    @admin.display(description=_("name"), ordering="kid")
    def name(self, row: IssuerKey) -> str:
        return row.kid

    @admin.display(description=_("kind"), ordering="algorithm")
    def kind(self, row: IssuerKey) -> str:
        return row.algorithm

    @admin.display(description=_("since (UTC)"))
    def since(self, row: IssuerKey) -> str:
        """When it came into the state it is in."""
        moments = (row.revoked_at, row.retired_at, row.activated_at, row.announced_at)
        return next(f"{moment:%Y-%m-%d %H:%M}" for moment in moments if moment)

    @admin.display(description=_("used by"))
    def used_by(self, row: IssuerKey) -> str:
        """There are a handful of keys, so that each is counted by itself."""
        use = key_life.use_of(row.kid, now=clock.now())
        said = gettext("%(credentials)d living credentials, %(copies)d wallet copies, %(lists)d lists")
        return said % {"credentials": use.credentials, "copies": use.wallet_copies, "lists": use.lists}

    @admin.display(description=_("kept"))
    def lives(self, row: IssuerKey) -> str:
        return row.provider or gettext("here, encrypted")

    def title_of(self, row: IssuerKey) -> str:
        return gettext("Key %(kid)s") % {"kid": row.kid}

    def told_of(self, request: HttpRequest, row: IssuerKey) -> dict[str, Any]:
        now = clock.now()
        possible = {
            KeyState.ANNOUNCED: ("activate", "retire", "revoke"),
            KeyState.ACTIVE: ("revoke",),
            KeyState.RETIRED: ("revoke",),
        }.get(KeyState(row.state), ())
        return {
            "use": key_life.use_of(row.kid, now=now),
            "acts": [(name, reverse(f"admin:{self._named(name)}", args=[row.pk]), _ACTS[name]) for name in possible]
            if may(request, Right.MANAGE_KEYS)
            else [],
            "lives": self.lives(row),
            "ready_at": ready_at(row) if row.state == KeyState.ANNOUNCED and ready_at(row) > now else None,
        }

    def acts_on_all(self) -> dict[str, View]:
        return {"announce": self.announce}

    def acts_on_one(self) -> dict[str, View]:
        return {"activate": self.activate, "retire": self.retire, "revoke": self.revoke}

    def announce(self, request: HttpRequest) -> HttpResponse:
        """Make and publish a key that does not sign yet."""
        form = AnnounceForm(_posted(request))

        def act() -> str:
            said = form.cleaned_data
            key = keys.announce(
                said["algorithm"], now=clock.now(), actor=actor_of(request), reason=Reason(said["reason"])
            )
            return gettext("Key %(kid)s is published. It can be activated in half a minute.") % {"kid": key.kid}

        return self._act_page(request, form, act, title=gettext("Announce a key"), name="announce")

    def activate(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Let an announced key sign; the active one is retired."""

        def act(row: IssuerKey, form: forms.Form, reason: Reason) -> str:
            at_once = form.cleaned_data["at_once"]
            key_life.activate(row.kid, at_once=at_once, reason=reason, now=clock.now(), actor=actor_of(request))
            return gettext("Key %(kid)s signs from now on. All status lists are signed by it.") % {"kid": row.kid}

        return self._change(request, pk, "activate", ActivateForm, act)

    def retire(self, request: HttpRequest, pk: str) -> HttpResponse:
        """An announced key will never sign."""

        def act(row: IssuerKey, form: forms.Form, reason: Reason) -> str:
            keys.retire(row.kid, reason=reason, now=clock.now(), actor=actor_of(request))
            return gettext("Key %(kid)s is retired and will never sign.") % {"kid": row.kid}

        return self._change(request, pk, "retire", ConfirmForm, act)

    def revoke(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Withdraw a key; what it signed and still counts is signed again."""

        def act(row: IssuerKey, form: forms.Form, reason: Reason) -> str:
            _, losing = key_life.revoke(row.kid, reason=reason, now=clock.now(), actor=actor_of(request))
            said = gettext("Key %(kid)s is revoked. %(count)d living credentials are signed again now.")
            return said % {"kid": row.kid, "count": losing}

        return self._change(request, pk, "revoke", ConfirmForm, act)

    def _change(
        self,
        request: HttpRequest,
        pk: str,
        name: str,
        form_class: type[ConfirmForm],
        act: Callable[[IssuerKey, forms.Form, Reason], str],
    ) -> HttpResponse:
        row = self.row(request, pk)
        form = form_class(_posted(request), key=row)
        shown = {"row": row, "use": key_life.use_of(row.kid, now=clock.now()), "ready_at": ready_at(row)}
        shown["is_early"] = ready_at(row) > clock.now()

        def done() -> str:
            return act(row, form, Reason(form.cleaned_data["reason"]))

        return self._act_page(request, form, done, title=str(_ACTS[name]), name=name, **shown)

    def _act_page(
        self, request: HttpRequest, form: forms.Form, act: Callable[[], str], *, title: str, name: str, **shown: Any
    ) -> HttpResponse:
        """GET shows what will happen; POST does it, or says why not."""
        if request.method == "POST" and form.is_valid():
            try:
                messages.success(request, act())
                return HttpResponseRedirect(reverse(f"admin:{self._named('changelist')}"))
            except (keys.KeyRefused, UnfitKey) as refused:
                form.add_error(None, str(refused))
        status = 400 if form.errors else 200
        context = {"title": title, "form": form, "act": name, **shown}
        return self.page(request, "console/issuerkey_act.html", context, status=status)


def _posted(request: HttpRequest) -> Any:
    return request.POST if request.method == "POST" else None


def ready_at(row: IssuerKey) -> Any:
    """When every cache of our keys knows this one."""
    return row.announced_at + timedelta(seconds=policy.keys_max_age_seconds())


_ACTS = {
    "activate": _("Activate this key"),
    "retire": _("Retire this key"),
    "revoke": _("Revoke this key"),
}
