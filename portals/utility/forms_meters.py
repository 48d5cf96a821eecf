"""Which meters join or leave an enrolment, and what is agreed to for those that join."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from portals.utility.views_meters import Needed


class RemoveForm(forms.Form):
    """Meters to take out; at least one stays: with the last one, somebody leaves the program."""

    meters = forms.MultipleChoiceField(error_messages={"required": _("Select the meters to take out")})

    def __init__(self, *args: Any, umids: Sequence[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["meters"].choices = [(umid, umid) for umid in umids]  # type: ignore[attr-defined]
        self.umids = umids

    def clean_meters(self) -> list[str]:
        chosen = list(self.cleaned_data["meters"])
        if len(chosen) >= len(self.umids):
            raise forms.ValidationError(_("One meter has to stay. To take out the last one, leave the program"))
        return chosen


class AddForm(forms.Form):
    """Meters to add, and the consents that are given for them; the required ones have to be."""

    meters = forms.MultipleChoiceField(error_messages={"required": _("Select the meters to add")})
    consents = forms.MultipleChoiceField(required=False)

    def __init__(self, *args: Any, umids: Sequence[str], needed: Sequence[Needed], **more: Any) -> None:
        super().__init__(*args, **more)
        self.fields["meters"].choices = [(umid, umid) for umid in umids]  # type: ignore[attr-defined]
        places = [str(each.asked.place) for each in needed]
        self.fields["consents"].choices = [(place, place) for place in places]  # type: ignore[attr-defined]
        self.required = {str(each.asked.place) for each in needed if each.asked.is_required}

    def clean_consents(self) -> list[str]:
        given = list(self.cleaned_data["consents"])
        if self.required - set(given):
            raise forms.ValidationError(_("The program needs your agreement for a meter that joins"))
        return given
