"""An order that its customer has stopped ("this was not me"): what it is, whom to call, and what becomes of it.

An application is released or closed here. Where an enrolment came of it, its own page ends or releases it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from django.db import transaction
from django.http import Http404
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from console import personal
from console.deciding import queue, words
from console.deciding.forms import CLOSE, OrderForm
from console.deciding.queue import Item
from console.deciding.views import OneCase, Undecided
from console.site import actor_of
from enrollment import freezing, leases
from enrollment.leases import Thing
from enrollment.models import EnrollmentCase, ReviewLease
from enrollment.states import Decidable
from identity.models import StaffMember


class OneOrder(OneCase):
    kind = Decidable.ORDER
    template_name = "console/deciding/order.html"

    def found(self) -> EnrollmentCase:
        rows = EnrollmentCase.objects.select_related("program_version__program", "subject", "enrollment")
        row = rows.filter(pk=self.kwargs["reference"]).first()
        if row is None:
            raise Http404(_("There is no such order."))
        return row

    @cached_property
    def item(self) -> Item:
        return queue.item_of(Thing(Decidable.ORDER, str(self.row.pk), str(self.row.subject_id or "")), self.row)

    @property
    def enrollment(self) -> Any:
        return getattr(self.row, "enrollment", None)

    def is_open(self) -> bool:
        return bool(self.row.is_frozen)

    def personal_data(self) -> personal.Data:
        return personal.Data(str(self.row.subject_id or ""), "case", str(self.row.pk), ("name", "phone", "email"))

    def form_of(self, data: Any = None) -> OrderForm:
        return OrderForm(data)

    def decide(self, said: Mapping[str, Any], form: Any, member: StaffMember, lease: ReviewLease) -> str:
        if self.enrollment is not None:
            raise Undecided(gettext("An enrolment came of this order: decide on its own page."))
        act = freezing.withdraw if said["verdict"] == CLOSE else freezing.release
        with transaction.atomic():
            leases.held(self.thing, member, self.now)
            is_done = act(self.row, said["reason"], actor=actor_of(self.request), now=self.now)
            if is_done:
                leases.note(self.thing, member, said["note"], self.now)
                leases.decided(self.thing)
        if not is_done:
            raise Undecided(gettext("Somebody was faster: this order is decided. Nothing was changed."))
        if said["verdict"] == CLOSE:
            return gettext("The application is closed, and the customer is told.")
        return gettext("The application is released, and the customer is told.")

    def shown(self) -> dict[str, Any]:
        row, subject = self.row, self.row.subject
        kept = {"name": "", "phone": "", "email": ""}
        if subject is not None:
            kept = {"name": subject.name, "phone": subject.phone, "email": subject.email}
        told = kept if self.is_unmasked else {key: personal.masked(value or "") for key, value in kept.items()}
        enrollment = self.enrollment
        return {
            "enrollment": enrollment,
            "state": words.application(row.state),
            "enrollment_state": words.enrollment(enrollment.state) if enrollment is not None else "",
            "person": told,
            "has_person": any(kept.values()),
            "enrollment_page": _address("admin:enrollment", enrollment.pk) if enrollment else "",
            "story": _address("admin:journal-story"),
            "story_of": enrollment.enrollment_id if enrollment is not None else row.order_id,
        }


def _address(name: str, *args: Any) -> str:
    """A page of another room; "" where there is none."""
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""
