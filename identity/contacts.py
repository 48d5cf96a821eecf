"""What a utility tells and does about its own customers' contacts, without telling who they are.

A platform that helps somebody enrol writes only to the contact that the utility has registered (issue 6 points 5 and
7), and may learn before any proof whether a customer is there, and nothing more (A3). `utility_systems` implements
it; settings.CONTACT_SERVICE says where.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from identity.models import Subject, SubjectUtilityLink
from identity.people import living

log = logging.getLogger(__name__)

MATCH, NO_MATCH, SEVERAL = "MATCH", "NO_MATCH", "SEVERAL"


class Unavailable(Exception):
    """The utility does not answer; nothing may be concluded from it."""


class ContactService(Protocol):
    """One utility's contacts. Each may raise the utility's own exception of not answering."""

    @property
    def utility_id(self) -> str: ...

    def match_customer(self, *, account: str, mobile: str) -> str:
        """MATCH, NO_MATCH or SEVERAL, for an account's or a meter's number, a registered mobile number, or both."""

    def write_to_customer(
        self,
        utility_customer_id: str,
        *,
        template: str,
        locale: str = "",
        parameters: Mapping[str, str] | None = None,
        subject: str = "",
        text: str = "",
        notice_id: str = "",
    ) -> None:
        """Write to the registered contact; the same for an account that nobody has. The same notice goes out once."""

    def contact_changed_at(self, utility_customer_id: str) -> datetime | None:
        """When the registered contact last changed, where the utility tells it."""

    def accounts_of(self, subject_did: str) -> Sequence[str]: ...

    def meters_of(self, utility_customer_id: str) -> Sequence["_Held"]: ...


class _Held(Protocol):
    """A meter, as far as it says who holds it."""

    @property
    def meter_number(self) -> str: ...

    def holders_at(self, instant: datetime) -> Sequence[Any]: ...


@dataclass(frozen=True)
class Holder:
    """Whose account it is, by the utility's own record: what the network calls them, and the account's number."""

    did: str
    account: str


def match(utility_id: str, *, account: str = "", mobile: str = "") -> str:
    """Whether the utility knows such a customer: MATCH, NO_MATCH or SEVERAL. Raises Unavailable."""
    try:
        return _service(utility_id).match_customer(account=account.strip(), mobile=mobile.strip())
    except _down() as problem:
        raise Unavailable(utility_id) from problem


def write(
    utility_id: str,
    *,
    account: str = "",
    subject: Subject | None = None,
    template: str,
    locale: str,
    parameters: Mapping[str, str],
    title: str,
    text: str,
    notice_id: str,
) -> bool:
    """Have the utility write to its customer, named by account or meter number, or by who proved to be it.

    False: the utility does not answer, try again with the same `notice_id`. True tells nothing of whether there is
    such a customer.
    """
    try:
        service = _service(utility_id)
        for each in _accounts(service, account, subject)[:1]:
            service.write_to_customer(
                each,
                template=template,
                locale=locale,
                parameters=parameters,
                subject=title,
                text=text,
                notice_id=notice_id,
            )
    except _down() as problem:
        log.warning("A utility writes to nobody now: utility=%s problem=%s", utility_id, type(problem).__name__)
        return False
    return True


def holder(utility_id: str, *, account: str, now: datetime) -> Holder | None:
    """Whose account this is today; None where the utility's record names nobody, or several people.

    For a mandate on paper: who has signed is not believed, only whom the utility names. Raises Unavailable.
    """
    wanted = account.strip()
    try:
        meters = _service(utility_id).meters_of(wanted) if wanted else ()
    except _down() as problem:
        raise Unavailable(utility_id) from problem
    held = [each for meter in meters for each in meter.holders_at(now)]
    named = {
        (each.subject_did or f"{utility_id}#{each.utility_customer_id}", each.utility_customer_id)
        for each in held
        if each.utility_customer_id.casefold() == wanted.casefold()
    }
    return Holder(*named.pop()) if len(named) == 1 else None


def is_account(utility_id: str, number: str) -> bool:
    """Whether a number that was matched is an account's, and not a meter's. Raises Unavailable."""
    try:
        return bool(_service(utility_id).meters_of(number.strip()))
    except _down() as problem:
        raise Unavailable(utility_id) from problem


def has_meter(utility_id: str, subject: Subject, number: str, *, now: datetime) -> bool:
    """Whether this person holds the meter with this number today, by the utility's record. Raises Unavailable."""
    known, wanted = accounts(utility_id, subject), number.strip().casefold()
    try:
        found = [meter for each in known for meter in _service(utility_id).meters_of(each)]
    except _down() as problem:
        raise Unavailable(utility_id) from problem
    return any(
        meter.meter_number.casefold() == wanted
        and any(holder.utility_customer_id in known for holder in meter.holders_at(now))
        for meter in found
    )


def contact_changed_at(utility_id: str, subject: Subject) -> datetime | None:
    """When the customer's registered contact last changed; None where the utility does not tell, or not answer."""
    try:
        service = _service(utility_id)
        told = [service.contact_changed_at(each) for each in _accounts(service, "", subject)]
    except _down() as problem:
        log.warning("A utility tells nothing now: utility=%s problem=%s", utility_id, type(problem).__name__)
        return None
    return max((each for each in told if each is not None), default=None)


def accounts(utility_id: str, subject: Subject) -> tuple[str, ...]:
    """The account numbers by which this utility knows the subject, as far as proofs have told them."""
    links = SubjectUtilityLink.objects.filter(
        subject=living(subject), utility_id=utility_id, status="ACTIVE", customer_index__isnull=False
    )
    return tuple(dict.fromkeys(link.utility_customer_id for link in links.order_by("pk")))


def _accounts(service: ContactService, account: str, subject: Subject | None) -> Sequence[str]:
    if account or subject is None:
        return [account.strip()] if account else []
    person = living(subject)
    known = accounts(service.utility_id, subject)
    if known or person is None or not person.did:
        return known
    return tuple(service.accounts_of(person.did))


def _service(utility_id: str) -> ContactService:
    found: ContactService = import_string(settings.CONTACT_SERVICE)(utility_id)
    return found


def _down() -> type[Exception]:
    found: type[Exception] = import_string(settings.CODE_SERVICE_DOWN)
    return found
