"""The queue of cases to decide, and what the pages of one case have in common: one person has it before them.

Taking, leaving and deciding are POSTs; a page says since when and for how long somebody has the case. Who decides sees
the evidence only while they have it, and each opening of a file is a line of the journal. Source: screens C13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console import personal, words
from console.deciding import queue
from console.deciding.queue import Cursor, Item, Wanted
from console.pages import ConsolePage
from console.paging import slice_of
from console.rights import Right, may
from console.site import actor_of
from enrollment import leases
from enrollment.leases import NotHeld, Taken, Thing
from enrollment.models import Document, ReviewLease
from enrollment.states import Decidable, DocumentState
from files.showing import NotShown
from identity import staff
from identity.models import StaffMember
from portals.models import MandatePaper

_KINDS = (
    (Decidable.DOCUMENT, _("Files in place of a certificate")),
    (Decidable.PAPER, _("Mandates on paper")),
    (Decidable.ORDER, _("Orders stopped by their customers")),
)


class Undecided(Exception):
    """Nothing was decided; the text says why, the status is the answer's."""

    def __init__(self, sentence: str, status: int = 409) -> None:
        super().__init__(sentence)
        self.status = status


def wanted_of(request: HttpRequest) -> Wanted:
    """The filter of the queue; what is no filter of ours asks for all."""
    given = request.POST if request.method == "POST" else request.GET
    kind, who = given.get("kind", ""), given.get("who", "")
    return Wanted(
        kind if kind in set(Decidable) else "",
        given.get("program", "").strip()[:200],
        who if who in ("FREE", "MINE") else "",
    )


def _programs(wanted: str) -> list[tuple[str, str]]:
    """The programs to choose from, by name; the one that is asked for among them, known or not."""
    called = words.programs()
    found = [(each, words.named(each, called)) for each in sorted(called, key=lambda each: called[each].lower())]
    return found if not wanted or wanted in called else [*found, (wanted, wanted)]


def called(member: StaffMember | None) -> str:
    """What colleagues call somebody of staff."""
    if member is None:
        return "–"
    return member.name or (member.user.username if member.user is not None else str(member.pk))


def reviewers_of(*named: str) -> list[str]:
    """Names of `staff:<id>`; anybody else as they are written."""
    ids = [each.removeprefix("staff:") for each in named if each.startswith("staff:") and len(each) == 42]
    found = {f"staff:{row.pk}": called(row) for row in StaffMember.objects.filter(pk__in=ids).select_related("user")}
    return [found.get(each, each) for each in named if each]


class Queue(ConsolePage):
    """What waits, the most urgent first; each may be taken from here."""

    right = Right.DECIDE
    title = _("Cases to decide")
    template_name = "console/deciding/queue.html"

    def context(self) -> dict[str, Any]:
        wanted = wanted_of(self.request)
        member = staff.member_of(self.request)
        after = Cursor.read(self.request.GET.get("after", ""))
        items, more = queue.page(wanted, member=str(member.pk) if member else "", now=self.now, after=after)
        query = self.request.GET.copy()
        query["after"] = more
        return {
            "lines": [(item, called(item.lease.held_by) if item.lease else "") for item in items],
            "more": query.urlencode() if more else "",
            "is_first": after is None,
            "wanted": wanted,
            "kinds": _KINDS,
            "programs": _programs(wanted.program),
            "member": member,
            "now": self.now,
            "may_release": may(self.request, Right.APPROVE),
        }


class Next(ConsolePage):
    """Take the most urgent case that nobody has before them."""

    right = Right.DECIDE
    http_method_names = ["post"]

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        return go_to_next(request, self.now)


