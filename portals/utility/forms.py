"""The questions of a journey as forms: what may be answered, and what is said to an answer that cannot be taken.

The words of a question and of its choices stand in its template.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from portals.utility.choices import DeviceChoice, MeterChoice

#: What a customer may declare; as `beckn:type` names them.
DEVICE_TYPES = ("SOLAR_PV", "BATTERY_STORAGE", "EV", "V2G_EV", "EVSE", "HEAT_PUMP", "WATER_HEATER")
NOTHING = "none"


class AccountForm(forms.Form):
    """Is this your account? (screens P4)"""

    account = forms.ChoiceField(
        choices=(("me", "me"), ("other", "other")),
        error_messages={"required": _("Select yes if this is your account")},
    )


class MetersForm(forms.Form):
    """Which meters? Only those that can join may be ticked (screens P5)."""

    meters = forms.MultipleChoiceField(
        error_messages={
            "required": _("Select at least one meter"),
            "invalid_choice": _("Select meters from the list. One you had selected cannot join at the moment"),
        },
    )

    def __init__(self, *args: Any, choices: Sequence[MeterChoice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["meters"].choices = [(each.umid, each.umid) for each in choices if each.is_open]  # type: ignore[attr-defined]


class EquipmentForm(forms.Form):
    """Which devices take part? (screens P6)"""

    ders = forms.MultipleChoiceField(
        error_messages={
            "required": _("Select the equipment that takes part, or “None of these”"),
            "invalid_choice": _("Select equipment from the list"),
        },
    )

    def __init__(self, *args: Any, choices: Sequence[DeviceChoice], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        names = [(each.id, each.id) for each in choices]
        self.fields["ders"].choices = [*names, (NOTHING, NOTHING)]  # type: ignore[attr-defined]

    def clean_ders(self) -> list[str]:
        chosen: list[str] = self.cleaned_data["ders"]
        if NOTHING in chosen and len(chosen) > 1:
            raise forms.ValidationError(_("Select equipment, or select “None of these”, not both"))
        return [] if chosen == [NOTHING] else chosen


class DeviceForm(forms.Form):
    """A device that neither the utility nor its maker has told us of."""

    type = forms.ChoiceField(
        choices=[(each, each) for each in DEVICE_TYPES],
        error_messages={"required": _("Select what it is")},
    )
    capacity = forms.DecimalField(
        min_value=0,
        max_value=10_000,
        max_digits=7,
        decimal_places=2,
        localize=True,
        error_messages={
            "required": _("Enter its power in kW"),
            "invalid": _("Enter its power in kW as a number, for example 7.4"),
            "min_value": _("Its power must be more than 0 kW"),
            "max_value": _("Its power must be 10,000 kW or less"),
        },
    )
    serial = forms.CharField(
        max_length=64,
        error_messages={"required": _("Enter its serial number")},
    )


class DatesForm(forms.Form):
    """From when, and until when where the customer wishes an end (screens P10). Days of the utility's zone."""

    NEXT, TODAY, LATER = "next", "today", "later"
    when = forms.ChoiceField(
        choices=((NEXT, NEXT), (TODAY, TODAY), (LATER, LATER)),
        error_messages={"required": _("Select when you want to start")},
    )
    starts_on = forms.DateField(required=False, error_messages={"invalid": _("Enter a real day")})
    ends_on = forms.DateField(required=False, error_messages={"invalid": _("Enter a real day")})

    def __init__(self, *args: Any, today: date, latest: date | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today, self.latest = today, latest

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        when = given.get("when")
        if when == self.LATER and "starts_on" not in self.errors and given.get("starts_on") is None:
            self.add_error("starts_on", _("Enter the day you want to start"))
        elif when in (self.NEXT, self.TODAY):
            given["starts_on"] = self.today + timedelta(days=when == self.NEXT)
            self.errors.pop("starts_on", None)
        starts_on, ends_on = given.get("starts_on"), given.get("ends_on")
        if starts_on and starts_on < self.today:
            self.add_error("starts_on", _("The start must be today or later"))
        elif starts_on and self.latest is not None and starts_on > self.latest:
            self.add_error("starts_on", _("The program closes before that day. Enter an earlier day"))
        if starts_on and ends_on and ends_on <= starts_on:
            self.add_error("ends_on", _("The end must be after the start"))
        return given


class DeclarationForm(forms.Form):
    """What the customer declares before the enrolment is confirmed (screens P11)."""

    declared = forms.BooleanField(
        error_messages={"required": _("Confirm that your answers are true")},
    )


class DropForm(forms.Form):
    """Should this draft be deleted?"""

    drop = forms.ChoiceField(
        choices=(("yes", "yes"), ("no", "no")),
        error_messages={"required": _("Select yes if the draft should be deleted")},
    )
