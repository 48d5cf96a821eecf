"""Looking for messages among millions: by what they are, whose, when, and by their ids. No count, no offset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.translation import gettext_lazy as _

from beckn.messages import CALLBACKS, REQUESTS
from beckn.models import Inbox, Outbox, Participant, State
from console.messages.reasons import action_name

#: Rows get their numbers almost in the order of their moments; by this much they may be out of it.
SLACK = timedelta(minutes=5)
OWN_ID = re.compile(r"(in|out)-(\d{1,18})")


def _actions() -> list[tuple[str, Any]]:
    known = sorted({*REQUESTS, *CALLBACKS, "catalog_publish"})
    return [("", _("any")), *((each, action_name(each)) for each in known)]


class SearchForm(forms.Form):
    """What staff looks for. Each field may stay empty."""

    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("any")), *((each.value, each.label) for each in State)]
    )
    participant = forms.CharField(label=_("Participant"), required=False, max_length=255, strip=True)
    action = forms.ChoiceField(
        label=_("Action"),
        required=False,
        choices=_actions,
    )
    since = forms.DateField(label=_("From (UTC)"), required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label=_("To (UTC)"), required=False, widget=forms.DateInput({"type": "date"}))
    id = forms.CharField(
        label=_("Id"),
        required=False,
        max_length=255,
        strip=True,
        help_text=_("of the message or its transaction, whole; or in-17, out-17"),
    )
    again = forms.BooleanField(label=_("Came more than once"), required=False)

    def __init__(self, *args: Any, is_inbox: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["participant"].widget.attrs.update({"list": "participants", "autocomplete": "off"})
        if not is_inbox:
            del self.fields["again"]

    @property
    def is_asked(self) -> bool:
        return self.is_bound and any(self.data.get(name) for name in self.fields)


@dataclass(frozen=True)
class Found:
    """What fits, unordered; `unknown` names a participant that nobody here knows."""

    rows: QuerySet[Any]
    unknown: str = ""


def search(model: type[Inbox] | type[Outbox], asked: dict[str, Any]) -> Found:
    """Narrow the rows to what was asked for (`SearchForm.cleaned_data`)."""
    rows: QuerySet[Any] = model._default_manager.all()
    if state := asked.get("state"):
        rows = rows.filter(state=state)
    if action := asked.get("action"):
        rows = rows.filter(action=action)
    if asked.get("again"):
        rows = rows.filter(repeats__gt=0)
    if given := asked.get("id"):
        own = OWN_ID.fullmatch(given)
        kind = "in" if model is Inbox else "out"
        wanted = Q(pk=int(own[2]) if own[1] == kind else 0) if own else Q(message_id=given) | Q(transaction_id=given)
        rows = rows.filter(wanted)
    rows = between(rows, "received_at" if model is Inbox else "created_at", asked.get("since"), asked.get("until"))
    if name := asked.get("participant"):
        peer = Participant.objects.filter(subscriber_id=name).values_list("pk", flat=True).first()
        if peer is None:
            return Found(rows.none(), unknown=name)
        rows = rows.filter(participant=peer)
    return Found(rows)


def between(rows: QuerySet[Any], field: str, since: Any, until: Any) -> QuerySet[Any]:
    """Narrow to the days from `since` to `until`, both included (UTC).

    The numbers between which such rows lie are asked for first, so that a page is a walk along the key and never one
    through all that is newer.
    """
    if since:
        start = _midnight(since)
        rows = rows.filter(**{f"{field}__gte": start})
        first = _first_since(rows.model, field, start - SLACK)
        rows = rows.filter(pk__gte=first) if first is not None else rows.none()
    if until:
        end = _midnight(until) + timedelta(days=1)
        rows = rows.filter(**{f"{field}__lt": end})
        beyond = _first_since(rows.model, field, end + SLACK)
        rows = rows.filter(pk__lt=beyond) if beyond is not None else rows
    return rows


def _first_since(model: Any, field: str, moment: datetime) -> int | None:
    found = model._default_manager.filter(**{f"{field}__gte": moment}).order_by(field)
    first: int | None = found.values_list("pk", flat=True).first()
    return first


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time.min, tzinfo=UTC)
