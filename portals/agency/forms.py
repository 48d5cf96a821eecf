"""What an agent is asked, and what the customer is asked on the agent's device."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

REASONS = (
    ("AT_DESK", _("The customer is here with me")),
    ("BY_PHONE", _("The customer called us")),
    ("AT_HOME", _("I am at the customer's home")),
    ("FOLLOW_UP", _("The customer asked us to go on with this")),
)
ACCOUNT, MOBILE = "account", "mobile"


class OfferForm(forms.Form):
    """Which program, at which utility? (A2, New enrolment)"""

    offer = forms.ChoiceField(
        label=_("Which program?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Select the program"), "invalid_choice": _("Select a program from the list")},
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["offer"].choices = choices  # type: ignore[attr-defined]


class FindForm(forms.Form):
    """By what the customer is found, and why they are looked up (A3)."""

    number = forms.CharField(
        label=_("Account number or registered mobile number"),
        help_text=_("The account number stands at the top of the bill. A mobile number begins with + and the country."),
        max_length=40,
        error_messages={"required": _("Enter the account number or the registered mobile number")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autofocus": True}),
    )
    reason = forms.ChoiceField(
        label=_("Why do you look this customer up?"),
        choices=REASONS,
        widget=forms.RadioSelect,
        error_messages={"required": _("Select why you look this customer up")},
    )
    key = forms.UUIDField(widget=forms.HiddenInput)
    offer = forms.CharField(widget=forms.HiddenInput)

    def clean_number(self) -> str:
        number: str = " ".join(self.cleaned_data["number"].split())
        if not number.isprintable() or len(number) < 3:
            raise forms.ValidationError(_("Enter the number as it stands on the bill"))
        return number

    @property
    def looked_up(self) -> dict[str, str]:
        """As the case keeps it: a number that begins with + is a mobile number."""
        number, reason = self.cleaned_data["number"], self.cleaned_data["reason"]
        if number.startswith("+"):
            return {MOBILE: "+" + "".join(each for each in number if each.isdigit()), "reason": reason}
        return {ACCOUNT: number, "reason": reason}


class HelpCodeForm(forms.Form):
    """The code by which a customer hands their draft over."""

    code = forms.CharField(
        label=_("Code that the customer reads out"),
        help_text=_("Eight letters and digits, for example 4FKP 7RWC."),
        max_length=20,
        error_messages={"required": _("Enter the code that the customer reads out")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "characters"}),
    )


class ReadForm(forms.Form):
    """The five sentences were read out, in this language (A4)."""

    locale = forms.CharField(max_length=35, widget=forms.HiddenInput)


class CodeForm(forms.Form):
    """The code that the customer got from their utility (A5)."""

    code = forms.RegexField(
        r"^[0-9 ]{4,12}$",
        label=_("Code that the customer tells you"),
        error_messages={
            "required": _("Enter the code that the customer tells you"),
            "invalid": _("A code has digits only"),
        },
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "inputmode": "numeric", "maxlength": "12", "class": "govuk-input--width-10"}
        ),
    )

    def clean_code(self) -> str:
        return str(self.cleaned_data["code"]).replace(" ", "")


class AnswerForm(forms.Form):
    """The customer's own answer; `digest` is that of the words on the screen."""

    answer = forms.ChoiceField(
        choices=(("yes", _("Yes, I agree")), ("no", _("No"))),
        error_messages={"required": _("Select yes if you agree, no if you do not")},
    )
    digest = forms.CharField(max_length=100, required=False, widget=forms.HiddenInput)


class AssignForm(forms.Form):
    """To whom a case is given (A11)."""

    to = forms.ChoiceField(
        label=_("Who goes on with this case?"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Select a colleague"), "invalid_choice": _("Select a colleague from the list")},
    )

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["to"].choices = choices  # type: ignore[attr-defined]


class DropForm(forms.Form):
    """Should the case be dropped? (A11)"""

    drop = forms.ChoiceField(
        label=_("Do you want to drop this case?"),
        choices=(("yes", _("Yes, drop it")), ("no", _("No, keep it"))),
        widget=forms.RadioSelect,
        error_messages={"required": _("Select yes if you want to drop this case")},
    )
