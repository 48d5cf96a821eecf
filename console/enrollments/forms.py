"""What staff says with an act: why, for colleagues, from when, and the reference once more (screens C4)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

#: The latest moment an end may be planned for.
FAR = timedelta(days=3650)


class ReasonForm(forms.Form):
    """Why, as a code for everybody who is told; and a note for colleagues, encrypted."""

    reason = forms.ChoiceField(
        label=_("Why"),
        help_text=_("The customer, the portal and the utility are told this reason. It stands in the journal."),
        error_messages={"required": _("Choose why.")},
    )
    note = forms.CharField(
        label=_("Note for colleagues"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 70}),
        help_text=_("Kept encrypted; not told to anybody else, and never in the journal."),
    )

    def __init__(self, *args: Any, reasons: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("", _("Choose a reason")), *reasons.items()]
        self.fields["reason"].choices = choices  # type: ignore[attr-defined]


class ActForm(ReasonForm):
    """One order: its reference is retyped, so that it is the right one."""

    reference = forms.CharField(
        label=_("Type the reference again"),
        max_length=60,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        error_messages={"required": _("Type the reference of the enrolment.")},
    )

    def __init__(self, *args: Any, wanted: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = wanted

    def clean_reference(self) -> str:
        given = str(self.cleaned_data["reference"]).strip()
        if given.upper() != self.wanted.upper():
            raise forms.ValidationError(_("This is not the reference of what you are about to change."))
        return given


class EndForm(ActForm):
    """An end has a moment, and may leave the consents that outlive it."""

    when = forms.ChoiceField(
        label=_("When"), choices=[("now", _("Now")), ("later", _("At the moment below"))], initial="now"
    )
    at = forms.DateTimeField(
        label=_("Moment (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={"invalid": _("Write the moment as 2026-12-31 18:00.")},
    )
    keep_outliving = forms.BooleanField(
        label=_("Keep the consents that outlive the enrolment"), required=False, initial=False
    )
    field_order = ("when", "at", "keep_outliving", "reason", "note", "reference")

    def __init__(self, *args: Any, now: datetime, outliving: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now
        if not outliving:
            del self.fields["keep_outliving"]

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        at = said.get("at")
        if said.get("when") == "later" and "at" not in self.errors:
            if at is None:
                self.add_error("at", _("Say at which moment it ends."))
            elif at <= self.now:
                self.add_error("at", _("This moment is over. Choose “Now”, or a moment to come."))
            elif at > self.now + FAR:
                self.add_error("at", _("This moment is more than ten years away."))
        return said

    @property
    def moment(self) -> datetime | None:
        return self.cleaned_data.get("at") if self.cleaned_data.get("when") == "later" else None


class CountForm(ReasonForm):
    """Many: how many they are is retyped."""

    count = forms.IntegerField(
        label=_("Type how many enrolments this is about"),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": _("Type the number."), "invalid": _("Type the number in digits.")},
    )
    keep_outliving = forms.BooleanField(label=_("Keep the consents that outlive an enrolment"), required=False)
    shown = forms.IntegerField(widget=forms.HiddenInput)
    field_order = ("keep_outliving", "reason", "note", "count")

    def __init__(self, *args: Any, is_end: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not is_end:
            del self.fields["keep_outliving"]

    def clean_count(self) -> int:
        given = int(self.cleaned_data["count"])
        if str(given) != str(self.data.get("shown", "")):
            raise forms.ValidationError(_("This is not the number that the page shows."))
        return given


class ApproveForm(forms.Form):
    """The digest of what was looked at, and its number retyped."""

    digest = forms.CharField(max_length=64, widget=forms.HiddenInput)
    count = forms.IntegerField(
        label=_("Type how many enrolments this is about"),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
        error_messages={"required": _("Type the number."), "invalid": _("Type the number in digits.")},
    )
    note = forms.CharField(
        label=_("Note for colleagues"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 70}),
        help_text=_("Kept encrypted; not told to anybody else, and never in the journal."),
    )
    field_order = ("count", "note")

    def __init__(self, *args: Any, wanted: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = wanted

    def clean_count(self) -> int:
        given = int(self.cleaned_data["count"])
        if given != self.wanted:
            raise forms.ValidationError(_("This is not the number that was asked for."))
        return given
