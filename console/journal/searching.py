"""Searching the journal, and one line of it: who did what to which object, when and through what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from audit import readers, verification
from audit.log import Action, ActorKind
from audit.models import Event, Link, Seal
from audit.readers import Search
from console.journal import words
from console.pages import ConsolePage
from console.paging import Slice
from console.rights import Right, may
from enrollment.models import Enrollment
from identity.models import StaffMember, Subject, User

FIELDS = ("subject", "person", "agency", "action", "object_type", "object_id", "channel", "since", "until")


class SearchForm(forms.Form):
    """What is looked for. Empty fields do not count."""

    subject = forms.CharField(
        label=_("Whose things"),
        required=False,
        max_length=512,
        help_text=_("A customer's key or DID, or the number of one of their enrolments"),
    )
    person = forms.CharField(
        label=_("Who acted"),
        required=False,
        max_length=255,
        help_text=_("A staff key, an account number or a participant's name"),
    )
    agency = forms.CharField(label=_("Agency"), required=False, max_length=255, help_text=_("Its id"))
    action = forms.ChoiceField(label=_("What happened"), required=False)
    object_type = forms.ChoiceField(label=_("Kind of object"), required=False)
    object_id = forms.CharField(label=_("Object's id"), required=False, max_length=255)
    channel = forms.ChoiceField(label=_("Through"), required=False)
    since = forms.DateField(label=_("From (UTC)"), required=False, widget=forms.DateInput(attrs={"type": "date"}))
    until = forms.DateField(
        label=_("To, that day included (UTC)"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        acts = sorted((words.what(action), str(action)) for action in Action)
        self._choose("action", [(code, f"{text} ({code})") for text, code in acts])
        self._choose("object_type", sorted(((of, str(text)) for of, text in words.OBJECTS.items()), key=_second))
        self._choose("channel", [(str(code), str(text)) for code, text in words.CHANNELS.items()])

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("object_id") and not said.get("object_type"):
            self.add_error("object_type", gettext("Choose what kind of object this is the id of."))
        if said.get("since") and said.get("until") and said["until"] < said["since"]:
            self.add_error("until", gettext("The last day comes before the first."))
        if said.get("subject"):
            said["subjects"] = _subjects(said["subject"])
            if not said["subjects"]:
                self.add_error(
                    "subject",
                    gettext("Nobody is known by this. Give a customer's key or DID, or the number of an enrolment."),
                )
        return said

    def search(self) -> Search:
        """What is asked for, once it is valid."""
        said = self.cleaned_data
        person, agency = said.get("person", "").strip(), said.get("agency", "").strip()
        actors: tuple[tuple[str, str], ...] = ()
        if agency:
            actors = ((ActorKind.AGENCY.value, agency),)
        elif person:
            actors = _actors(person)
        return Search(
            subjects=said.get("subjects", ()),
            actors=actors,
            operator=person if agency else "",
            actions=(said["action"],) if said.get("action") else (),
            object_type=said.get("object_type", ""),
            object_id=said.get("object_id", "").strip(),
            channel=said.get("channel", ""),
            since=_midnight(said["since"]) if said.get("since") else None,
            until=_midnight(said["until"] + timedelta(days=1)) if said.get("until") else None,
        )

    def asked(self) -> dict[str, str]:
        """What was typed, for the addresses of other pages and for an export."""
        return {name: str(self.data.get(name, "")).strip() for name in FIELDS if str(self.data.get(name, "")).strip()}

    def _choose(self, name: str, choices: list[tuple[str, str]]) -> None:
        self.fields[name].choices = [("", gettext("any")), *choices]  # type: ignore[attr-defined]


class JournalPage(ConsolePage):
    """The newest lines, or those that a search finds."""

    right = Right.READ_AUDIT
    title = _("Journal")
    template_name = "console/journal/search.html"

    def get(self, request: HttpRequest, **named: Any) -> HttpResponse:
        form = SearchForm(request.GET)
        if not form.is_valid():
            return self.page(status=400, form=form, slice=Slice((), "", ""), lines=[])
        try:
            found = readers.search(form.search(), before=_key(request, "before"), after=_key(request, "after"))
        except readers.TooMuch:
            form.add_error(
                None,
                gettext(
                    "So many lines would have to be read for this that the search was stopped."
                    " Add a period, an object, or whose things it is about."
                ),
            )
            return self.page(status=400, form=form, slice=Slice((), "", ""), lines=[])
        asked = form.asked()
        return self.page(
            form=form,
            asked=asked,
            is_narrowed=bool(asked),
            slice=_slice(found, request),
            lines=in_words(found.lines),
        )

    def context(self) -> dict[str, Any]:
        return {
            "may_export": may(self.request, Right.EXPORT_AUDIT),
            "reads": words.journal(action=Action.READ_PII),
            "logins": words.journal(action=Action.LOGIN),
        }


class LinePage(ConsolePage):
    """One line: everything it says, its place in the chain, and whether it still says what was written."""

    right = Right.READ_AUDIT
    title = _("A line of the journal")
    template_name = "console/journal/line.html"

    def context(self) -> dict[str, Any]:
        event = Event.objects.filter(public_id=self.kwargs["public_id"]).first()
        if event is None:
            raise Http404
        link = Link.objects.filter(event=event).first()
        findings = verification.of_link(link.seq) if link is not None else ()
        seal = Seal.objects.filter(last_seq__gte=link.seq).order_by("day").first() if link is not None else None
        (shown,) = in_words([readers.line_of(event)])
        return {
            "title": gettext("%(what)s, %(moment)s UTC")
            % {"what": shown.what, "moment": f"{event.at:%Y-%m-%d %H:%M:%S}"},
            "trail": [(reverse("admin:journal"), gettext("Journal"))],
            "event": event,
            "shown": shown,
            "link": link,
            "hash": bytes(link.hash).hex() if link is not None else "",
            "prev_hash": bytes(link.prev_hash).hex() if link is not None else "",
            "findings": findings,
            "seal": seal,
            "subject_lines": words.journal(subject=event.subject) if event.subject else "",
        }


def in_words(lines: Iterable[readers.ReadLine]) -> list[words.Shown]:
    """Return lines as they are shown, staff by name where an account is still theirs."""
    lines = list(lines)
    staff = {line.actor_id for line in lines if line.actor_kind == ActorKind.STAFF and line.actor_id.isdigit()}
    people = _names(staff)
    return [words.shown(line, people) for line in lines]


def _names(accounts: set[str]) -> dict[str, str]:
    """Members of staff by their account; an account that is nobody's is one for emergencies."""
    if not accounts:
        return {}
    members = dict(StaffMember.objects.filter(user_id__in=accounts).values_list("user_id", "name"))
    others = accounts - {str(key) for key in members}
    local = User.objects.filter(pk__in=others).values_list("pk", "username") if others else ()
    named = {str(key): gettext("%(name)s (emergency account)") % {"name": name} for key, name in local}
    return {**named, **{str(key): name for key, name in members.items() if name}}


