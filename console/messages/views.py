"""Messages received and to be sent: looking for them, one of them, and what staff does with it (screen C10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit.log import Action, record
from beckn import attending
from beckn.messages import CALLBACKS
from beckn.models import Inbox, Outbox, Participant, State
from console.messages import reasons
from console.messages.payload import masked_payload
from console.messages.searching import SearchForm, search
from console.pages import ConsolePage
from console.paging import slice_of
from console.rights import Right, may
from console.site import actor_of

MOST_NEIGHBOURS = 20
KNOWN_PEERS = 100
_COLUMNS = ("action", "state", "message_id", "transaction_id", "attempts", "last_error", "due_at", "done_at")


@dataclass(frozen=True)
class Box:
    """The inbox or the outbox: its rows, and the names of its pages."""

    model: type[Inbox] | type[Outbox]
    page: str
    title: Promise
    one: str
    kind: str
    since: str

    @property
    def is_inbox(self) -> bool:
        return self.model is Inbox


INBOX = Box(Inbox, "admin:inbox", _("Messages received"), "admin:received-message", "inbox", "received_at")
OUTBOX = Box(Outbox, "admin:outbox", _("Messages to send"), "admin:sent-message", "outbox", "created_at")


class MessagesPage(ConsolePage):
    """The newest messages, or those that fit."""

    template_name = "console/messages/list.html"
    box: ClassVar[Box]

    def context(self) -> dict[str, Any]:
        form = SearchForm(self.request.GET or None, is_inbox=self.box.is_inbox)
        found = search(self.box.model, form.cleaned_data if form.is_bound and form.is_valid() else {})
        more = ("received_at", "repeats") if self.box.is_inbox else ("created_at", "kind", "sent_at")
        rows = found.rows.select_related("participant").only(*_COLUMNS, *more, "participant__subscriber_id")
        shown = slice_of(rows, self.request)
        return {
            "box": self.box,
            "form": form,
            "slice": shown,
            "lines": [self._line(row) for row in shown.rows],
            "unknown": found.unknown,
            "peers": Participant.objects.values_list("subscriber_id", flat=True)[:KNOWN_PEERS],
            "tabs": self._tabs(),
        }

    def _line(self, row: Inbox | Outbox) -> dict[str, Any]:
        return {
            "row": row,
            "name": attending.name_of(row),
            "action": reasons.action_name(row.action),
            "url": reverse(self.box.one, args=[row.pk]),
            "at": getattr(row, self.box.since),
            "why": reasons.error_of(row.last_error, is_ours=not self.box.is_inbox),
            "is_late": row.state == State.WAITING and row.due_at <= self.now,
        }

    def _tabs(self) -> list[dict[str, Any]]:
        """What is looked for most."""
        here = self.request.GET.get("state", "") if not self.request.GET.get("again") else "again"
        wanted = [("", _("All")), *((state.value, state.label.capitalize()) for state in State)]
        tabs = [
            {"text": text, "query": f"state={value}" if value else "", "is_here": value == here}
            for value, text in wanted
        ]
        if self.box.is_inbox:
            tabs.append({"text": _("Came again"), "query": "again=on", "is_here": here == "again"})
        return tabs


class InboxPage(MessagesPage):
    title, box = INBOX.title, INBOX


class OutboxPage(MessagesPage):
    title, box = OUTBOX.title, OUTBOX


class OneMessage(ConsolePage):
    """A page about one message; 404 where there is none, which is what becomes of old ones."""

    box: ClassVar[Box]

    def row(self) -> Any:
        rows: Any = self.box.model._default_manager.select_related("participant")
        rows = rows.select_related("participant", "our_request" if self.box.is_inbox else "in_answer_to")
        found = rows.filter(pk=self.kwargs["pk"]).first()
        if found is None:
            raise Http404(gettext("There is no such message: it never was, or its time of keeping is over."))
        return found

    def trail(self, row: Inbox | Outbox, *more: tuple[str, str]) -> list[tuple[str, str]]:
        return [(reverse(self.box.page), str(self.box.title)), *more]

    def address(self, row: Inbox | Outbox) -> str:
        return reverse(self.box.one, args=[row.pk])


class MessagePage(OneMessage):
    """The facts of a message, what goes with it, and what may be done. What it says is a page of its own."""

    template_name = "console/messages/message.html"

    def context(self) -> dict[str, Any]:
        row = self.row()
        name = attending.name_of(row)
        return {
            "title": gettext("Message %(name)s") % {"name": name},
            "trail": self.trail(row),
            "box": self.box,
            "row": row,
            "action": reasons.action_name(row.action),
            "why": reasons.error_of(row.last_error, is_ours=not self.box.is_inbox),
            "proof": self._proof(row),
            "answers": self._answers(row),
            "same": self._same_transaction(row),
            "notes": list(row.notes.order_by("-pk")[:MOST_NEIGHBOURS]),
            "may_read_notes": may(self.request, Right.SEE_MESSAGES),
            "is_in_work": row.lease_until is not None and row.lease_until > self.now,
            "acts": self._acts(row),
            "payload": reverse(f"{self.box.one}-payload", args=[row.pk])
            if may(self.request, Right.SEE_MESSAGES)
            else "",
        }

    def _acts(self, row: Inbox | Outbox) -> list[dict[str, Any]]:
        is_free = row.lease_until is None or row.lease_until <= self.now
        if row.state not in attending.OPEN or not is_free or not may(self.request, Right.RETRY_MESSAGES):
            return []
        return [
            {"url": reverse(f"{self.box.one}-{act}", args=[row.pk]), "text": text, "is_final": act == "give-up"}
            for act, text in (("retry", _("Try again now")), ("give-up", _("Give it up")))
        ]

    def _proof(self, row: Inbox | Outbox) -> dict[str, Any]:
        """Who signed it, as it was found when it came."""
        if isinstance(row, Outbox):
            return {}
        key = row.participant.keys.filter(key_id=row.key_id).first() if row.key_id else None
        return {
            "is_signed": bool(row.key_id),
            "key": key,
            "is_valid_now": key is not None and key.is_valid_at(self.now),
        }

    def _answers(self, row: Inbox | Outbox) -> list[dict[str, Any]]:
        """The messages that answer it, or that it answers."""
        if isinstance(row, Inbox):
            rows: list[Inbox | Outbox] = list(_light(Outbox).filter(in_answer_to=row).order_by("pk")[:MOST_NEIGHBOURS])
            asked: Inbox | Outbox | None = row.our_request
        else:
            rows = list(_light(Inbox).filter(our_request=row).order_by("pk")[:MOST_NEIGHBOURS])
            asked = row.in_answer_to
        told = [told_of(each, _("answers it")) for each in rows]
        return [*([told_of(asked, _("is what it answers"))] if asked is not None else []), *told]

    def _same_transaction(self, row: Inbox | Outbox) -> list[dict[str, Any]]:
        """Every message of the same transaction, in the order of time."""
        named = {"transaction_id": row.transaction_id}
        found: list[Inbox | Outbox] = [
            *_light(Inbox).filter(**named).order_by("-pk")[:MOST_NEIGHBOURS],
            *_light(Outbox).filter(**named).order_by("-pk")[:MOST_NEIGHBOURS],
        ]
        told = [told_of(each, "") | {"is_here": each == row} for each in found]
        return sorted(told, key=lambda each: each["at"])


class ReceivedMessage(MessagePage):
    title, box = _("Received message"), INBOX


class SentMessage(MessagePage):
    title, box = _("Message to send"), OUTBOX


class Payload(OneMessage):
    """What a message says. GET asks, POST shows it on this very page and writes that into the journal."""

    template_name = "console/messages/payload.html"
    right = Right.SEE_MESSAGES

    def context(self) -> dict[str, Any]:
        row = self.row()
        name = attending.name_of(row)
        return {
            "title": gettext("What message %(name)s says") % {"name": name},
            "trail": self.trail(row, (self.address(row), gettext("Message %(name)s") % {"name": name})),
            "row": row,
            "back": self.address(row),
        }

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        row = self.row()
        details = {"action": row.action, "message_id": row.message_id[:255]}
        record(
            Action.MESSAGE_READ,
            actor=actor_of(request),
            at=self.now,
            object_type=self.box.kind,
            object_id=str(row.pk),
            details=details,
        )
        return self.page(text=masked_payload(row.body), headers=row.headers if isinstance(row, Inbox) else None)


class ReceivedPayload(Payload):
    title, box = _("What a received message says"), INBOX


class SentPayload(Payload):
    title, box = _("What a message to send says"), OUTBOX


class NoteForm(forms.Form):
    """Why."""

    note = forms.CharField(
        label=_("Note"),
        max_length=500,
        strip=True,
        widget=forms.Textarea({"rows": 3, "maxlength": 500}),
        help_text=_("For whoever looks at this message later. No names and no numbers of customers."),
        error_messages={"required": _("Write why.")},
    )

    def __init__(self, *args: Any, is_needed: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["note"].required = is_needed
        if not is_needed:
            self.fields["note"].label = _("Note (optional)")


class Attend(OneMessage):
    """One act: GET says what it does, POST does it through the service that `manage.py messages` calls."""

    template_name = "console/messages/act.html"
    right = Right.RETRY_MESSAGES
    act: ClassVar[str]
    button: ClassVar[Promise]

    def context(self) -> dict[str, Any]:
        row = self.row()
        name = attending.name_of(row)
        return {
            "title": f"{self.title} ({name})",
            "trail": self.trail(row, (self.address(row), gettext("Message %(name)s") % {"name": name})),
            "row": row,
            "box": self.box,
            "act": self.act,
            "button": self.button,
            "back": self.address(row),
            "consequences": self.consequences(row),
            "is_possible": row.state in attending.OPEN and (row.lease_until is None or row.lease_until <= self.now),
            "form": NoteForm(is_needed=self.act == "give-up"),
        }

    def consequences(self, row: Any) -> list[str]:
        raise NotImplementedError

    def do(self, note: str) -> bool:
        raise NotImplementedError

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        row = self.row()
        form = NoteForm(request.POST, is_needed=self.act == "give-up")
        if not form.is_valid():
            return self.page(status=400, form=form)
        if not self.do(form.cleaned_data["note"]):
            form.add_error(None, gettext("Somebody was faster, or a worker has it at this moment. Look at it again."))
            return self.page(status=409, form=form)
        messages.success(request, str(self.done))
        return HttpResponseRedirect(self.address(row))

    done: ClassVar[Promise]


class Retry(Attend):
    title, button, act = _("Try a message again"), _("Try again now"), "retry"
    done = _("It is due now, with fresh attempts. Load this page again in a few seconds.")

    def do(self, note: str) -> bool:
        said: Any = {"actor": actor_of(self.request), "now": self.now, "note": note}
        pk = self.kwargs["pk"]
        return bool(attending.retry(Inbox, pk, **said) if self.box.is_inbox else attending.retry(Outbox, pk, **said))

    def consequences(self, row: Any) -> list[str]:
        if self.box.is_inbox:
            told = [gettext("A worker handles it again at once, and its sender gets an answer, with what holds now.")]
            if row.state == State.STUCK and row.action not in CALLBACKS:
                told.append(gettext("The sender was told before that we could not handle it, and may have gone on."))
            if row.sealed is None:
                told.append(
                    gettext(
                        "What was kept apart of it (proofs, personal data) is wiped, if there was any: without its"
                        " proof a request is refused, and the sender has to send a new one."
                    )
                )
            return told
        told = [gettext("A worker sends it at once, under the same message id; for 24 hours it is tried again.")]
        if row.participant.is_suspended:
            told.append(gettext("The receiver is suspended: it waits until the receiver is resumed."))
        if row.attempts:
            told.append(gettext("If the receiver has it already, the id tells it so, and nothing happens twice."))
        return told


class GiveUp(Attend):
    title, button, act = _("Give up a message"), _("Give it up"), "give-up"
    done = _("It is given up. It stays to be looked at until its time of keeping is over.")

    def do(self, note: str) -> bool:
        said: Any = {"actor": actor_of(self.request), "now": self.now, "note": note}
        pk = self.kwargs["pk"]
        if self.box.is_inbox:
            return attending.give_up(Inbox, pk, **said) is not None
        return attending.give_up(Outbox, pk, **said) is not None

    def consequences(self, row: Any) -> list[str]:
        told = [gettext("It is never tried again, and what was kept apart of it is wiped. This cannot be undone.")]
        if self.box.is_inbox:
            if row.action in CALLBACKS:
                told.append(gettext("The portal does not learn what the answer said; its customer may ask again."))
            elif row.state == State.WAITING:
                told.append(gettext("Its sender is told that we could not handle it, with a reference to quote."))
            else:
                told.append(gettext("Its sender was told already that we could not handle it."))
        elif row.kind == Outbox.Kind.REQUEST:
            told.append(gettext("What the portal asked for does not happen; its customer may try again."))
        else:
            told.append(gettext("The receiver does not hear of it. What was decided stays as it is."))
        return told


class ReceivedRetry(Retry):
    box = INBOX


class SentRetry(Retry):
    box = OUTBOX


class ReceivedGiveUp(GiveUp):
    box = INBOX


class SentGiveUp(GiveUp):
    box = OUTBOX


def told_of(row: Inbox | Outbox, what: Any) -> dict[str, Any]:
    """What a line about another message shows."""
    box = INBOX if isinstance(row, Inbox) else OUTBOX
    return {
        "name": attending.name_of(row),
        "url": reverse(box.one, args=[row.pk]),
        "action": reasons.action_name(row.action),
        "state": row.get_state_display(),
        "is_stuck": row.state == State.STUCK,
        "at": row.received_at if isinstance(row, Inbox) else row.created_at,
        "is_inbox": isinstance(row, Inbox),
        "what": what,
    }


def _light(model: Any) -> Any:
    """Rows without what they say."""
    return model.objects.defer("body", "sealed", *(("headers",) if model is Inbox else ("holes", "after_lists")))