class Decided(ConsolePage):
    """What was decided last."""

    right = Right.DECIDE
    title = _("Decided files")
    template_name = "console/deciding/decided.html"

    def context(self) -> dict[str, Any]:
        rows = Document.objects.filter(state__in=[DocumentState.APPROVED, DocumentState.REFUSED])
        found = slice_of(rows.select_related("case__program_version__program"), self.request)
        named = {who for row in found.rows for who in (row.first_reviewer, row.second_reviewer) if who}
        names = dict(zip(sorted(named), reviewers_of(*sorted(named)), strict=True))
        lines = [
            (row, ", ".join(names[who] for who in (row.first_reviewer, row.second_reviewer) if who))
            for row in found.rows
        ]
        papers = queue.papers.owners_queue().exclude(state=MandatePaper.State.WAITING).order_by("-reviewed_at")[:20]
        return {
            "slice": found,
            "lines": lines,
            "papers": [(row, ", ".join(reviewers_of(_staff(row)))) for row in papers]
            if "before" not in self.request.GET and "after" not in self.request.GET
            else [],
            "trail": [(reverse("admin:cases-to-decide"), gettext("Cases to decide"))],
        }


def _staff(row: MandatePaper) -> str:
    return f"staff:{row.reviewed_by_staff}" if row.reviewed_by_staff else ""


class Release(ConsolePage):
    """Take a case from whoever has it before them: a supervisor's act, journalled."""

    right = Right.APPROVE
    http_method_names = ["post"]

    def post(self, request: HttpRequest, kind: str, reference: str, **named: Any) -> HttpResponse:
        if kind.upper() not in set(Decidable):
            raise Http404
        thing = Thing(Decidable(kind.upper()), reference)
        if leases.release(thing, actor=actor_of(request), now=self.now):
            messages.success(request, gettext("The case is free: anybody who decides may take it."))
        else:
            messages.warning(request, gettext("Nobody had the case before them any more."))
        return HttpResponseRedirect(reverse("admin:cases-to-decide"), status=303)


def go_to_next(request: HttpRequest, now: Any) -> HttpResponse:
    """Take the next case and show it; back to the queue where none is free."""
    member = staff.member_of(request)
    if member is not None:
        for item in queue.free(wanted_of(request), member=str(member.pk), now=now):
            try:
                leases.take(item.thing, member, actor=actor_of(request), now=now)
            except Taken:
                continue
            return HttpResponseRedirect(item.address, status=303)
        messages.info(request, gettext("Nothing else is free to be decided now."))
    else:
        messages.warning(request, str(NOBODYS))
    return HttpResponseRedirect(reverse("admin:cases-to-decide"), status=303)


NOBODYS = _("A local account is nobody's own: it cannot take or decide cases. Sign in as yourself.")


