"""What somebody says who decides: about a file, a mandate on paper, an order that its customer stopped."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from enrollment import reviews
from portals.agency import papers
from portals.models import MandatePaper

APPROVE, AGAIN, REFUSE = "APPROVE", "AGAIN", "REFUSE"
RELEASE, CLOSE = "RELEASE", "CLOSE"

#: Why a file is not accepted, as staff chooses it; what the applicant reads stands in `enrollment/words`.
REASONS = {
    "UNREADABLE": _("It cannot be read"),
    "INCOMPLETE": _("A page or a part is missing"),
    "WRONG_DOCUMENT": _("It is another document than the one that was asked for"),
    "WRONG_DEVICE": _("It is about another device"),
    "WRONG_PERSON": _("It is made out to somebody else"),
    "OUT_OF_DATE": _("It is no longer valid"),
    "NOT_GENUINE": _("It does not look genuine"),
    "OTHER": _("Something else"),
}
_NOTE = _("Note for your colleagues")
_NOTE_HELP = _("Kept encrypted with the case. The applicant does not read it.")


class _Decision(forms.Form):
    """What every decision has: a note that stays in the house."""

    note = forms.CharField(
        label=_NOTE,
        help_text=_NOTE_HELP,
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=2000,
        required=False,
    )


class FileForm(_Decision):
    """A file in place of a certificate: what it says, or why it does not do and what the applicant reads."""

    verdict = forms.ChoiceField(
        label=_("What becomes of this file?"),
        widget=forms.RadioSelect,
        choices=[
            (APPROVE, _("Approve: it is the certificate of this device")),
            (AGAIN, _("Ask again: another file may do")),
            (REFUSE, _("Refuse: no file will do, the application ends")),
        ],
        error_messages={"required": _("Select what becomes of this file.")},
    )
    capacity_kw = forms.FloatField(
        label=_("Power that the file states, in kW"),
        help_text=_("Only to approve. Leave it empty where the file states none."),
        min_value=0,
        required=False,
        error_messages={"invalid": _("Write a number of kW, like 9.5.")},
    )
    valid_until = forms.DateField(
        label=_("Last day on which the certificate is valid"),
        help_text=_("Only to approve. Leave it empty where the file states none."),
        widget=forms.DateInput(attrs={"type": "date"}),
        required=False,
        error_messages={"invalid": _("Write a day, like 2027-12-31.")},
    )
    reason = forms.ChoiceField(
        label=_("Why it does not do"),
        help_text=_("To ask again or to refuse. The applicant reads a sentence for it in their language."),
        choices=[("", "—"), *REASONS.items()],
        required=False,
    )
    text = forms.CharField(
        label=_("What the applicant reads besides"),
        help_text=_(
            "To ask again: say what the next file has to show. In plain words, in the applicant's language if you can;"
            " no names, no addresses, no long numbers."
        ),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=reviews.MOST_TEXT,
        required=False,
    )
    field_order = ("verdict", "capacity_kw", "valid_until", "reason", "text", "note")

    def __init__(self, *args: Any, zone: ZoneInfo, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.zone = zone

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        verdict, text = said.get("verdict"), (said.get("text") or "").strip()
        if verdict in (AGAIN, REFUSE) and not said.get("reason"):
            self.add_error("reason", gettext("Select why it does not do."))
        if verdict == AGAIN and not text and "text" not in self.errors:
            self.add_error("text", gettext("Say what the next file has to show: the applicant reads it."))
        if verdict == REFUSE and text:
            self.add_error("text", gettext("Nothing is asked for again: leave this empty, or ask again."))
        if reviews.problem_of_text(text):
            self.add_error("text", gettext("Write no addresses and no numbers of six or more digits."))
        return said

    @property
    def reading(self) -> reviews.Reading:
        """What was read in the file. A last day ends with that day, where the meter is."""
        day = self.cleaned_data["valid_until"]
        until = datetime.combine(day + timedelta(days=1), time(), self.zone) if day else None
        return reviews.Reading(self.cleaned_data["capacity_kw"], until)


class PaperForm(_Decision):
    """A mandate on paper; the note to the agency is another one than that to colleagues."""

    verdict = forms.ChoiceField(
        label=_("What becomes of this paper?"),
        widget=forms.RadioSelect,
        choices=[
            (papers.APPROVE, _("Approve: the customer has signed, the case goes on")),
            (papers.AGAIN, _("Ask again: something is wrong with this paper")),
            (papers.REFUSE, _("Refuse: this case takes no paper any more")),
        ],
        error_messages={"required": _("Select what becomes of this paper.")},
    )
    reason = forms.ChoiceField(
        label=_("Why it does not do"), choices=[("", "—"), *MandatePaper.Reason.choices], required=False
    )
    text = forms.CharField(
        label=_("What the agency reads"),
        help_text=_("What is to be done better. No names of customers and no numbers."),
        widget=forms.Textarea(attrs={"rows": 3}),
        max_length=1000,
        required=False,
    )
    field_order = ("verdict", "reason", "text", "note")

    def clean(self) -> dict[str, Any]:
        said: dict[str, Any] = super().clean() or {}
        if said.get("verdict") in (papers.AGAIN, papers.REFUSE) and not said.get("reason"):
            self.add_error("reason", gettext("Select why it does not do."))
        return said


class OrderForm(_Decision):
    """An application that its customer has stopped."""

    verdict = forms.ChoiceField(
        label=_("What becomes of this application?"),
        widget=forms.RadioSelect,
        choices=[
            (RELEASE, _("Release it: it was the customer after all, the application may go on")),
            (CLOSE, _("Close it: it was not the customer, nothing is enrolled")),
        ],
        error_messages={"required": _("Select what becomes of this application.")},
    )
    reason = forms.ChoiceField(
        label=_("How you know"),
        choices=[
            ("", "—"),
            ("CALLED_BACK", _("The customer was called at the number their utility has")),
            ("AT_THE_COUNTER", _("The customer came and showed who they are")),
            ("AGENCY_ADMITTED", _("The agency has admitted it")),
            ("AUTHORITY", _("An authority has said so")),
            ("CLEARED_UP", _("It is cleared up in another way")),
        ],
        error_messages={"required": _("Select how you know.")},
    )
    field_order = ("verdict", "reason", "note")
