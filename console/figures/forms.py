"""What the figures are narrowed to: a period, a program, a channel, a utility, an agency."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from audit.log import Channel
from console import words
from console.enrollments.finding import CHANNELS as NAMES
from enrollment.figures.reading import Asked, agencies_with_figures
from enrollment.models import Program

USUAL_DAYS, MOST_DAYS = 90, 1_830
CHANNELS = (Channel.PORTAL, Channel.EA, Channel.SDK, Channel.CSR, Channel.BULK)


class AskedForm(forms.Form):
    """The filters above every page of figures; without any it is the last 90 days of everything."""

    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    until = forms.DateField(
        label=_("To, inclusive"), required=False, widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    program = forms.ChoiceField(label=_("Program"), required=False)
    channel = forms.ChoiceField(label=_("Channel"), required=False)
    utility = forms.ChoiceField(label=_("Utility"), required=False)
    agency = forms.ChoiceField(label=_("Agency"), required=False)

    error_messages = {
        "order": _("The last day lies before the first."),
        "long": _("Ask for five years at most."),
    }

    def __init__(self, data: Any, *, today: date, filters: tuple[str, ...]) -> None:
        self.today = today
        given = {"since": today - timedelta(days=USUAL_DAYS - 1), "until": today}
        super().__init__({**{name: value.isoformat() for name, value in given.items()}, **_filled(data)})
        choices = {
            "program": lambda: Program.objects.order_by("program_id").values_list("program_id", flat=True),
            "channel": lambda: [each.value for each in CHANNELS],
            "utility": lambda: [each.id for each in settings.UTILITIES],
            "agency": agencies_with_figures,
        }
        for name, values in choices.items():
            if name in filters:
                called: Mapping[str, Any] = {}
                if name == "program":
                    names = words.programs()
                    called = {each: words.named(each, names) for each in names}
                elif name == "channel":
                    called = NAMES
                known = [(each, called.get(each, each)) for each in values()]
                self.fields[name].choices = [("", _("All")), *known]  # type: ignore[attr-defined]
            else:
                del self.fields[name]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        since, until = cleaned.get("since"), cleaned.get("until")
        if since and until and until < since:
            raise ValidationError({"until": self.error_messages["order"]})
        if since and until and (until - since).days > MOST_DAYS:
            raise ValidationError({"since": self.error_messages["long"]})
        return cleaned

    def asked(self) -> Asked:
        """What is asked for; the usual where it cannot be understood (the page says so)."""
        usual = Asked(self.today - timedelta(days=USUAL_DAYS - 1), self.today)
        if not self.is_valid():
            return usual
        found = self.cleaned_data
        return Asked(
            found.get("since") or usual.since,
            found.get("until") or usual.until,
            program_id=found.get("program", ""),
            channel=found.get("channel", ""),
            utility_id=found.get("utility", ""),
            agency_id=found.get("agency", ""),
        )


def _filled(data: Any) -> dict[str, str]:
    return {name: value for name in AskedForm.base_fields if (value := data.get(name, ""))}