def count_in_words(count: int) -> str:
    return ngettext("%(count)s line", "%(count)s lines", count) % {"count": f"{count:,}"}


def _slice(found: readers.Found, request: HttpRequest) -> Slice:
    """The neighbours of a page, with everything that was asked for kept."""
    if not found.lines:
        return Slice((), "", "")

    def there(**place: int) -> str:
        query = request.GET.copy()
        for name in ("before", "after"):
            query.pop(name, None)
        for name, value in place.items():
            query[name] = str(value)
        return query.urlencode()

    newer = there(after=found.lines[0].key) if found.has_newer else ""
    return Slice(found.lines, newer, there(before=found.lines[-1].key) if found.has_older else "")


def _subjects(text: str) -> tuple[str, ...]:
    """Return the keys under which a person is and was known, from whatever names them; () where nobody is."""
    text = text.strip()
    known = _uuid(text)
    named = Q(pk=known) if known else Q(did=text)
    subject = Subject.objects.filter(named).first()
    if subject is None and known is None:
        enrollment = Enrollment.objects.filter(Q(order_number=text.upper()) | Q(enrollment_id=text)).first()
        subject = enrollment.subject if enrollment is not None else None
    if subject is None:
        return (str(known),) if known else ()  # somebody whose row is gone; their lines stay
    living = subject.merged_into_id or subject.pk
    merged = Subject.objects.filter(merged_into=living).values_list("pk", flat=True)
    return tuple(sorted({str(each) for each in (living, subject.pk, *merged)}))


def _actors(text: str) -> tuple[tuple[str, str], ...]:
    """Return who this may be, as the journal names them: only those that it knows, so that an index finds them."""
    ids = {text}
    if known := _uuid(text):
        account = StaffMember.objects.filter(pk=known).values_list("user_id", flat=True).first()
        ids = {str(known), *([str(account)] if account else [])}
    return readers.actors_called(sorted(ids)) or ((ActorKind.STAFF.value, text),)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _key(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time(), UTC)


def _second(pair: tuple[str, str]) -> str:
    return pair[1]
