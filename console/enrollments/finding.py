"""Finding enrolments: what the list is narrowed by, and the exact names somebody may have in hand (screens C2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.db.models import Q
from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from audit.log import Channel
from console import words
from credentials import addresses
from enrollment.filtering import Filter
from enrollment.models import Consent, Enrollment, EnrollmentCase, Program
from enrollment.states import EnrollmentState
from identity.encryption import blind_index
from identity.models import Agency, SubjectUtilityLink
from utility_systems import registry
from utility_systems.models import Meter

STATES: Mapping[str, Promise] = {
    EnrollmentState.SCHEDULED: _("To come"),
    EnrollmentState.ACTIVE: _("Active"),
    EnrollmentState.SUSPENDED: _("Suspended"),
    EnrollmentState.CANCELLED: _("Ended"),
    EnrollmentState.EXPIRED: _("Over by its date"),
}
CHANNELS: Mapping[str, Promise] = {
    Channel.PORTAL: _("A portal"),
    Channel.EA: _("An agency"),
    Channel.SDK: _("An application"),
    Channel.CSR: _("By telephone"),
    Channel.BULK: _("A file of many"),
}
#: Agencies offered by name; who has more narrows by an id in the address.
MOST_AGENCIES = 300
#: Enrolments shown of one exact name.
MOST_FOUND = 50
_DAY = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")


class FilterForm(forms.Form):
    """What the list is narrowed by; nothing of it is needed."""

    state = forms.ChoiceField(label=_("State"), required=False)
    program = forms.ChoiceField(label=_("Program"), required=False)
    channel = forms.ChoiceField(label=_("Came by"), required=False)
    agency = forms.ChoiceField(label=_("Agency"), required=False)
    enrolled_from = forms.DateField(label=_("Enrolled from (UTC)"), required=False, widget=_DAY)
    enrolled_until = forms.DateField(label=_("to"), required=False, widget=_DAY)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        programs = Program.objects.order_by("program_id").values_list("program_id", flat=True)
        agencies = Agency.objects.order_by("agency_id").values_list("agency_id", "name")[:MOST_AGENCIES]
        self._offer("state", [(str(state), name) for state, name in STATES.items()])
        self._offer("channel", [(str(channel), name) for channel, name in CHANNELS.items()])
        called = words.programs()
        self._offer("program", [(each, words.named(each, called)) for each in programs])
        self._offer("agency", [(key, f"{name} ({key})" if name else key) for key, name in agencies])

    def _offer(self, name: str, choices: Sequence[tuple[str, Any]]) -> None:
        self.fields[name].choices = [("", _("all")), *choices]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        said = self.cleaned_data
        first, last = said.get("enrolled_from"), said.get("enrolled_until")
        if first and last and last < first:
            self.add_error("enrolled_until", _("This day is before the first one."))
        return said

    @property
    def filter(self) -> Filter:
        """What was asked for, as far as it can be read."""
        said = self.cleaned_data
        return Filter(
            state=said.get("state", ""),
            program=said.get("program", ""),
            channel=said.get("channel", ""),
            agency=said.get("agency", ""),
            enrolled_from=said.get("enrolled_from"),
            enrolled_until=said.get("enrolled_until"),
        )


def form_of(request: HttpRequest) -> FilterForm:
    """The form with what the address asks for, read."""
    form = FilterForm(request.GET)
    form.is_valid()
    return form


def named(name: str) -> list[int]:
    """The keys of the enrolments that an exact name means: its number, its id, an order, a credential, a meter."""
    name = name.strip()
    if not name or len(name) > 300:
        return []
    number = Enrollment.objects.filter(Q(order_number=name) | Q(enrollment_id=name)).values_list("pk", flat=True)
    if found := list(number):
        return found
    if credential := addresses.read_typed(name):
        own = list(Enrollment.objects.filter(credential=credential).values_list("pk", flat=True))
        return own or list(Consent.objects.filter(credential=credential).values_list("enrollment_id", flat=True))
    orders = EnrollmentCase.objects.filter(order_id=name).values_list("enrollment", flat=True)
    if found := [pk for pk in orders[:MOST_FOUND] if pk is not None]:
        return found
    meters = Meter.objects.filter(utility_id__in=registry.utility_ids(), umid=name)
    of_meters = Enrollment.objects.filter(meters__meter__in=list(meters.values_list("pk", flat=True)))
    return list(of_meters.order_by("-case_id").values_list("pk", flat=True)[:MOST_FOUND])


def of_account(number: str) -> tuple[list[int], list[str]]:
    """The keys of the enrolments of whoever has this account number at a utility, and of whom (Subject keys)."""
    index = blind_index(number, purpose="utility_customer_id")
    links = SubjectUtilityLink.objects.filter(
        utility_id__in=registry.utility_ids(), customer_index=index, status="ACTIVE"
    )
    subjects = sorted(set(links.values_list("subject_id", flat=True)[:MOST_FOUND]))
    rows = Enrollment.objects.filter(subject__in=subjects).order_by("-case_id")
    return list(rows.values_list("pk", flat=True)[:MOST_FOUND]), [str(each) for each in subjects]