class OneCase(personal.ShowsPersonalData):
    """One case to decide. `found` is its row, `form_of` what is said, `decide` the service; `shown` what is seen."""

    right = Right.DECIDE
    kind: ClassVar[Decidable]
    lease_problem = ""

    # --- what a kind of case gives

    def found(self) -> Any:
        """The row; raises Http404."""
        raise NotImplementedError

    def is_open(self) -> bool:
        """Whether anything is left to be decided here."""
        raise NotImplementedError

    def why_not_me(self) -> str:
        """Why this person may not decide it; "" where they may."""
        return ""

    def form_of(self, data: Any = None) -> forms.Form:
        raise NotImplementedError

    def decide(self, said: Mapping[str, Any], form: Any, member: StaffMember, lease: ReviewLease) -> str:
        """Do it and return what was done, in a sentence. Raises Undecided."""
        raise NotImplementedError

    def open_file(self, *, unscanned: bool) -> None:
        """Have the file made ready to be seen, and the look written down. Raises NotShown."""
        raise Http404

    def preview(self, said: Mapping[str, Any]) -> list[Any]:
        """What would be written to people."""
        return []

    def shown(self) -> dict[str, Any]:
        return {}

    # --- the page

    @cached_property
    def row(self) -> Any:
        return self.found()

    @cached_property
    def member(self) -> StaffMember | None:
        return staff.member_of(self.request)

    @cached_property
    def item(self) -> Item:
        raise NotImplementedError

    @property
    def thing(self) -> Thing:
        return self.item.thing

    @property
    def lease(self) -> ReviewLease | None:
        return leases.of(self.thing, self.now)

    def context(self) -> dict[str, Any]:
        lease, member = self.lease, self.member
        is_mine = lease is not None and member is not None and lease.held_by_id == member.pk
        is_open = self.is_open()
        return {
            "title": self.item.what,
            "item": self.item,
            "row": self.row,
            "now": self.now,
            "lease": lease,
            "holder": called(lease.held_by) if lease is not None else "",
            "is_mine": is_mine and is_open,
            "is_open": is_open,
            "is_opened": is_mine and lease is not None and lease.opened_at is not None,
            "is_unmasked": self.is_unmasked,
            "why_not": str(NOBODYS) if member is None else self.why_not_me(),
            "may_release": may(self.request, Right.APPROVE) and lease is not None and not is_mine,
            "notes": [(note, called(note.by)) for note in leases.notes(self.thing)],
            "form": self.form_of() if is_mine and is_open else None,
            "trail": [(reverse("admin:cases-to-decide"), gettext("Cases to decide"))],
            **self.shown(),
        }

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        if personal.is_asked_for(request):
            return super().post(request, **named)
        acts = {
            "take": self._take,
            "retake": self._retake,
            "leave": self._leave,
            "open": self._open,
            "preview": self._preview,
            "decide": self._decide,
            "decide-next": self._decide,
        }
        act = acts.get(request.POST.get("act", ""))
        if act is None:
            return self.page(status=400, problem=gettext("Choose what is to be done."))
        if self.member is None:
            return self.page(status=403, problem=str(NOBODYS))
        try:
            return act(self.member)
        except NotHeld:
            return self.page(status=409, problem=self._not_held(), form=self._as_entered())
        except Taken as taken:
            told = {"who": called(taken.lease.held_by), "until": f"{taken.lease.until:%H:%M}"}
            return self.page(status=409, problem=gettext("%(who)s has this case until %(until)s UTC.") % told)
        except NotShown as problem:
            return self.page(status=409, problem=str(problem), form=self._as_entered())
        except Undecided as problem:
            return self.page(status=problem.status, problem=str(problem), form=self._as_entered())

    def _again(self) -> HttpResponse:
        return HttpResponseRedirect(self.item.address, status=303)

    def _not_held(self) -> str:
        return gettext(
            "You do not have this case before you any more: your quarter of an hour is over, or a supervisor took it."
            " Nothing was decided. Take it again; what you have entered is still here."
        )

    def _as_entered(self) -> forms.Form | None:
        return self.form_of(self.request.POST) if "verdict" in self.request.POST else None

    def _take(self, member: StaffMember) -> HttpResponse:
        if not self.is_open():
            raise Undecided(gettext("Nothing is left to be decided here."))
        if self.why_not_me():
            raise Undecided(self.why_not_me(), 403)
        leases.take(self.thing, member, actor=actor_of(self.request), now=self.now)
        return self._again()

    def _retake(self, member: StaffMember) -> HttpResponse:
        """Take it again after a quarter of an hour, with what was entered."""
        self._take(member)
        return self.page(form=self._as_entered())

    def _leave(self, member: StaffMember) -> HttpResponse:
        leases.leave(self.thing, member, actor=actor_of(self.request), now=self.now)
        messages.info(self.request, gettext("You have left the case. Others may take it."))
        return HttpResponseRedirect(reverse("admin:cases-to-decide"), status=303)

    def _open(self, member: StaffMember) -> HttpResponse:
        with transaction.atomic():
            leases.held(self.thing, member, self.now)
        self.open_file(unscanned=self.request.POST.get("unscanned") == "yes")
        leases.opened(self.thing, member, self.now)
        return self._again()

    def _preview(self, member: StaffMember) -> HttpResponse:
        form = self.form_of(self.request.POST)
        leases.take(self.thing, member, actor=actor_of(self.request), now=self.now)
        if not form.is_valid():
            return self.page(status=400, form=form)
        return self.page(form=form, preview=self.preview(form.cleaned_data), is_previewed=True)

    def _decide(self, member: StaffMember) -> HttpResponse:
        form = self.form_of(self.request.POST)
        with transaction.atomic():
            lease = leases.held(self.thing, member, self.now)
        if self.why_not_me():
            raise Undecided(self.why_not_me(), 403)
        if not form.is_valid():
            return self.page(status=400, form=form)
        done = self.decide(form.cleaned_data, form, member, lease)
        messages.success(self.request, done)
        if self.request.POST["act"] == "decide-next":
            return go_to_next(self.request, self.now)
        return HttpResponseRedirect(reverse("admin:cases-to-decide"), status=303)
