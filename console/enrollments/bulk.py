"""Acts on many enrolments: asked for by one person, approved by another, seen to their end (screens C4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console.enrollments import finding, forms, names
from console.enrollments.results import lines_of, said
from console.pages import ConsolePage
from console.paging import SIZE
from console.rights import Right, may, person
from console.site import actor_of
from credentials import bulk, looks
from credentials.models import BulkAct, BulkKind, PublicCheck
from enrollment import many
from enrollment.by_staff import Asked, NotPossible
from enrollment.filtering import Filter
from enrollment.models import Enrollment

#: Enrolments of a set that are named on its page.
NAMED = 20
TITLES: Mapping[str, Any] = {
    BulkKind.END: _("End all of these"),
    BulkKind.PAUSE: _("Suspend all of these"),
    BulkKind.GO_ON: _("Resume all of these"),
}


def filter_words(what: Filter) -> str:
    """What a filter means, for people."""
    parts = [
        str(finding.STATES.get(what.state, what.state)) if what.state else "",
        gettext("program %s") % what.program if what.program else "",
        gettext("came by: %s") % finding.CHANNELS.get(what.channel, what.channel) if what.channel else "",
        gettext("agency %s") % what.agency if what.agency else "",
        gettext("enrolled from %s") % what.enrolled_from if what.enrolled_from else "",
        gettext("enrolled to %s") % what.enrolled_until if what.enrolled_until else "",
    ]
    return " · ".join(each for each in parts if each)


def set_words(act: BulkAct) -> str:
    """Whose an act is, for people."""
    if "filter" in act.options:
        return filter_words(Filter.of(act.options["filter"]))
    return act.source


def state_of(act: BulkAct, now: datetime) -> tuple[str, Any]:
    """How an act stands: a CSS word and a sentence."""
    if act.refused_at is not None:
        return "over", _("taken back") if act.refused_by == act.asked_by else _("refused")
    if act.approve_until is not None and act.approved_at is None:
        if act.approve_until <= now:
            return "over", _("nobody approved it in time")
        return "late", _("waits for a second person")
    return ("good", _("done")) if act.finished_at else ("late", _("at work"))


def states_said(by_state: Mapping[str, int]) -> list[tuple[Any, int]]:
    """How many are in which state, in the order of the states."""
    return [(name, by_state[state]) for state, name in finding.STATES.items() if by_state.get(state)]


class BulkActs(ConsolePage):
    """The newest first; those that wait for a second person stand above."""

    title = _("Acts on many")
    template_name = "console/enrollments/bulk_acts.html"

    def context(self) -> dict[str, Any]:
        before = _moment(self.request.GET.get("before", ""))
        rows = BulkAct.objects.exclude(kind=BulkKind.TELL)
        found = list((rows.filter(asked_at__lt=before) if before else rows).order_by("-asked_at")[: SIZE + 1])
        waiting = list(bulk.to_approve(self.now)[:SIZE]) if before is None else []
        shown = found[:SIZE]
        people = names.of_people({act.asked_by for act in (*shown, *waiting)})
        return {
            "waiting": [self._line(act, people) for act in waiting],
            "rows": [self._line(act, people) for act in shown],
            "older": shown[-1].asked_at.isoformat() if len(found) > SIZE else "",
            "is_first": before is None,
        }

    def _line(self, act: BulkAct, people: Mapping[str, str]) -> dict[str, Any]:
        colour, words = state_of(act, self.now)
        return {
            "act": act,
            "kind": names.of_kind(act),
            "whose": set_words(act),
            "who": people.get(act.asked_by) or gettext("the operator's command or the system"),
            "colour": colour,
            "state": words,
        }


class AskMany(ConsolePage):
    """GET says whom the filter means and what would happen; POST freezes them and asks a second person."""

    right = Right.ACT
    template_name = "console/enrollments/bulk_ask.html"

    @cached_property
    def kind(self) -> str:
        kind = self.request.GET.get("kind", "")
        if kind not in many.TOUCHES:
            raise Http404(gettext("There is no such act."))
        return kind

    @cached_property
    def what(self) -> Filter:
        form = finding.form_of(self.request)
        if not form.is_valid():
            raise Http404(gettext("The list cannot be narrowed like that."))
        return form.filter

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        problem = self.problem()
        return self.page(problem=problem, status=409 if problem else 200)

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        form = self.form(request.POST)
        if not form.is_valid():
            return self.page(form=form, errors=form.errors, status=400)
        said = form.cleaned_data
        asked = Asked(said["reason"], actor_of(request), self.now, said["note"].strip())
        keep = bool(said.get("keep_outliving"))
        try:
            act = many.ask(
                self.kind, self.what, asked, person=person(request), count=said["count"], keep_outliving=keep
            )
        except NotPossible as sentence:
            return self.page(problem=str(sentence.sentence), status=409)
        return HttpResponseRedirect(reverse("admin:bulk-act", args=[act.pk]))

    def problem(self) -> str:
        """Why nobody can be asked, "" where it is possible."""
        if not person(self.request):
            return gettext(
                "An emergency account cannot ask for what needs two persons: sign in as yourself, or use the command."
            )
        if self.what.is_empty:
            return gettext("Narrow the list first: everybody at once is never meant.")
        if self.foreseen.is_more:
            return gettext("These are more than %(most)s, the most that one act takes. Narrow the list.") % {
                "most": f"{many.MOST:,}"
            }
        return "" if self.foreseen.count else gettext("There is no such enrolment now.")

    @cached_property
    def foreseen(self) -> many.Foreseen:
        return many.foresee(self.kind, self.what)

    def form(self, data: Any = None) -> forms.CountForm:
        return forms.CountForm(
            data,
            reasons=many.WHY[self.kind],
            is_end=self.kind == BulkKind.END,
            initial={"shown": self.foreseen.count},
        )

    def context(self) -> dict[str, Any]:
        listed = f"{reverse('admin:enrollments')}?{self.what.query}"
        return {
            "title": str(TITLES[self.kind]),
            "trail": [(reverse("admin:enrollments"), gettext("Enrolments")), (listed, gettext("Narrowed"))],
            "back": listed,
            "kind": self.kind,
            "whose": filter_words(self.what),
            "foreseen": self.foreseen,
            "states": states_said(self.foreseen.by_state),
            "form": self.form(),
            "most": many.MOST,
        }


class BulkActPage(ConsolePage):
    """One act: what was asked for, what has changed since, who decides, how far it is, what came of it."""

    template_name = "console/enrollments/bulk_act.html"

    @cached_property
    def act(self) -> BulkAct:
        return get_object_or_404(BulkAct.objects.exclude(kind=BulkKind.TELL), pk=self.kwargs["pk"])

    @cached_property
    def checks(self) -> list[PublicCheck]:
        return looks.checks_about(looks.about(self.act))

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        return self._progress() if "progress" in request.GET else self.page()

    def _progress(self) -> HttpResponse:
        progress = bulk.progress_of(self.act.pk)
        return JsonResponse(
            {
                "waiting": self.is_at_work(progress),
                "text": self.progress_said(progress),
                "done": progress.batches_done,
                "next": self.request.path,
            }
        )

    def is_at_work(self, progress: bulk.Progress) -> bool:
        """Whether it is still to be worked off, or looked at."""
        if self.act.due_at is None:
            return False
        return not progress.is_over or any(not check.is_over for check in self.checks)

    def progress_said(self, progress: bulk.Progress) -> str:
        told = (
            gettext(" %(told)s of %(all)s told.") % {"told": progress.told, "all": progress.to_tell}
            if progress.to_tell
            else ""
        )
        sentence = gettext("%(seen)s of %(all)s looked at, %(changed)s changed.") % {
            "seen": progress.looked_at,
            "all": self.act.count,
            "changed": progress.changed,
        }
        return f"{sentence}{told} {said(self.checks) if self.checks else ''}".strip()

    @property
    def is_waiting(self) -> bool:
        act = self.act
        is_open = act.approve_until is not None and act.approved_at is None and act.refused_at is None
        return is_open and act.approve_until is not None and act.approve_until > self.now

    def context(self) -> dict[str, Any]:
        act, me = self.act, person(self.request)
        progress = bulk.progress_of(act.pk)
        colour, words = state_of(act, self.now)
        people = names.of_people({act.asked_by, act.approved_by, act.refused_by})
        is_ours = act.kind in many.TOUCHES
        since = many.since(act) if self.is_waiting and is_ours else None
        first = act.batches.order_by("number").values_list("ids", flat=True).first() or []
        notes = list(act.staff_acts.order_by("at"))
        by = names.of_users({each.by for each in notes})
        return {
            "title": f"{names.of_kind(act)}: {act.count:,}",
            "trail": [(reverse("admin:bulk-acts"), gettext("Acts on many"))],
            "act": act,
            "whose": set_words(act),
            "reason": names.reason(act.reason),
            "refusal": names.reason(act.refusal_reason),
            "colour": colour,
            "state": words,
            "asked_by": people.get(act.asked_by) or gettext("the operator's command or the system"),
            "approved_by": people.get(act.approved_by, ""),
            "refused_by": people.get(act.refused_by, ""),
            "is_waiting": self.is_waiting,
            "since": since,
            "states_then": states_said(since.at_asking) if since else [],
            "states_now": states_said(since.by_state) if since else [],
            "examples": list(
                Enrollment.objects.filter(credential__in=first[:NAMED]).order_by("-case_id").only("order_number")
            ),
            "listed": f"{reverse('admin:enrollments')}?{Filter.of(act.options['filter']).query}"
            if "filter" in act.options
            else "",
            "may_approve": self.is_waiting
            and is_ours
            and may(self.request, Right.APPROVE)
            and bool(me)
            and me != act.asked_by,
            "is_own": self.is_waiting and me == act.asked_by and bool(me),
            "may_refuse": self.is_waiting and bool(me) and me != act.asked_by and may(self.request, Right.APPROVE),
            "may_take_back": self.is_waiting and bool(me) and me == act.asked_by and may(self.request, Right.ACT),
            "progress": progress,
            "said": self.progress_said(progress),
            "is_at_work": self.is_at_work(progress),
            "lists": lines_of(self.checks),
            "notes": [{"row": each, "who": by.get(each.by, ""), "reason": names.reason(each.reason)} for each in notes],
            "may_read_notes": may(self.request, Right.UNMASK),
            "is_final": act.kind in (BulkKind.END, BulkKind.REVOKE),
            "undo": self._undo(),
        }

    def _undo(self) -> str:
        """Where what was suspended can be asked to go on."""
        act = self.act
        if act.kind != BulkKind.PAUSE or not act.finished_at or "filter" not in act.options:
            return ""
        if not may(self.request, Right.ACT):
            return ""
        what = Filter.of({**act.options["filter"], "state": "SUSPENDED"})
        return f"{reverse('admin:bulk-ask')}?kind=GO_ON&{what.query}"


class _Decision(BulkActPage):
    """A page on which the second person decides."""

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        if not self.is_waiting:
            messages.warning(request, gettext("It does not wait for anybody any more."))
            return HttpResponseRedirect(reverse("admin:bulk-act", args=[self.act.pk]))
        return self.page()

    def form(self, data: Any = None) -> Any:
        raise NotImplementedError

    def decide(self, form: Any) -> str:
        raise NotImplementedError

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        form = self.form(request.POST)
        if not form.is_valid():
            return self.page(form=form, errors=form.errors, status=400)
        try:
            done = self.decide(form)
        except NotPossible as sentence:
            return self.page(problem=str(sentence.sentence), status=409)
        messages.success(request, done)
        return HttpResponseRedirect(reverse("admin:bulk-act", args=[self.act.pk]))

    def context(self) -> dict[str, Any]:
        found = super().context()
        here = (reverse("admin:bulk-act", args=[self.act.pk]), found["title"])
        return {**found, "form": self.form(), "trail": [*found["trail"], here], "back": here[0]}


class Approve(_Decision):
    """The second person approves the very set that was frozen."""

    right = Right.APPROVE
    template_name = "console/enrollments/bulk_approve.html"

    def form(self, data: Any = None) -> forms.ApproveForm:
        return forms.ApproveForm(data, wanted=self.act.count, initial={"digest": self.act.digest})

    def decide(self, form: Any) -> str:
        asked = Asked("CHECKED", actor_of(self.request), self.now, form.cleaned_data["note"].strip())
        many.approve(self.act, asked, person=person(self.request), digest=form.cleaned_data["digest"])
        return gettext("Approved. It is worked off from now on.")

    def context(self) -> dict[str, Any]:
        return {**super().context(), "title": gettext("Approve this act on many")}


class Refuse(_Decision):
    """The second person refuses."""

    right = Right.APPROVE
    template_name = "console/enrollments/bulk_refuse.html"

    def form(self, data: Any = None) -> forms.ReasonForm:
        return forms.ReasonForm(data, reasons=many.WHY_NOT)

    def decide(self, form: Any) -> str:
        said = form.cleaned_data
        asked = Asked(said["reason"], actor_of(self.request), self.now, said["note"].strip())
        many.refuse(self.act, asked, person=person(self.request))
        return gettext("Refused. Nothing was changed.")

    def context(self) -> dict[str, Any]:
        return {**super().context(), "title": gettext("Refuse this act on many")}


class TakeBack(Refuse):
    """Who asked takes it back."""

    right = Right.ACT

    def decide(self, form: Any) -> str:
        if self.act.asked_by != person(self.request):
            raise NotPossible(_("Somebody else has asked for it: it is theirs to take back."))
        super().decide(form)
        return gettext("Taken back. Nothing was changed.")

    def context(self) -> dict[str, Any]:
        return {**super().context(), "title": gettext("Take this act on many back")}


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return found if found is not None and found.tzinfo is not None else None
