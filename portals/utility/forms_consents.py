"""Yes or No: to a consent, to taking it back, to leaving. The words of each question stand in its template."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from portals.viewing import LEAVING

YES_OR_NO = (("yes", "yes"), ("no", "no"))


class ConsentForm(forms.Form):
    """The answer to one consent; `digest` is that of the text that was on the screen (screens P9)."""

    answer = forms.ChoiceField(
        choices=YES_OR_NO, error_messages={"required": _("Select yes if you agree, no if you do not")}
    )
    digest = forms.CharField(max_length=100, widget=forms.HiddenInput)


class WithdrawForm(forms.Form):
    """Should the consent be withdrawn? (screens P16)"""

    answer = forms.ChoiceField(
        choices=YES_OR_NO, error_messages={"required": _("Select yes if you want to withdraw this consent")}
    )


class LeaveForm(forms.Form):
    """When to leave, and why if the customer wishes to say (screens P17)."""

    NOW, LATER = "now", "later"
    when = forms.ChoiceField(
        choices=((NOW, NOW), (LATER, LATER)), error_messages={"required": _("Select when you want to leave")}
    )
    reason = forms.ChoiceField(choices=[("", ""), *((each, each) for each in LEAVING)], required=False)
    sure = forms.BooleanField(error_messages={"required": _("Confirm that you want to leave the program")})

    def clean_reason(self) -> str:
        return str(self.cleaned_data["reason"] or "USER_REQUESTED")
