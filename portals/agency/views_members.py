"""A13: the agency's members, for its managers; and the page of an invitation, for whoever has its link.

Another agency's member, and every page here for who is no manager, is answered like one that is not there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from audit import clock
from identity import agents, members
from identity.members import Invited, NotPossible, Why
from identity.models import Membership
from identity.oidc.views import Door, to_providers
from identity.providers import provider_for
from portals.agency.forms_members import InviteForm, RoleForm
from portals.agency.gate import ManagerMixin

PAGE_LENGTH = 25
INVITATION = "agency_invitation"  # in the session: the digest of the link somebody came with
STATUS = {Why.TOO_MANY: 429, Why.NOT_A_MANAGER: 403}


def link(token: str) -> str:
    """The address of an invitation; the token stands where no log has it."""
    return f"{settings.PUBLIC_URL}{reverse('agency-join')}?{urlencode({'t': token})}"


class Members(ManagerMixin, View):
    """Everybody of the agency: role, certificate, training, last seen."""

    def get(self, request: HttpRequest) -> HttpResponse:
        rows = members.of_agency(self.member.agency)
        page = Paginator(rows, PAGE_LENGTH).get_page(request.GET.get("page"))
        lines = [{"member": each, "state": state_of(each, self.now)} for each in page.object_list]
        said = {"page": page, "lines": lines, "done": request.GET.get("done", ""), "count": page.paginator.count}
        return render(request, "agency/members/list.html", said)


class Invite(ManagerMixin, View):
    """Invite somebody."""

    def get(self, request: HttpRequest) -> HttpResponse:
        return self.page(InviteForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        form = InviteForm(request.POST)
        if not form.is_valid():
            return self.page(form, status=422)
        said = form.cleaned_data
        who = Invited(said["operator_id"], said["name"], said["email"], said["role"])
        try:
            member = members.invite(self.member.agency, who, link=link, now=self.now, by=self.member)
        except NotPossible as error:
            if error.why is Why.OPERATOR_TAKEN:
                form.add_error(
                    "operator_id", _("Enter another operator id: somebody of your agency has this one, or had it")
                )
                return self.page(form, status=422)
            return refused(request, error.why, back=reverse("agency-members"))
        return see("agency-member", member, done="invited")

    def page(self, form: InviteForm, *, status: int = 200) -> HttpResponse:
        said = {"form": form, "back": reverse("agency-members")}
        return render(self.request, "agency/members/invite.html", said, status=status)  # type: ignore[attr-defined]


class MemberPage(ManagerMixin, View):
    """A page about one member of the manager's agency."""

    template_name = ""
    about: Membership

    def setup_member(self, member_id: int) -> None:
        found = members.of_agency(self.member.agency).filter(pk=member_id).first()
        if found is None:
            raise Http404
        self.about = found

    def page(self, *, status: int = 200, **said: Any) -> HttpResponse:
        context = {
            "about": self.about,
            "state": state_of(self.about, self.now),
            "is_me": self.about.pk == self.member.pk,
            "now": self.now,
            "back": reverse("agency-members"),
            **said,
        }
        return render(self.request, self.template_name, context, status=status)

    def act(self, what: Callable[[], Any], done: str) -> HttpResponse:
        """Do it and go back to the member, or say why it cannot be done."""
        try:
            what()
        except NotPossible as error:
            return refused(self.request, error.why, back=reverse("agency-member", args=[self.about.pk]))
        if self.about.pk == self.member.pk:
            return HttpResponseRedirect(agents.DESK, status=303)  # a manager no more: the members are not theirs to see
        return see("agency-member", self.about, done=done)


