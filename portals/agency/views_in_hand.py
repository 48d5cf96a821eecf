"""The portal's own consent pages in the customer's hands (A7): their own sign-in, and these pages only."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest
from django.urls import reverse

from portals.actors import Actor, InHand
from portals.agency.held import HandoverMixin
from portals.models import Handover
from portals.utility.views_consents import ConsentPage, RefusedConsent

LAYOUT = "handover/page.html"


class ConsentsMixin(HandoverMixin):
    """For the portal's pages about the consents of the case's journey."""

    def acting(self, request: HttpRequest, **_: Any) -> Actor:
        if self.row.asks != Handover.Asks.CONSENTS or self.case.application_id is None:
            raise Http404
        return InHand(request, self.case, self.subject, self.place, LAYOUT)

    def place(self, name: str, *args: Any) -> str:
        """A consent's page of this handover; every other one is the handover's own."""
        if name in ("consent", "consent-no"):
            return reverse(f"handover-{name}", args=[self.row.pk, args[1]])
        return reverse("handover-page", args=[self.row.pk])


class HandedConsent(ConsentsMixin, ConsentPage):
    """One consent, asked of the customer."""


class HandedConsentNo(ConsentsMixin, RefusedConsent):
    """What a No to a required consent means."""
