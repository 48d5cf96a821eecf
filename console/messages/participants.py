"""Who is on the network: keys, health, last contact; and letting one of them speak or not (screen C10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.db import connection
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from beckn import identities, participants
from beckn.models import Participant, ParticipantKey, Source
from console.pages import ConsolePage
from console.paging import slice_of
from console.rights import Right, may
from console.site import actor_of
from identity.models import Agency

SOON = timedelta(days=30)
MOST_COUNTED = 1000

# Last contact and what waits, for the participants of one page: each is a step or a short walk along an index.
_CONTACT = """
SELECT p.id,
  (SELECT received_at FROM beckn_inbox WHERE participant_id = p.id ORDER BY id DESC LIMIT 1),
  (SELECT sent_at FROM beckn_outbox WHERE participant_id = p.id AND state = 'DONE' ORDER BY id DESC LIMIT 1),
  (SELECT count(*) FROM (SELECT 1 FROM beckn_outbox WHERE participant_id = p.id AND state = 'WAITING'
    LIMIT %(most)s) w),
  (SELECT count(*) FROM (SELECT 1 FROM beckn_outbox WHERE participant_id = p.id AND state = 'STUCK' LIMIT %(most)s) s)
FROM beckn_participants p WHERE p.id = ANY(%(ids)s)
"""


class PeersForm(forms.Form):
    """What staff looks for."""

    name = forms.CharField(label=_("Name contains"), required=False, max_length=255, strip=True)
    kind = forms.ChoiceField(
        label=_("Kind"),
        required=False,
        choices=[("", _("any")), *((each.value, each.label) for each in Participant.Type)],
    )
    trouble = forms.BooleanField(label=_("In trouble only"), required=False)


class ParticipantsPage(ConsolePage):
    """Everybody on the network, ourselves among them."""

    title = _("Participants")
    template_name = "console/messages/participants.html"

    def context(self) -> dict[str, Any]:
        form = PeersForm(self.request.GET or None)
        asked = form.cleaned_data if form.is_bound and form.is_valid() else {}
        shown = slice_of(self._found(asked).prefetch_related("keys"), self.request)
        contacts = contacts_of([row.pk for row in shown.rows])
        return {
            "form": form,
            "slice": shown,
            "lines": [line_of(row, contacts.get(row.pk), self.now) for row in shown.rows],
            "own": own_keys(self.now),
        }

    def _found(self, asked: dict[str, Any]) -> QuerySet[Participant]:
        rows = Participant.objects.all()
        if name := asked.get("name"):
            rows = rows.filter(subscriber_id__icontains=name)  # hundreds of rows, not millions
        if kind := asked.get("kind"):
            rows = rows.filter(type=kind)
        if asked.get("trouble"):
            ending = Q(keys__valid_until__lt=self.now + SOON)
            rows = rows.filter(Q(suspended_at__isnull=False) | Q(failures_in_a_row__gt=0) | ending).distinct()
        return rows


class OneParticipant(ConsolePage):
    """A page about one participant."""

    def row(self) -> Participant:
        found = Participant.objects.prefetch_related("keys").filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404(gettext("There is no such participant."))
        return found

    def address(self) -> str:
        return reverse("admin:participant", args=[self.kwargs["pk"]])

    def trail(self, *more: tuple[str, str]) -> list[tuple[str, str]]:
        return [(reverse("admin:participants"), gettext("Participants")), *more]


class ParticipantPage(OneParticipant):
    title = _("Participant")
    template_name = "console/messages/participant.html"

    def context(self) -> dict[str, Any]:
        row = self.row()
        act = "participant-resume" if row.is_suspended else "participant-suspend"
        return {
            "title": row.subscriber_id,
            "trail": self.trail(),
            "row": row,
            **line_of(row, contacts_of([row.pk]).get(row.pk), self.now),
            "keys": [
                {"key": key, "state": state_of(key, self.now)} for key in sorted(row.keys.all(), key=lambda k: -k.pk)
            ],
            "agencies": list(Agency.objects.filter(participants__contains=[row.subscriber_id])[:20]),
            "act": reverse(f"admin:{act}", args=[row.pk]) if may(self.request, Right.MANAGE_NETWORK) else "",
        }


REASONS = [
    ("", "---------"),
    ("KEY_LOST", _("Somebody else may have its key")),
    ("MISBEHAVES", _("It sends what it should not")),
    ("ASKED", _("It has asked for it")),
    ("CONTRACT", _("It may take part no longer")),
    ("OTHER", _("Another reason, see the note")),
]


class ActForm(forms.Form):
    """Why, and the name typed again."""

    reason = forms.ChoiceField(label=_("Reason"), choices=REASONS, error_messages={"required": _("Choose the reason.")})
    note = forms.CharField(
        label=_("Note (optional)"),
        required=False,
        max_length=200,
        strip=True,
        help_text=_("For colleagues. No names of people."),
    )
    name = forms.CharField(
        label=_("Type the participant's name again"),
        max_length=255,
        strip=True,
        error_messages={"required": _("Type the participant's name, so that no other one is meant.")},
    )

    def __init__(self, *args: Any, row: Participant, is_resuming: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._row = row
        self.fields["name"].widget.attrs.update({"autocomplete": "off", "spellcheck": "false"})
        if is_resuming:
            del self.fields["reason"], self.fields["note"]

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if name != self._row.subscriber_id:
            raise forms.ValidationError(gettext("This is not the name of the participant on this page."))
        return name


class Act(OneParticipant):
    """GET says what will happen, POST does it through the service that `manage.py participant` calls."""

    template_name = "console/messages/participant_act.html"
    right = Right.MANAGE_NETWORK
    is_resuming: ClassVar[bool]
    done: ClassVar[Promise]

    def context(self) -> dict[str, Any]:
        row = self.row()
        return {
            "title": f"{self.title}: {row.subscriber_id}",
            "button": self.title,
            "trail": self.trail((self.address(), row.subscriber_id)),
            "row": row,
            "back": self.address(),
            "is_possible": row.is_suspended == self.is_resuming,
            "is_resuming": self.is_resuming,
            "consequences": self.consequences(row),
            "form": ActForm(row=row, is_resuming=self.is_resuming),
        }

    def consequences(self, row: Participant) -> list[str]:
        raise NotImplementedError

    def do(self, row: Participant, said: dict[str, Any]) -> None:
        raise NotImplementedError

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        row = self.row()
        form = ActForm(request.POST, row=row, is_resuming=self.is_resuming)
        if not form.is_valid():
            return self.page(status=400, form=form)
        self.do(row, form.cleaned_data)
        messages.success(request, self.done % {"name": row.subscriber_id})
        return HttpResponseRedirect(self.address())


class Suspend(Act):
    title, is_resuming = _("Suspend"), False
    done = _("%(name)s is suspended.")

    def do(self, row: Participant, said: dict[str, Any]) -> None:
        reason = f"{said['reason']}: {said['note']}" if said["note"] else said["reason"]
        participants.suspend(
            row.subscriber_id, reason=reason, code=said["reason"], now=self.now, actor=actor_of(self.request)
        )

    def consequences(self, row: Participant) -> list[str]:
        told = [
            gettext("Within a second every message of it is refused, and it is told that it is suspended."),
            gettext("What it has sent before is still worked off."),
            gettext(
                "What we owe it waits. After 24 hours it is stuck, and can be tried again when the participant is back."
            ),
            gettext("Enrolments that came through it stay as they are."),
        ]
        if row.source == Source.OURS:
            told.insert(0, gettext("This is one of our own names: what is sent under it is refused by ourselves."))
        return told


class Resume(Act):
    title, is_resuming = _("Resume"), True
    done = _("%(name)s may send again.")

    def do(self, row: Participant, said: dict[str, Any]) -> None:
        participants.resume(row.subscriber_id, now=self.now, actor=actor_of(self.request))

    def consequences(self, row: Participant) -> list[str]:
        return [
            gettext("Within a second its messages are taken again."),
            gettext("What waited for it is sent now. What got stuck meanwhile has to be tried again one by one."),
        ]


def contacts_of(ids: list[int]) -> dict[int, dict[str, Any]]:
    """When each was last heard and last reached, and how many messages wait for it or are stuck."""
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_CONTACT, {"ids": ids, "most": MOST_COUNTED})
        return {
            pk: {"heard_at": heard, "reached_at": reached, "waiting": waiting, "stuck": stuck}
            for pk, heard, reached, waiting, stuck in cursor.fetchall()
        }


def line_of(row: Participant, contact: dict[str, Any] | None, now: datetime) -> dict[str, Any]:
    """A participant with its standing: `state` is good, late or over, `words` say it."""
    keys = [state_of(key, now) for key in row.keys.all()]
    state, words = "good", gettext("in order")
    if row.is_suspended:
        state, words = "over", gettext("suspended")
    elif row.held_until is not None and row.held_until > now:
        state, words = "over", gettext("does not answer, %(count)d times in a row") % {"count": row.failures_in_a_row}
    elif row.type != Participant.Type.DS and not any(key["is_usable"] for key in keys):
        state, words = "over", gettext("no key that holds")
    elif row.failures_in_a_row:
        state, words = "late", gettext("did not answer lately")
    elif any(key["is_ending"] for key in keys) and not any(key["is_usable"] and not key["is_ending"] for key in keys):
        state, words = "late", gettext("its key ends soon")
    empty = {"heard_at": None, "reached_at": None, "waiting": 0, "stuck": 0}
    return {
        "row": row,
        "url": reverse("admin:participant", args=[row.pk]),
        "state": state,
        "words": words,
        "key_count": len(keys),
        "next_end": min((key["ends_at"] for key in keys if key["ends_at"] and key["is_usable"]), default=None),
        "contact": contact or empty,
    }


def state_of(key: ParticipantKey, now: datetime) -> dict[str, Any]:
    """Whether a key holds now, and until when."""
    is_usable = key.is_valid_at(now) and not (key.stale_until and key.stale_until <= now)
    is_ending = is_usable and key.valid_until is not None and key.valid_until <= now + SOON
    if key.valid_from and now < key.valid_from:
        words, look = gettext("holds later"), "announced"
    elif not is_usable:
        words, look = gettext("holds no longer"), "over"
    elif is_ending:
        words, look = gettext("ends soon"), "late"
    else:
        words, look = gettext("holds"), "good"
    return {
        "words": words,
        "look": look,
        "is_usable": is_usable,
        "is_ending": is_ending,
        "ends_at": key.valid_until,
    }


def own_keys(now: datetime) -> list[dict[str, Any]]:
    """The names we use on the network and the keys that sign for them; no private half."""
    told = []
    for identity in identities.all_of_them():
        for key in identity.keys:
            is_over = key.valid_until is not None and key.valid_until <= now
            is_early = key.valid_from is not None and key.valid_from > now
            is_ending = not is_over and key.valid_until is not None and key.valid_until <= now + SOON
            told.append(
                {
                    "name": identity.subscriber_id,
                    "role": identity.role,
                    "key_id": key.key_id,
                    "public_key": key.public_key,
                    "valid_from": key.valid_from,
                    "valid_until": key.valid_until,
                    "look": "over" if is_over else "late" if is_ending else "announced" if is_early else "good",
                    "words": gettext("holds no longer")
                    if is_over
                    else gettext("ends soon")
                    if is_ending
                    else gettext("holds later")
                    if is_early
                    else gettext("holds"),
                }
            )
    return told
