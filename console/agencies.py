"""Agencies: certificate, people, scorecard, what suspensions have closed; suspending one and letting it go on.

Who may look has SEE; who may act has MANAGE_AGENCIES, or is an officer of the utility that certifies the agency
(`StaffMember.officer_of`). Source: screens C8, issue 6 (8, 10), personas EA-7.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import clock
from console.pages import OnlyLookedAt, View
from console.rights import Right, may
from console.site import actor_of
from identity import agencies, staff
from identity.models import Agency, Membership
from portals.agency import scoring, suspension
from portals.models import AssistedCase, CaseLetter, CaseSignal

SHOWN = 50


class ReasonForm(forms.Form):
    """Why, as a code that goes into the journal and to the agency; and its id again, so that it is the right one."""

    reason = forms.RegexField(
        regex=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{1,59}$",
        label=_("Reason, as a code or a file number; no names"),
        error_messages={"invalid": _("Write 2 to 60 letters, digits, spaces, points or hyphens.")},
    )
    agency_id = forms.CharField(label=_("Type the agency's id"), max_length=128)

    def __init__(self, *args: Any, agency: Agency, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.agency = agency

    def clean_agency_id(self) -> str:
        given = str(self.cleaned_data["agency_id"])
        if given != self.agency.agency_id:
            raise forms.ValidationError(_("This is not the id of the agency you are about to change."))
        return given


class PersonForm(ReasonForm):
    """Whose suspension is lifted."""

    operator = forms.ChoiceField(label=_("Who"))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = self.agency.memberships.exclude(suspended_at=None).order_by("operator_id")
        self.fields["operator"].choices = [(each.operator_id, each.operator_id) for each in people]  # type: ignore[attr-defined]


class Named(admin.AllValuesFieldListFilter):
    """The values that there are, without the empty one, whose link would have no name."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        return (each for each in super().choices(changelist) if str(each["display"]).strip())


