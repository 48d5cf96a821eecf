"""What a manager is asked about the agency's people."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _

from identity.models import Membership

OPERATOR_ID = RegexValidator(
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", _("Use letters, digits, dots, dashes and underscores only, like op-12")
)


class RoleForm(forms.Form):
    """Which role? Nothing is chosen beforehand for somebody new."""

    role = forms.ChoiceField(
        label=_("What may they do?"),
        choices=(
            (Membership.Role.AGENT, _("Agent: enrols customers with them")),
            (Membership.Role.REVIEWER, _("Reviewer: as an agent, and looks at papers of colleagues")),
            (Membership.Role.MANAGER, _("Manager: as a reviewer, and manages members and imports")),
        ),
        widget=forms.RadioSelect,
        error_messages={"required": _("Select what they may do"), "invalid_choice": _("Select a role from the list")},
    )


class InviteForm(RoleForm):
    """Whom to invite?"""

    field_order = ("name", "email", "operator_id", "role")
    name = forms.CharField(
        label=_("Name"),
        help_text=_("Customers read it: first name and family name, as on the badge"),
        max_length=100,
        error_messages={"required": _("Enter their name"), "max_length": _("Enter a name of at most 100 letters")},
    )
    email = forms.EmailField(
        label=_("E-mail address"),
        help_text=_("Their own at the agency. The invitation goes there"),
        max_length=254,
        error_messages={
            "required": _("Enter their e-mail address"),
            "invalid": _("Enter an e-mail address like name@agency.example"),
        },
    )
    operator_id = forms.CharField(
        label=_("Operator id"),
        help_text=_("The agency's own id of this person, like op-12. It stands in every message and cannot be changed"),
        max_length=64,
        validators=[OPERATOR_ID],
        error_messages={"required": _("Enter an operator id"), "max_length": _("Enter an id of at most 64 characters")},
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].widget.attrs["autocomplete"] = "off"
        self.fields["email"].widget.attrs["autocomplete"] = "off"
