"""Personal data at the console: masked until somebody who may asks to see it and says why, which is journalled.

A page that has some inherits `ShowsPersonalData` and includes `console/unmask.html`: the answer to the button is the
page itself with the data in it, never an address that could be opened or kept again. A page with other acts of its own
calls `is_asked_for`, `unmask` and `offer` itself. Source: issue of the console (1), screens C2, C3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from audit import clock, log
from audit.log import Action
from console.pages import ConsolePage
from console.rights import Right, may, need
from console.site import actor_of

#: Why somebody looks; the code goes into the journal.
REASONS: Mapping[str, Promise] = {
    "CUSTOMER_ASKED": _("The customer has called or written"),
    "DECIDING": _("To decide a case"),
    "COMPLAINT": _("To answer a complaint"),
    "FAULT": _("To find a fault"),
    "AUDIT": _("For an audit"),
    "AUTHORITY": _("An authority has asked"),
}

#: The name of the button: a POST that carries it asks for the data.
ASKED = "show-personal-data"


class NoReason(Exception):
    """Nobody has said why they want to see it. The text is for them."""


@dataclass(frozen=True)
class Data:
    """What would be shown: the names of its fields, whose (a Subject key, "" where none is known), on which row."""

    subject: str
    object_type: str
    object_id: str
    fields: Sequence[str]


def masked(text: str) -> str:
    """Return enough to compare with what somebody reads out: a number's last digits, else the first letter.

    Nothing of what is too short to hide in; "" for nothing.
    """
    text = text.strip()
    if not text:
        return ""
    if any(each.isdigit() for each in text) and "@" not in text:
        return f"…{text[-4:]}" if len(text) > 7 else "…"
    first, at, domain = text.partition("@")
    return f"{first[:1]}…{at}{domain}" if len(first) > 2 else f"…{at}{domain}"


def is_asked_for(request: HttpRequest) -> bool:
    """Whether this is the POST of the button "Show personal data"."""
    return request.method == "POST" and ASKED in request.POST


def unmask(request: HttpRequest, *, subject: str, object_type: str, object_id: str, fields: Sequence[str]) -> None:
    """Write into the journal that whoever asks now sees these fields of somebody, and why. Show them after that only.

    Raises PermissionDenied without the right, NoReason where the form says no reason that we know.
    """
    need(request, Right.UNMASK)
    reason = request.POST.get("reason", "")
    if reason not in REASONS:
        raise NoReason(gettext("Choose why you need to see the personal data."))
    log.record(
        Action.READ_PII,
        actor=actor_of(request),
        at=clock.now(),
        subject=subject,
        object_type=object_type,
        object_id=object_id,
        details={"fields": sorted(fields), "reason": reason},
    )


def offer(request: HttpRequest, *, is_shown: bool = False, problem: str = "") -> dict[str, Any]:
    """What `console/unmask.html` needs in the page's context."""
    return {
        "personal": {
            "may_ask": may(request, Right.UNMASK),
            "is_shown": is_shown,
            "problem": problem,
            "reasons": REASONS.items(),
            "chosen": request.POST.get("reason", ""),
            "name": ASKED,
        }
    }


class ShowsPersonalData(ConsolePage):
    """A page with masked data. `personal_data` names them; `is_unmasked` says in which way `context` gives them."""

    acts = Right.UNMASK
    is_unmasked = False

    def personal_data(self) -> Data:
        raise NotImplementedError

    def post(self, request: HttpRequest, **named: Any) -> HttpResponse:
        """Show the page with the data in it."""
        found = self.personal_data()
        try:
            unmask(
                request,
                subject=found.subject,
                object_type=found.object_type,
                object_id=found.object_id,
                fields=found.fields,
            )
        except NoReason as missing:
            return self.page(status=400, **offer(request, problem=str(missing)))
        self.is_unmasked = True
        return self.page()

    def page(self, *, status: int = 200, **said: Any) -> HttpResponse:
        return super().page(status=status, **{**offer(self.request, is_shown=self.is_unmasked), **said})