@admin.register(Agency)
class AgencyAdmin(OnlyLookedAt):
    list_display = ("called", "standing", "certificate", "people")
    list_filter = (("certified_by", Named), ("suspended_by", Named))
    search_fields = ("agency_id", "name")
    search_help_text = _("An agency's name or id")
    change_list_template = "console/list.html"
    ordering = ("agency_id",)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        said = {
            "title": gettext("Agencies"),
            "lead": gettext(
                "Who enrols people on their behalf. An agency cannot act while it is suspended, or once its certificate"
                " has ended."
            ),
            "empty": gettext(
                "There is no agency yet. Whoever runs this service registers one with “manage.py agency”."
            ),
            "none_fits": gettext("No agency is like that. Clear the filters or look for another name."),
        }
        return super().changelist_view(request, {**said, **(extra_context or {})})

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agency]:
        return Agency.objects.prefetch_related("memberships")

    @admin.display(description=_("agency"), ordering="agency_id")
    def called(self, row: Agency) -> str:
        return f"{row.name} ({row.agency_id})" if row.name else row.agency_id

    @admin.display(description=_("state (UTC)"), ordering="suspended_at")
    def standing(self, row: Agency) -> str:
        if row.suspended_at is not None:
            by = _BY.get(row.suspended_by, row.suspended_by)
            return gettext("suspended since %(at)s, by %(by)s") % {"at": f"{row.suspended_at:%Y-%m-%d %H:%M}", "by": by}
        return gettext("its certificate has ended") if _has_lapsed(row.certified_until) else gettext("may act")

    @admin.display(description=_("certified until (UTC)"), ordering="certified_until")
    def certificate(self, row: Agency) -> str:
        until = f"{row.certified_until:%Y-%m-%d %H:%M}" if row.certified_until else gettext("until further notice")
        return gettext("%(until)s by %(by)s") % {"until": until, "by": row.certified_by} if row.certified_by else until

    @admin.display(description=_("people"))
    def people(self, row: Agency) -> str:
        theirs = [each for each in row.memberships.all() if each.active]
        suspended = sum(each.suspended_at is not None for each in theirs)
        if not suspended:
            return str(len(theirs))
        return gettext("%(all)d, %(suspended)d of them suspended") % {"all": len(theirs), "suspended": suspended}

    def title_of(self, row: Agency) -> str:
        return row.name or row.agency_id

    def told_of(self, request: HttpRequest, row: Agency) -> dict[str, Any]:
        found = scoring.scorecard(row, clock.now())
        closed = suspension.closed_by_suspension(row)
        by = _speaks_for(request, row)
        possible = _possible(row, by) if by else []
        lines = [found.agency, *found.people]  # by ids: what somebody is called stands with their agency
        return {
            "windows": [(days, rows, _is_quiet(rows)) for days, rows in scoring.by_window(lines)],
            "members": [
                {"row": each, "has_lapsed": _has_lapsed(each.certified_until)}
                for each in row.memberships.order_by("operator_id")
            ],
            "has_lapsed": _has_lapsed(row.certified_until),
            "suspended_by": _BY.get(row.suspended_by, row.suspended_by),
            "signs_as": list(dict.fromkeys(each for each in (row.portal_id, *row.participants) if each)),
            "open_cases": AssistedCase.objects.filter(agency=row).exclude(state="CLOSED").count(),
            "open_signals": CaseSignal.objects.filter(case__agency=row, decision="").count(),
            "closed": closed[:SHOWN],
            "closed_count": closed.count(),
            "not_told": CaseLetter.objects.filter(case__agency=row, sent_at=None).count(),
            "acts": [
                (reverse(f"admin:{self._named(name)}", args=[row.pk]), _ACTS[name], name == "suspend")
                for name in possible
            ],
        }

    def acts_on_one(self) -> dict[str, View]:
        return {"suspend": self.suspend, "resume": self.resume, "resume-member": self.resume_member}

    def suspend(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Stop an agency from now on."""

        def act(agency: Agency, said: dict[str, Any], by: str) -> str:
            agencies.suspend(agency.agency_id, reason=said["reason"], by=by, actor=actor_of(request), at=clock.now())
            return gettext("%(agency)s is suspended. Its open cases are closed within a minute.")

        return self._change(request, pk, "suspend", ReasonForm, act)

    def resume(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Let an agency go on."""

        def act(agency: Agency, said: dict[str, Any], by: str) -> str:
            agencies.resume(agency.agency_id, reason=said["reason"], actor=actor_of(request), at=clock.now())
            return gettext("%(agency)s may go on. What was closed stays closed.")

        return self._change(request, pk, "resume", ReasonForm, act)

    def resume_member(self, request: HttpRequest, pk: str) -> HttpResponse:
        """Let one of an agency's people go on."""

        def act(agency: Agency, said: dict[str, Any], by: str) -> str:
            member = Membership.objects.get(agency=agency, operator_id=said["operator"])
            agencies.resume_member(member, reason=said["reason"], actor=actor_of(request), at=clock.now())
            return gettext("One of the people of %(agency)s may go on.")

        return self._change(request, pk, "resume-member", PersonForm, act)

    def _change(self, request: HttpRequest, pk: str, name: str, form_class: type[ReasonForm], act: Any) -> HttpResponse:
        """GET shows what will happen; POST does it, or says why not."""
        row = self.row(request, pk)
        by = _speaks_for(request, row)
        if not by:
            raise PermissionDenied
        if name not in _possible(row, by):
            messages.warning(
                request, gettext("That is not possible now: somebody was faster, or it is for others to do.")
            )
            return HttpResponseRedirect(reverse(f"admin:{self._named('change')}", args=[row.pk]))
        form = form_class(request.POST if request.method == "POST" else None, agency=row)
        if request.method == "POST" and form.is_valid():
            messages.success(request, act(row, form.cleaned_data, by) % {"agency": row.name or row.agency_id})
            return HttpResponseRedirect(reverse(f"admin:{self._named('change')}", args=[row.pk]))
        open_cases = AssistedCase.objects.filter(agency=row).exclude(state="CLOSED").count()
        context = {"title": str(_ACTS[name]), "row": row, "form": form, "act": name, "open_cases": open_cases}
        return self.page(request, "console/agency_act.html", context, status=400 if form.errors else 200)


def _has_lapsed(until: datetime | None) -> bool:
    return until is not None and until <= clock.now()


def _is_quiet(rows: Sequence[tuple[scoring.Line, scoring.Counts]]) -> bool:
    """Was nothing at all done in a window?"""
    return all(counts == scoring.Counts() for _line, counts in rows)


def _speaks_for(request: HttpRequest, agency: Agency) -> str:
    """For whom this member of staff may change the agency: OWNER, UTILITY, or "" where they may not."""
    if may(request, Right.MANAGE_AGENCIES):
        return "OWNER"
    member = staff.member_of(request)
    is_officer = member is not None and agency.certified_by in set(member.officer_of) - {""}
    return "UTILITY" if is_officer else ""


def _possible(agency: Agency, by: str) -> list[str]:
    """What can be done now. What whoever runs this service has suspended, a utility's officer cannot let go on."""
    found = []
    if agency.suspended_at is None:
        found.append("suspend")
    elif by == "OWNER" or agency.suspended_by != "OWNER":
        found.append("resume")
    if agency.memberships.exclude(suspended_at=None).exists():
        found.append("resume-member")
    return found


_BY = {"OWNER": _("the program owner"), "UTILITY": _("its utility")}
_ACTS = {
    "suspend": _("Suspend this agency"),
    "resume": _("Let this agency go on"),
    "resume-member": _("Let one of its people go on"),
}
