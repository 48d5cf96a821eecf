"""Messages that were not taken: from the journal, because nothing else of them is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django import forms
from django.db.models import TextField
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from audit.log import Action, ActorKind
from audit.models import Event
from beckn.models import Participant
from beckn.nacks import NackCode
from console.messages import reasons
from console.messages.searching import between
from console.pages import ConsolePage
from console.paging import slice_of

LAST = timedelta(hours=24)
MOST_COUNTED = 2000
# As the journal's indexes have them.
CODE = KeyTextTransform("code", "details")
SENDER = Coalesce(KeyTextTransform("claims", "details"), "actor_id", output_field=TextField())


class RefusedForm(forms.Form):
    """What staff looks for."""

    code = forms.ChoiceField(
        label=_("Code"), required=False, choices=[("", _("any")), *((each.value, each.value) for each in NackCode)]
    )
    participant = forms.CharField(label=_("Sender"), required=False, max_length=255, strip=True)
    since = forms.DateField(label=_("From (UTC)"), required=False, widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label=_("To (UTC)"), required=False, widget=forms.DateInput({"type": "date"}))


class RefusedPage(ConsolePage):
    """The newest refusals, each with its reason in words and what to do about it."""

    title = _("Refused messages")
    template_name = "console/messages/refused.html"

    def context(self) -> dict[str, Any]:
        form = RefusedForm(self.request.GET or None)
        asked: Mapping[str, Any] = form.cleaned_data if form.is_bound and form.is_valid() else {}
        rows = Event.objects.filter(action=Action.MESSAGE_REFUSED)
        if code := asked.get("code"):
            rows = rows.alias(code=CODE).filter(code=code)
        if name := asked.get("participant"):
            rows = rows.alias(sender=SENDER).filter(sender=name)
        rows = between(rows, "at", asked.get("since"), asked.get("until"))
        shown = slice_of(rows, self.request)
        known = self._known(shown.rows)
        return {
            "form": form,
            "slice": shown,
            "lines": [self._line(row, known) for row in shown.rows],
            "last": self._last_day(),
        }

    def _line(self, row: Event, known: Mapping[str, int]) -> dict[str, Any]:
        told = row.details or {}
        is_proven = row.actor_kind == ActorKind.PARTICIPANT
        sender = row.actor_id if is_proven else str(told.get("claims", ""))
        return {
            "row": row,
            "words": reasons.words_of(told),
            "remedy": reasons.remedy_of(told),
            "code": told.get("code", ""),
            "status": told.get("status", ""),
            "message_action": told.get("action", ""),
            "message_id": told.get("message_id", ""),
            "sender": sender,
            "is_proven": is_proven,
            "sender_url": reverse("admin:participant", args=[known[sender]]) if sender in known else "",
        }

    def _known(self, rows: Any) -> dict[str, int]:
        """The participants among the senders, by name."""
        names = {row.actor_id for row in rows} | {str((row.details or {}).get("claims", "")) for row in rows}
        found = Participant.objects.filter(subscriber_id__in=names)
        return dict(found.values_list("subscriber_id", "pk"))

    def _last_day(self) -> dict[str, Any]:
        """How many by code in the last day, of the newest few thousand."""
        newest = Event.objects.filter(action=Action.MESSAGE_REFUSED, at__gte=self.now - LAST).order_by("-id")
        codes = Counter(newest.values_list("details__code", flat=True)[:MOST_COUNTED])
        return {"count": codes.total(), "is_more": codes.total() == MOST_COUNTED, "codes": codes.most_common(5)}
