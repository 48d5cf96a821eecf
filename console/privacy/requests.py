"""What people ask about their data: who waits, what there is of them, and the answer.

The pages show headings and counts, never what is kept: whoever answers need not read it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import NoReverseMatch, reverse
from django.utils.functional import cached_property
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console import rights
from console.pages import ConsolePage
from console.paging import slice_of
from console.rights import Right
from console.site import actor_of
from enrollment.models import Enrollment
from identity import people_requests
from identity.models import PersonRequest, StaffMember, Subject
from portals.utility.views_requests import as_download

Kind, State = PersonRequest.Kind, PersonRequest.State
LIST = "admin:person-requests"
#: Open requests shown at once, those that are due first at the top.
MOST_OPEN = 200
SOON = timedelta(days=7)


@dataclass(frozen=True)
class Waiting:
    """How it stands with open requests, for the first page."""

    count: int
    late: int
    next_due: datetime | None


def waiting(now: datetime) -> Waiting:
    """How many wait, how many are late or nearly so; at most MOST_OPEN are looked at."""
    due = list(
        PersonRequest.objects.filter(state=State.OPEN).order_by("due_at").values_list("due_at", flat=True)[:MOST_OPEN]
    )
    return Waiting(len(due), sum(each < now + SOON for each in due), due[0] if due else None)


class Requests(ConsolePage):
    right = Right.ANSWER_PEOPLE
    title = _("Requests about personal data")
    template_name = "console/privacy/requests.html"

    def context(self) -> dict[str, Any]:
        rows = PersonRequest.objects.defer("file", "answer", "note")
        open_ones = list(rows.filter(state=State.OPEN).order_by("due_at", "pk")[:MOST_OPEN])
        return {
            "open": [(row, row.due_at < self.now, row.due_at < self.now + SOON) for row in open_ones],
            "slice": slice_of(rows.exclude(state=State.OPEN), self.request),
        }


class NewForm(forms.Form):
    """Who asks, for what, and how staff made sure who it is."""

    who = forms.CharField(
        label=_("Whose data"),
        max_length=255,
        help_text=_("An enrolment’s reference (ENR-…), or their e-mail address, telephone or customer number, whole."),
    )
    kind = forms.ChoiceField(label=_("What they want"), choices=Kind.choices, widget=forms.RadioSelect)
    proof = forms.ChoiceField(
        label=_("How you made sure that it is them"),
        choices=[("", _("Choose"))] + [each for each in PersonRequest.Proof.choices if each[0] != "SIGN_IN"],
    )


class NewRequest(ConsolePage):
    right = Right.ANSWER_PEOPLE
    title = _("Take a request")
    template_name = "console/privacy/new.html"

    def context(self) -> dict[str, Any]:
        return {"form": NewForm(), "trail": _trail()}

    def post(self, request: HttpRequest) -> HttpResponse:
        form = NewForm(request.POST)
        me = rights.person(request)
        if not form.is_valid():
            return self.page(form=form, status=422)
        if not me:
            form.add_error(None, gettext("An emergency account is nobody’s own: somebody of staff has to take this."))
            return self.page(form=form, status=422)
        found = _people(form.cleaned_data["who"])
        if len(found) != 1:
            form.add_error("who", _not_one(len(found)))
            return self.page(form=form, status=422)
        said = form.cleaned_data
        try:
            row = people_requests.ask(
                found[0], said["kind"], actor=actor_of(request), now=self.now, proof=said["proof"], taken_by=me
            )
        except people_requests.AskedAlready as asked:
            row = asked.request
            messages.info(request, gettext("This person has asked for that already: this is their request."))
        return HttpResponseRedirect(reverse("admin:person-request", args=[row.public_id]))


class OnePage(ConsolePage):
    """A page about one request."""

    right = Right.ANSWER_PEOPLE

    @cached_property
    def row(self) -> PersonRequest:
        rows = PersonRequest.objects.select_related("subject").defer("file")
        found = rows.filter(public_id=self.kwargs["public_id"]).first()
        if found is None:
            raise Http404(gettext("There is no such request."))
        return found

    def context(self) -> dict[str, Any]:
        return {"row": self.row, "trail": _trail(self.row)}

    def back(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:person-request", args=[self.row.public_id]))


class Request(OnePage):
    title = _("Request about personal data")
    template_name = "console/privacy/request.html"

    def context(self) -> dict[str, Any]:
        row, now = self.row, self.now
        is_open = row.state == State.OPEN
        known = people_requests.overview(row.subject, now) if is_open else None
        names = _names(each for each in (row.taken_by, row.closed_by) if _is_id(each))
        return super().context() | {
            "trail": _trail(),
            "known": known,
            "blocks": [(each, _page_of(each)) for each in known.blocks] if known else [],
            "can_erase": is_open and row.kind == Kind.ERASURE and known is not None and not known.blocks,
            "stays": list(known.stays.items()) if known else [],
            "answer": row.answer or {},
            "is_late": is_open and row.due_at < now,
            "taken_by": names.get(row.taken_by, row.taken_by),
            "closed_by": names.get(row.closed_by, row.closed_by),
            "can_hand_over": bool(
                row.taken_by and row.file_sha256 and row.file_until is not None and row.file_until > now
            ),
        }


class AnswerForm(forms.Form):
    note = forms.CharField(
        label=_("A word to the person"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text=_("They read it with the answer. Optional."),
    )


class EraseForm(AnswerForm):
    reference = forms.CharField(
        label=_("Type the request’s first eight characters"),
        max_length=8,
        help_text=_("So that nothing is erased by mistake. They stand on this page."),
    )


class RefuseForm(AnswerForm):
    refusal = forms.ChoiceField(label=_("Why"), choices=[("", _("Choose")), *PersonRequest.Refusal.choices])
    field_order = ("refusal", "note")


class Act(OnePage):
    """A page that states what follows; POST does it."""

    form_class: type[forms.Form] = AnswerForm
    kind = ""

    def context(self) -> dict[str, Any]:
        return super().context() | {"form": self.form_class(), "is_possible": self.is_possible}

    @property
    def is_possible(self) -> bool:
        return self.row.state == State.OPEN and self.kind in ("", self.row.kind)

    def post(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        form, me = self.form_class(request.POST), rights.person(request)
        if not me:
            form.add_error(None, gettext("An emergency account is nobody’s own: somebody of staff has to do this."))
        if not form.is_valid() or not self.agrees(form):
            return self.page(form=form, status=422)
        try:
            self.act(form, by=me)
        except people_requests.Closed:
            return self.page(form=form, is_possible=False, status=409)
        except people_requests.StillLiving as living:
            form.add_error(None, gettext("Something of theirs still lives: end it first."))
            return self.page(form=form, blocks=[(each, _page_of(each)) for each in living.blocks], status=409)
        return self.back()

    def agrees(self, form: forms.Form) -> bool:
        return True

    def act(self, form: forms.Form, *, by: str) -> None:
        raise NotImplementedError


class GiveCopy(Act):
    title = _("Make the copy")
    template_name = "console/privacy/copy.html"
    kind = Kind.EXPORT

    def act(self, form: forms.Form, *, by: str) -> None:
        people_requests.give_copy(
            self.row.public_id, by=by, actor=actor_of(self.request), now=self.now, note=form.cleaned_data["note"]
        )
        messages.success(self.request, gettext("The copy is made. The person can fetch it for 30 days."))


class Erase(Act):
    title = _("Erase this person’s data")
    template_name = "console/privacy/erase.html"
    form_class = EraseForm
    kind = Kind.ERASURE

    def context(self) -> dict[str, Any]:
        subject, is_possible = self.row.subject, self.is_possible
        blocks = people_requests.blocks_of(subject, self.now) if is_possible else []
        return super().context() | {
            "blocks": [(each, _page_of(each)) for each in blocks],
            "stays": list(people_requests.stays_of(subject).items()) if is_possible else [],
        }

    def agrees(self, form: forms.Form) -> bool:
        if form.cleaned_data["reference"].strip().lower() == str(self.row.public_id)[:8]:
            return True
        form.add_error(
            "reference", gettext("This is another request’s reference. Look at the first line of this page.")
        )
        return False

    def act(self, form: forms.Form, *, by: str) -> None:
        people_requests.erase(
            self.row.public_id, by=by, actor=actor_of(self.request), now=self.now, note=form.cleaned_data["note"]
        )
        messages.success(self.request, gettext("Erased. The person reads what went, what stays and why."))


class Refuse(Act):
    title = _("Refuse the request")
    template_name = "console/privacy/refuse.html"
    form_class = RefuseForm

    def act(self, form: forms.Form, *, by: str) -> None:
        said = form.cleaned_data
        people_requests.refuse(
            self.row.public_id, said["refusal"], by=by, actor=actor_of(self.request), now=self.now, note=said["note"]
        )
        messages.success(self.request, gettext("Refused. The person reads why."))


class Fetch(OnePage):
    """The copy, to be handed over to whoever cannot fetch it themselves: POST, because it is written down."""

    title = _("Request about personal data")
    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, public_id: UUID) -> HttpResponse:
        if not self.row.taken_by:
            raise Http404(gettext("Whoever asked for this copy fetches it themselves."))
        if not rights.person(request):
            raise PermissionDenied  # an emergency account is nobody's own
        try:
            content = people_requests.fetch(self.row, actor=actor_of(request), now=self.now)
        except people_requests.Closed:
            messages.error(request, gettext("The copy is no longer here. Take the request again to make another."))
            return self.back()
        return as_download(self.row, content)


def _people(text: str) -> list[Subject]:
    text = text.strip()
    enrolled = Enrollment.objects.select_related("subject__merged_into")
    found = enrolled.filter(order_number=text).first() or enrolled.filter(enrollment_id=text).first()
    if found is not None:
        return [found.subject.merged_into or found.subject]
    return people_requests.find(text)


def _not_one(count: int) -> str:
    if not count:
        return gettext("Nobody is known by this. Try an enrolment’s reference, or another address or number.")
    return gettext("More than one person is known by this. Ask for an enrolment’s reference.")


def _page_of(block: Any) -> str:
    """Where what has to end is ended, "" where there is no page for it."""
    try:
        if block.code == "ENROLLMENT":
            return reverse("admin:enrollments") + f"?q={block.what}"
        return reverse("admin:journal-story") + f"?of={block.what}"
    except NoReverseMatch:
        return ""


def _trail(row: PersonRequest | None = None) -> list[tuple[str, str]]:
    trail = [(reverse(LIST), gettext("Requests about personal data"))]
    if row is not None:
        trail.append((reverse("admin:person-request", args=[row.public_id]), str(row.public_id)[:8]))
    return trail


def _names(ids: Iterable[str]) -> dict[str, str]:
    rows = StaffMember.objects.filter(pk__in=list(ids))
    return {str(row.pk): row.name or gettext("somebody who has left") for row in rows}


def _is_id(text: str) -> bool:
    return bool(text) and text != people_requests.BY_PERSON
