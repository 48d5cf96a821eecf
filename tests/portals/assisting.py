"""Two browsers in process: an agent's, and the customer's in it or beside it; and a utility that knows the customer."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpResponse
from django.test import Client, override_settings
from django.utils.module_loading import import_string

from audit import clock
from identity import contacts
from identity.codes import CodeRequest, CodeSession, CodeVerdict
from identity.encryption import blind_index
from identity.models import OidcSession, Subject, SubjectUtilityLink, User
from portals.models import AssistedCase
from tests.agencies import BACKEND

UTILITY = "utility-example-001"
ACCOUNT, MOBILE = "UTIL-CUST-1001", "+919876500001"
RIGHT = "123456"


@dataclass
class Meter:
    """A meter whose holder is an account's."""

    meter_number: str
    utility_customer_id: str

    def holders_at(self, instant: datetime) -> list[Meter]:
        return [self]


@dataclass
class Utility:
    """What the utility knows, and what it was asked: it may fall silent."""

    utility_id: str = UTILITY
    accounts: dict[str, str] = field(default_factory=dict)  # account: DID
    mobiles: dict[str, list[str]] = field(default_factory=dict)  # mobile: accounts
    sent: list[CodeRequest] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)
    looked_up: list[dict[str, str]] = field(default_factory=list)
    is_silent: bool = False

    def request_code(self, asked: CodeRequest) -> CodeSession:
        self._answer()
        self.sent.append(asked)
        number = len(self.sent)
        return CodeSession(f"session-{number}", clock.now() + timedelta(minutes=5), "+91XXXXXX0001", 3)

    def verify_code(self, nguid: str, code: str) -> CodeVerdict:
        self._answer()
        asked = self.sent[int(nguid.rpartition("-")[2]) - 1]
        account = asked.utility_customer_id or asked.meter_number.removeprefix("MTR-") or self.mobiles[asked.mobile][0]
        if code == RIGHT and account in self.accounts:
            return CodeVerdict(True, subject_did=self.accounts[account], utility_customer_id=account)
        return CodeVerdict(False, attempts_left=2)

    def match_customer(self, *, account: str, mobile: str) -> str:
        self._answer()
        self.looked_up.append({"account": account, "mobile": mobile})
        found = self.mobiles.get(mobile, []) if mobile else list(self.accounts)
        named = [each for each in found if not account or each == account]
        return contacts.NO_MATCH if not named else contacts.MATCH if len(named) == 1 else contacts.SEVERAL

    def write_to_customer(self, utility_customer_id: str, **said: Any) -> None:
        self._answer()
        self.written.append({"account": utility_customer_id, **said})

    def contact_changed_at(self, utility_customer_id: str) -> None:
        return None

    def meters_of(self, utility_customer_id: str) -> list[Meter]:
        self._answer()
        own = [each for each in self.accounts if each == utility_customer_id]
        return [Meter(f"MTR-{each}", each) for each in own]

    def accounts_of(self, subject_did: str) -> list[str]:
        return [account for account, did in self.accounts.items() if did == subject_did]

    def _answer(self) -> None:
        if self.is_silent:
            raise import_string(settings.CODE_SERVICE_DOWN)(self.utility_id, "customers")


_utility = Utility()


def service(utility_id: str) -> Utility:
    """As settings name it."""
    return _utility


@contextmanager
def a_utility(**known: Any) -> Iterator[Utility]:
    """A utility with one customer, unless told otherwise."""
    global _utility
    did = "did:example:asha"
    said: dict[str, Any] = {"accounts": {ACCOUNT: did}, "mobiles": {MOBILE: [ACCOUNT]}, **known}
    _utility = Utility(**said)
    here = f"{__name__}.service"
    with override_settings(CODE_SERVICE=here, CONTACT_SERVICE=here):
        yield _utility


def customer(did: str = "did:example:asha", account: str = ACCOUNT, name: str = "Asha Rao") -> User:
    """Somebody with a sign-in at the utility, who has an account there."""
    subject = Subject.objects.for_did(did)
    subject.remember_contact(name=name)
    index = blind_index(account, purpose="utility_customer_id")
    SubjectUtilityLink.objects.get_or_create(
        subject=subject,
        utility_id=UTILITY,
        customer_index=index,
        defaults={"utility_customer_id": account, "linked_at": clock.now()},
    )
    issuer = next(each.issuer for each in settings.OIDC_PROVIDERS if UTILITY in each.utilities)
    return User.objects.create(username=uuid4().hex, issuer=issuer, sub=uuid4().hex, subject=subject)


def sign_in_here(client: Client, user: User) -> None:
    """Do what a sign-in at the provider does to the browser that has it: a new session key, what was in it stays."""
    client.force_login(user, backend=BACKEND)
    now = clock.now()
    OidcSession.objects.create(
        user=user,
        session_key=str(client.session.session_key),
        issuer=user.issuer,
        sub=user.sub,
        acr="1",
        auth_time=now,
        began_at=now,
        claims={"sub": user.sub, "utility_id": UTILITY},
        tokens=None,
    )


def fields(response: Any) -> dict[str, str]:
    """The hidden values of a page's forms."""
    found = re.findall(r'<input type="hidden" name="([a-z_]+)" value="([^"]*)"', response.content.decode())
    return {name: html.unescape(value) for name, value in found}


def find(client: Client, offer: str, number: str = ACCOUNT) -> HttpResponse:
    """Look a customer up as the page's form does."""
    page = client.get("/agency/find", {"offer": offer})
    hidden = re.search(r'name="key" value="([^"]+)"', page.content.decode())
    assert hidden, page.content.decode()
    said = {"offer": offer, "key": hidden[1], "number": number, "reason": "AT_DESK"}
    return client.post("/agency/find", said)  # type: ignore[return-value]


def read_out(client: Client, case: AssistedCase) -> None:
    assert client.post(f"/agency/cases/{case.pk}/read", {"locale": "en"}).status_code == 303


def hand_over(client: Client, case: AssistedCase, asks: str = "MANDATE") -> str:
    """Hand the agent's browser over; return the handover's address."""
    answer = client.post(f"/agency/cases/{case.pk}/hand-over", {"asks": asks})
    assert answer.status_code == 303, answer.content
    row = case.handovers.latest("opened_at")
    return f"/hand-over/{row.pk}"
