"""Who goes through a journey: the customer alone, the customer on an agent's device, or an agent beside them.

The pages are the same. What differs is told here: whose journey it is, where each page lies, which template frames it,
and what proves the customer: their own sign-in, or the mandate they have given, which the program owner reads by its
number (decision 48). An agent has nothing of the customer's sign-in, and so nothing of what their utility tells them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import get_language

from identity import mandates, people, sessions
from identity.models import Membership, Subject
from portals import drafts, evidence, trust
from portals.models import Application, AssistedCase

ALONE, ASSISTED = "base.html", "agency/case_page.html"


class Actor(Protocol):
    """One person in front of one journey."""

    @property
    def is_assisted(self) -> bool: ...

    @property
    def layout(self) -> str: ...

    @property
    def subject(self) -> Subject | None:
        """Whose journey it is: the customer, whoever presses the buttons."""

    def journey(self) -> Application:
        """Return the journey. Raises drafts.NotTheirs."""

    def address(self, name: str, *args: Any) -> str:
        """The address of a page, as its name in the portal without "portal-"; "" where this actor has none."""

    def token(self, application: Application, now: datetime) -> str:
        """The customer's sign-in for the next message, "" for none. May raise what `evidence.token` raises."""

    def own_token(self, application: Application, now: datetime) -> str:
        """The same for an act that needs no sign-in as a rule, but does where an agency has begun the journey."""

    @property
    def locale(self) -> str:
        """The language in which the customer is written to."""

    def known(self, application: Application, token: str) -> Mapping[str, Any]:
        """What the utility tells of its customer. Raises evidence.UtilitySilent."""

    def credentials(self, application: Application, token: str) -> Sequence[Mapping[str, Any]]:
        """What the utility attests for its customer. Raises evidence.UtilitySilent."""


def person_of(request: HttpRequest) -> Subject | None:
    """Who is signed in, as the program owners know them; None before a utility has said so."""
    return people.living(request.user.subject)  # type: ignore[union-attr]


def in_the_portal(name: str, *args: Any) -> str:
    """The address of a page of the Utility Portal."""
    return reverse(f"portal-{name}", args=args)


class SelfService:
    """The customer, signed in at their own utility."""

    is_assisted = False
    layout = ALONE

    def __init__(self, request: HttpRequest, application_id: UUID) -> None:
        self.request, self.application_id = request, application_id

    @property
    def subject(self) -> Subject | None:
        return person_of(self.request)

    @property
    def locale(self) -> str:
        return get_language() or "en"

    def journey(self) -> Application:
        return drafts.find(self.subject, self.application_id)

    def address(self, name: str, *args: Any) -> str:
        return in_the_portal(name, *args)

    def token(self, application: Application, now: datetime) -> str:
        return evidence.token(self.request, application, now)

    def own_token(self, application: Application, now: datetime) -> str:
        """What an agency has begun goes on without it by the customer's own sign-in: its mandate may be over.

        Where nothing can be shown of the sign-in the mandate is what is left, as long as it stands.
        """
        is_shown = bool(application.agency_id) and trust.may_see_sign_in(application.program.bpp)
        if not is_shown or not sessions.proven(self.request):
            return ""
        try:
            return self.token(application, now)
        except sessions.SignInNeeded:
            if _stands(application, now):
                return ""
            raise

    def known(self, application: Application, token: str) -> Mapping[str, Any]:
        return evidence.known_of(application.utility_id, token)

    def credentials(self, application: Application, token: str) -> Sequence[Mapping[str, Any]]:
        return evidence.for_application(application, token)


def _stands(application: Application, now: datetime) -> bool:
    """Whether the mandate that an agency began a journey with still counts."""
    found = mandates.prove(
        application.mandate_id,
        agency_id=application.agency_id,
        operator_id=application.operator_id,
        action="update",
        program_id=application.program.program_id,
        utility_ids=[application.utility_id],
        at=now,
    )
    return not isinstance(found, str)


class InHand(SelfService):
    """The customer with an agent's device in their hand: their own sign-in, and the pages of that moment only.

    `place` gives the address of a page, "" for those that this moment has none of.
    """

    def __init__(
        self,
        request: HttpRequest,
        case: AssistedCase,
        subject: Subject,
        place: Callable[..., str],
        layout: str = ALONE,
    ) -> None:
        assert case.application_id is not None
        super().__init__(request, case.application_id)
        self._subject, self._place, self.layout = subject, place, layout

    @property
    def subject(self) -> Subject | None:
        return people.living(self._subject)

    def address(self, name: str, *args: Any) -> str:
        return self._place(name, *args)


class Assisted:
    """An agent, in a case whose customer has agreed to it."""

    is_assisted = True
    layout = ASSISTED
    #: Pages that are about a case. A consent's is the room in which the agent waits for the customer's answer.
    OF_CASE: Mapping[str, str] = {
        "application": "agency-case",
        "consent": "agency-consents",
        "consent-no": "agency-consents",
        **{
            name: f"agency-{name}"
            for name in ("account", "meters", "equipment", "eligibility", "documents", "dates", "check", "waiting")
        },
        **{name: f"agency-{name}" for name in ("enrolled", "refused")},
        "drop": "agency-drop-case",
    }
    OTHERS: Mapping[str, str] = {"enrolments": "agency-desk", "programs": "agency-new"}

    def __init__(self, request: HttpRequest, member: Membership, case: AssistedCase) -> None:
        self.request, self.member, self.case = request, member, case

    @property
    def subject(self) -> Subject | None:
        return people.living(self.case.subject)

    @property
    def locale(self) -> str:
        return self.case.locale or "en"

    def journey(self) -> Application:
        """The case's own, as long as it is the proven customer's, this agency's and under this very mandate."""
        case = self.case
        if case.application_id is None or case.subject is None or case.mandate is None:
            raise drafts.NotTheirs
        found = drafts.find(self.subject, case.application_id)
        is_theirs = (found.agency_id, found.mandate_id) == (self.member.agency.agency_id, case.mandate.mandate_id)
        if not is_theirs or people.living(case.mandate.subject) != self.subject:
            raise drafts.NotTheirs
        return found

    def address(self, name: str, *args: Any) -> str:
        if name in self.OTHERS:
            return reverse(self.OTHERS[name])
        is_ours = bool(args) and str(args[0]) == str(self.case.application_id)
        return reverse(self.OF_CASE[name], args=[self.case.pk]) if name in self.OF_CASE and is_ours else ""

    def token(self, application: Application, now: datetime) -> str:
        return ""

    def own_token(self, application: Application, now: datetime) -> str:
        return ""

    def known(self, application: Application, token: str) -> Mapping[str, Any]:
        return {}

    def credentials(self, application: Application, token: str) -> Sequence[Mapping[str, Any]]:
        return []