class Member(MemberPage):
    template_name = "agency/members/member.html"

    def get(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return self.page(done=request.GET.get("done", ""))


class ChangeRole(MemberPage):
    """What may they do?"""

    template_name = "agency/members/role.html"

    def get(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return self.page(form=RoleForm(initial={"role": self.about.role}), back=self._back())

    def post(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        form = RoleForm(request.POST)
        if not form.is_valid():
            return self.page(form=form, status=422, back=self._back())
        role = form.cleaned_data["role"]
        return self.act(lambda: members.change_role(self.about, role, now=self.now, by=self.member), "role")

    def _back(self) -> str:
        return reverse("agency-member", args=[self.about.pk])


class SwitchOff(MemberPage):
    """What it means, and then it is done."""

    template_name = "agency/members/off.html"

    def get(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return self.page(back=reverse("agency-member", args=[member_id]))

    def post(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return self.act(lambda: members.switch_off(self.about, now=self.now, by=self.member), "off")


class SwitchOn(MemberPage):
    """In again; the button stands on the member's own page."""

    def get(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return see("agency-member", self.about)

    def post(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return self.act(lambda: members.switch_on(self.about, now=self.now, by=self.member), "on")


class InviteAgain(MemberPage):
    """A new link; the one before works no more."""

    def get(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return see("agency-member", self.about)

    def post(self, request: HttpRequest, member_id: int) -> HttpResponse:
        self.setup_member(member_id)
        return self.act(
            lambda: members.invite_again(self.about, link=link, now=self.now, by=self.member), "invited-again"
        )


class Join(Door):
    """The page of an invitation. Looking at it uses nothing up; joining takes a sign-in at the agency's provider.

    While somebody signs in the session remembers the token's digest, so that the token is written nowhere.
    """

    template_name = "agency/members/join.html"

    def page(self, request: HttpRequest, *, status: int = 200, **said: Any) -> HttpResponse:
        member = members.invited_by(self._digest(request), clock.now())
        context = {
            "invited": member,
            "provider": provider_for(member.agency.sign_in_issuer) if member else None,
            "token": request.GET.get("t") or request.POST.get("t", ""),
            "is_here": member is not None and agents.is_at(request, member.agency),
            "is_elsewhere": agents.is_one(request),
            **said,
        }
        if member is None and status == 200:
            status = 404
        answer = to_providers(render(request, self.template_name, context, status=status))
        answer.headers["Referrer-Policy"] = "no-referrer"  # the address is the secret
        return answer

    def post(self, request: HttpRequest) -> HttpResponse:
        digest, now = self._digest(request), clock.now()
        member = members.invited_by(digest, now)
        provider = provider_for(member.agency.sign_in_issuer) if member else None
        if member is None or provider is None:
            return self.page(request)
        if not agents.is_at(request, member.agency):
            request.session[INVITATION] = digest
            acr = member.agency.minimum_acr or provider.minimum_acr
            return self.leave(request, provider, acr=acr, next=reverse("agency-join"))
        try:
            joined = members.join(digest, request.user, now=now)  # type: ignore[arg-type]
        except NotPossible as error:
            return self.page(request, status=409, why=error.why.value)
        request.session.pop(INVITATION, None)
        agents.choose(request, joined, now)
        return HttpResponseRedirect(agents.DESK, status=303)

    def _digest(self, request: HttpRequest) -> str:
        token = request.POST.get("t") or request.GET.get("t", "")
        return members.digest_of(token) if token else str(request.session.get(INVITATION, ""))


def state_of(member: Membership, now: Any) -> str:
    """How a member stands, in a word: the list's and the page's."""
    if not member.active:
        return "off"
    if member.user_id is None and member.invitation_digest:
        return "invited" if member.invitation_ends_at and now < member.invitation_ends_at else "invitation-over"
    if member.suspended_at is not None:
        return "suspended"
    if not member.is_certified(now):
        return "lapsed" if member.trained_on else "not-certified"
    return "" if member.user_id else "outside"


def refused(request: HttpRequest, why: Why, *, back: str) -> HttpResponse:
    """Say why it cannot be done and what to do instead; nothing was changed."""
    status = STATUS.get(why, 409)
    answer = render(request, "agency/members/refused.html", {"why": why.value, "back": back}, status=status)
    if status == 429:
        answer.headers["Retry-After"] = str(members.INVITATIONS.retry_after_seconds)
    return answer


def see(name: str, member: Membership, *, done: str = "") -> HttpResponse:
    query = f"?{urlencode({'done': done})}" if done else ""
    return HttpResponseRedirect(reverse(name, args=[member.pk]) + query, status=303)
