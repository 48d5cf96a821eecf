"""Who carries a notice to a customer: their utility, e-mail, or a class of the deployment (setting NOTICE_GATEWAY).

`utility` has the utility tell its customer, at the contact it has registered (decision 57); the account is asked for
at that moment, because we keep no account numbers. `email` writes to the address that came with the application: not
registered by anybody, so such a notice carries no address to stop things with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from enrollment import known
from enrollment.change_rules import Known
from utility_systems import registry
from utility_systems.ports import UtilityUnavailable


@dataclass(frozen=True)
class Message:
    """One notice on its way. `contact_email` and `contact_phone` came with the application; "" is none.

    `parameters` are ids, codes and instants, for a utility that writes in words of its own; `not_me_url` is a secret.
    """

    notice_id: str
    template: str
    locale: str
    subject: str
    text: str = field(repr=False)
    parameters: Mapping[str, str] = field(default_factory=dict)
    not_me_url: str = field(default="", repr=False)
    utility_id: str = ""
    meters: tuple[str, ...] = ()
    contact_email: str = field(default="", repr=False)
    contact_phone: str = field(default="", repr=False)


class NotSent(Exception):
    """The notice could not be given to anybody now; it is tried again."""


class Gateway(Protocol):
    """`reaches_registered_contact`: only such a notice carries the address that stops things (decision 57)."""

    reaches_registered_contact: bool

    def send(self, message: Message, person: Known) -> bool:
        """Send it; False where nobody is there to be told. Raises NotSent."""


class UtilityGateway:
    reaches_registered_contact = True

    def send(self, message: Message, person: Known) -> bool:
        if not message.utility_id:
            return False
        try:
            adapter = registry.adapter_for(message.utility_id)
            accounts = [known.account_at(meter, person) for meter in adapter.meters(message.meters)]
            account = next(filter(None, accounts), "")
            if account:
                adapter.notify(
                    account,
                    template=message.template,
                    locale=message.locale,
                    parameters=_for_the_utility(message),
                    subject=message.subject,
                    text=message.text,
                )
        except registry.UnknownUtility as gone:
            raise NotSent("the utility is not configured any more") from gone
        except UtilityUnavailable as outage:
            raise NotSent(f"{outage.system}: {outage.reason}") from outage
        return bool(account)


def _for_the_utility(message: Message) -> Mapping[str, str]:
    return {**message.parameters, **({"notMeUrl": message.not_me_url} if message.not_me_url else {})}


class EmailGateway:
    reaches_registered_contact = False

    def send(self, message: Message, person: Known) -> bool:
        if not message.contact_email:
            return False
        headers = {"Content-Language": message.locale, "Auto-Submitted": "auto-generated"}
        mail = EmailMessage(message.subject, message.text, to=[message.contact_email], headers=headers)
        try:
            mail.send()
        except OSError as problem:  # smtplib's errors are among them
            raise NotSent(f"mail: {type(problem).__name__}") from problem
        return True


_OURS: Mapping[str, type[Gateway]] = {"utility": UtilityGateway, "email": EmailGateway}


def gateway() -> Gateway:
    """The deployment's gateway. Raises ImportError for a class that is not there."""
    name = settings.NOTICE_GATEWAY
    made: Gateway = (_OURS.get(name) or import_string(name))()
    return made
