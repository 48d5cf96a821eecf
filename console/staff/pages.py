"""Who works here, in which roles and how strongly signed in (C14); inviting, changing roles, switching off; alarms.

Everybody at the console may see who works here; a colleague's address and history are for who manages staff. The acts
are those of `identity.staffing`, which `manage.py staff` calls as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit import readers
from audit.log import Actor
from console.pages import ConsolePage
from console.paging import slice_of
from console.rights import NAMES, SENTENCES, Right, may
from console.site import actor_of
from identity import alarms, staff, staffing
from identity.acr import reaches
from identity.models import Alarm, StaffMember
from identity.providers import provider_for
from identity.staff import Role
from identity.staffing import NotPossible, Why

SHOWN = 50

WHY_NOT: Mapping[Why, Promise] = {
    Why.LAST_OFFICER: _("This is the last security officer. Make somebody else one first."),
    Why.OWN: _("Nobody changes their own roles or switches themselves off. Ask another security officer."),
    Why.NOT_AN_OFFICER: _("You are no security officer any more. Nothing was changed."),
    Why.ADDRESS_TAKEN: _("Somebody who works here has this address already. One person has one account here."),
    Why.NO_ROLE: _("Select at least one role."),
    Why.HAS_JOINED: _("They have joined meanwhile."),
    Why.SWITCHED_OFF: _("They are switched off. Switch them on first."),
    Why.TOO_MANY: _("Today's invitations are used up. Try again in half an hour."),
}

REASONS = [
    ("", "---------"),
    ("DUTIES", _("They have other duties now")),
    ("LEFT", _("They have left")),
    ("AWAY", _("They are away for a time, or are back")),
    ("SUSPECTED", _("Somebody else may use the account")),
    ("MISTAKE", _("It was a mistake")),
]


class ReasonForm(forms.Form):
    """Why, as a code that goes into the journal."""

    reason = forms.ChoiceField(label=_("Reason"), choices=REASONS, error_messages={"required": _("Select the reason.")})


class RolesForm(forms.Form):
    """What somebody may do, in sentences."""

    roles = forms.MultipleChoiceField(
        label=_("Roles"),
        choices=[(role.value, NAMES[role]) for role in Role],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Select at least one role.")},
    )
    officer_of = forms.MultipleChoiceField(
        label=_("Also an officer of these utilities: may suspend the agencies that they certify"),
        widget=forms.CheckboxSelectMultiple,
        required=False,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(each.id, each.name or each.id) for each in settings.UTILITIES]
        self.fields["officer_of"].choices = choices  # type: ignore[attr-defined]

    @property
    def named_roles(self) -> list[dict[str, Any]]:
        """Each role with its sentence, for the page."""
        chosen = set(self["roles"].value() or [])
        return [
            {"value": role.value, "name": NAMES[role], "sentence": SENTENCES[role], "is_chosen": role.value in chosen}
            for role in Role
        ]


class ChangeForm(RolesForm, ReasonForm):
    field_order = ("roles", "officer_of", "reason")


class InviteForm(RolesForm):
    name = forms.CharField(
        label=_("Name, as colleagues read it"), max_length=100, error_messages={"required": _("Write their name.")}
    )
    email = forms.EmailField(
        label=_("E-mail address at the organisation"),
        max_length=200,
        error_messages={
            "required": _("Write their e-mail address."),
            "invalid": _("Write an e-mail address like name@organisation.example."),
        },
    )
    field_order = ("name", "email", "roles", "officer_of")


class Everybody(ConsolePage):
    """The list: they are few, and on one page."""

    title, template_name = _("Staff"), "console/staff/list.html"

    def context(self) -> dict[str, Any]:
        everybody = list(staffing.everybody())
        return {
            "people": [told_of(each) for each in everybody if each.switched_off_at is None],
            "former": [told_of(each) for each in everybody if each.switched_off_at is not None][-SHOWN:],
            "roles": [(NAMES[role], SENTENCES[role]) for role in Role],
            "may_manage": may(self.request, Right.MANAGE_STAFF),
            "open_alarms": alarms.open_alarms().count(),
        }


class _OfOne(ConsolePage):
    """A page of one member."""

    @property
    def member(self) -> StaffMember:
        found = staffing.everybody().filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404
        return found

    @property
    def trail(self) -> list[tuple[str, Any]]:
        return [(reverse("admin:staff"), _("Staff"))]


class Member(_OfOne):
    """One of them."""

    template_name = "console/staff/member.html"

    def context(self) -> dict[str, Any]:
        member = self.member
        may_manage = may(self.request, Right.MANAGE_STAFF)
        me = staff.member_of(self.request)
        history = readers.lines_about([("staff", str(member.pk))]) if may_manage else ()
        names = staff.called(each.actor_id for each in history)
        return {
            "title": member.name or gettext("A member of staff"),
            "trail": self.trail,
            "row": member,
            **told_of(member),
            "sentences": [(NAMES[role], SENTENCES[role]) for role in Role if role.value in member.roles],
            "may_manage": may_manage,
            "is_me": me is not None and me.pk == member.pk,
            "history": [
                {
                    "line": each,
                    "words": ACTIONS.get(str(each.action), each.action),
                    "by": names.get(each.actor_id) or each.actor_id,
                }
                for each in history
            ],
        }


class _Act(_OfOne):
    """An act on one member: GET says what will happen, POST does it or says why not."""

    right = Right.MANAGE_STAFF
    template_name = "console/staff/act.html"
    form_class: ClassVar[type[forms.Form]] = ReasonForm
    name: ClassVar[str] = ""
    done: ClassVar[str | Promise] = ""

    def context(self) -> dict[str, Any]:
        member = self.member
        here = reverse("admin:staff-member", args=[member.pk])
        return {
            "trail": [*self.trail, (here, member.name)],
            "row": member,
            "act": self.name,
            "form": self.form(member),
            "back": here,
            **told_of(member),
        }

    def form(self, member: StaffMember) -> forms.Form:
        return self.form_class(self.request.POST if self.request.method == "POST" else None)

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        member = self.member
        form = self.form(member)
        if form.is_valid():
            try:
                self.do(member, form.cleaned_data)
                messages.success(request, str(self.done))
                return HttpResponseRedirect(reverse("admin:staff-member", args=[member.pk]), status=303)
            except NotPossible as refused:
                form.add_error(None, str(WHY_NOT.get(refused.why, refused.why.value)))
        return self.page(status=422, form=form)

    def do(self, member: StaffMember, said: Mapping[str, Any]) -> None:
        raise NotImplementedError


class Roles(_Act):
    """Other roles."""

    title, name, form_class, done = _("Change roles"), "roles", ChangeForm, _("Their roles are changed from now on.")

    def form(self, member: StaffMember) -> forms.Form:
        if self.request.method == "POST":
            return ChangeForm(self.request.POST)
        return ChangeForm(initial={"roles": member.roles, "officer_of": member.officer_of})

    def do(self, member: StaffMember, said: Mapping[str, Any]) -> None:
        roles = [Role(each) for each in said["roles"]]
        staffing.change_roles(
            member,
            roles,
            officer_of=said["officer_of"],
            reason=said["reason"],
            now=self.now,
            by=who_asks(self.request),
        )


class SwitchOff(_Act):
    title, name, done = _("Switch off"), "off", _("They are switched off from now on.")

    def do(self, member: StaffMember, said: Mapping[str, Any]) -> None:
        staffing.switch_off(member, reason=said["reason"], now=self.now, by=who_asks(self.request))


class SwitchOn(_Act):
    title, name, done = _("Switch on again"), "on", _("They may sign in again, with the roles they had.")

    def do(self, member: StaffMember, said: Mapping[str, Any]) -> None:
        staffing.switch_on(member, reason=said["reason"], now=self.now, by=who_asks(self.request))


class InviteAgain(_Act):
    title, name, form_class = _("Send a new invitation"), "again", forms.Form
    done = _("A new invitation is on its way; the one before works no more.")

    def do(self, member: StaffMember, said: Mapping[str, Any]) -> None:
        staffing.invite_again(member, link=join_link, now=self.now, by=who_asks(self.request))


class Invite(ConsolePage):
    """Somebody new."""

    right, title, template_name = Right.MANAGE_STAFF, _("Invite somebody"), "console/staff/invite.html"

    def context(self) -> dict[str, Any]:
        return {"form": InviteForm(), "trail": [(reverse("admin:staff"), _("Staff"))]}

    def post(self, request: HttpRequest) -> HttpResponse:
        form = InviteForm(request.POST)
        if form.is_valid():
            said = form.cleaned_data
            roles = [Role(each) for each in said["roles"]]
            who = staffing.Invited(said["name"], said["email"], roles, said["officer_of"])
            try:
                member = staffing.invite(who, link=join_link, now=self.now, by=who_asks(request))
                messages.success(request, gettext("An invitation is on its way. It works for seven days."))
                return HttpResponseRedirect(reverse("admin:staff-member", args=[member.pk]), status=303)
            except NotPossible as refused:
                field = {Why.ADDRESS_TAKEN: "email", Why.NO_ROLE: "roles"}.get(refused.why)
                form.add_error(field, str(WHY_NOT.get(refused.why, refused.why.value)))
        return self.page(status=422, form=form)


class Alarms(ConsolePage):
    """What a security officer has to look at; each is marked as seen by one person, once."""

    right, title, template_name = Right.MANAGE_STAFF, _("Alarms"), "console/staff/alarms.html"

    def context(self) -> dict[str, Any]:
        found = slice_of(Alarm.objects.select_related("seen_by"), self.request)
        users = {str(each.told["user"]) for each in found.rows if str(each.told.get("user", "")).isdigit()}
        accounts = {str(row.pk): row.username for row in get_user_model().objects.filter(pk__in=users)}
        can_read = may(self.request, Right.READ_AUDIT)
        return {
            "slice": found,
            "rows": [_alarm(each, accounts, can_read=can_read) for each in found.rows],
            "trail": [(reverse("admin:staff"), _("Staff"))],
            "is_person": staff.member_of(self.request) is not None,
        }

    def post(self, request: HttpRequest) -> HttpResponse:
        me, given = staff.member_of(request), request.POST.get("alarm", "")
        if me is None:
            problem = gettext("A break-glass account cannot say that an alarm was seen: it is nobody's own.")
            return self.page(status=403, problem=problem)
        if not (given.isascii() and given.isdigit() and len(given) < 19):
            raise Http404
        if alarms.see(int(given), by=me, actor=actor_of(request), now=self.now):
            messages.success(request, gettext("Marked as seen."))
        else:
            messages.info(request, gettext("Somebody has seen it before. Nothing was changed."))
        return HttpResponseRedirect(reverse("admin:alarms"), status=303)


def _alarm(row: Alarm, accounts: Mapping[str, str], *, can_read: bool) -> dict[str, Any]:
    """An alarm in words, and where the journal tells what was done: by the account, or the check it came of."""
    account = str(row.told.get("user", ""))
    lines: list[str] = []
    if account:
        name = accounts.get(account, "")
        number = {"number": account, "name": name}
        lines.append(
            (gettext("Account %(name)s, number %(number)s") if name else gettext("Account %(number)s")) % number
        )
    if "faults" in row.told:
        count = int(row.told["faults"])
        lines.append(ngettext("%(count)d fault", "%(count)d faults", count) % {"count": count})
    lines += [f"{key}: {value}" for key, value in row.told.items() if key not in ("user", "faults", "check")]
    address = ""
    if can_read and account:
        address = f"{reverse('admin:journal')}?{urlencode({'person': account})}"
    elif can_read and "check" in row.told:
        address = reverse("admin:journal-checks")
    return {"row": row, "lines": lines, "journal": address}


def told_of(member: StaffMember) -> dict[str, Any]:
    """What every page tells of a member: their roles in words, how far they are, how strongly they signed in."""
    provider = provider_for(member.user.issuer) if member.user is not None else None
    is_strong = provider is not None and reaches(member.acr, provider.minimum_acr, provider.acr_levels)
    return {
        "member": member,
        "role_names": [NAMES[role] for role in Role if role.value in member.roles],
        "is_strong": bool(member.signed_in_at) and is_strong,
    }


def who_asks(request: HttpRequest) -> StaffMember | Actor:
    """The member who asks, or the actor of a break-glass account."""
    return staff.member_of(request) or actor_of(request)


def join_link(token: str) -> str:
    """The address of an invitation."""
    return f"{settings.CONSOLE_URL}{reverse('admin:join')}?{urlencode({'t': token})}"


ACTIONS: Mapping[str, Promise] = {
    "staff.invited": _("Invited"),
    "staff.joined": _("Joined"),
    "staff.changed": _("Roles changed"),
    "staff.switched_off": _("Switched off"),
    "staff.switched_on": _("Switched on"),
}
