"""The HTTP adapter of a utility: one question, one typed answer, or UtilityUnavailable.

Each question goes to the system that knows: CIS (accounts, standing, holders), MDM (meters), the DER register, codes,
notices. They may all be one address; each has its own access, patience and circuit (`utility_systems.transport`).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote_plus
from zoneinfo import ZoneInfo

from audit import clock
from identity.codes import CodeRequest, CodeSession, CodeVerdict
from utility_systems import answers
from utility_systems.mapping import BadCipher
from utility_systems.ports import AccountFacts, DerFacts, MeterFacts, UtilityUnavailable
from utility_systems.transport import Declined, System

log = logging.getLogger(__name__)

SYSTEMS = ("cis", "mdm", "der", "codes", "notices")
IDS_PER_REQUEST = 100
CHARACTERS_PER_REQUEST = 6000  # with its path this keeps the address below what web servers take (8 KiB)

T = TypeVar("T")


class RestAdapter:
    """One utility over HTTP; `systems` has one for each of `SYSTEMS`. Safe to share between threads."""

    def __init__(self, utility_id: str, time_zone: ZoneInfo, systems: Mapping[str, System]) -> None:
        self.utility_id = utility_id
        self.time_zone = time_zone
        self._systems = systems

    def meters(self, umids: Sequence[str]) -> tuple[MeterFacts, ...]:
        """The meters the utility knows of those asked for; unknown ones are absent. Raises UtilityUnavailable."""
        found: list[MeterFacts] = []
        for some in _batches(umids):
            found += self._ask(
                "mdm",
                partial(self._meters, [("umid", each) for each in some]),
                partial(answers.read_meters, utility_id=self.utility_id, asked=some, now=clock.now()),
            )
        return tuple(found)

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]:
        """The DERs in the utility's register of those asked for. Raises UtilityUnavailable."""
        found: list[DerFacts] = []
        for some in _batches(der_ids):
            query = [("derId", each) for each in some]
            found += self._ask(
                "der",
                partial(self._systems["der"].ask, "GET", "/api/v1/ders", query=query),
                partial(answers.read_ders, asked=some, now=clock.now()),
            )
        return tuple(found)

    def ders_at(self, umids: Sequence[str]) -> tuple[DerFacts, ...]:
        """The registered DERs behind these meters. Raises UtilityUnavailable."""
        found: list[DerFacts] = []
        for some in _batches(umids):
            query = [("meter", each) for each in some]
            found += self._ask(
                "der",
                partial(self._systems["der"].ask, "GET", "/api/v1/ders", query=query),
                partial(answers.read_ders, asked=None, at=some, now=clock.now()),
            )
        return tuple(found)

    def account(self, utility_customer_id: str) -> AccountFacts | None:
        """The customer's account, None when the utility knows none. Raises UtilityUnavailable."""
        question = {"utilityCustomerId": utility_customer_id}
        return self._ask(
            "cis",
            lambda: self._systems["cis"].ask("POST", "/api/v1/consumer/validate", body=question),
            lambda answer: answers.read_account(answer, utility_customer_id),
        )

    def accounts_of(self, subject_did: str) -> tuple[str, ...]:
        """Ids of this person's accounts here. Raises UtilityUnavailable."""
        query = [("subject", subject_did)]
        return self._ask(
            "cis", lambda: self._systems["cis"].ask("GET", "/api/v1/accounts", query=query), answers.read_accounts
        )

    def meters_of(self, utility_customer_id: str) -> tuple[MeterFacts, ...]:
        """The meters of an account. Raises UtilityUnavailable."""
        return self._ask(
            "mdm",
            partial(self._meters, [("customer", utility_customer_id)]),
            partial(answers.read_meters, utility_id=self.utility_id, asked=None, now=clock.now()),
        )

    def request_code(self, asked: CodeRequest) -> CodeSession:
        """Have a one-time code sent. Raises UtilityUnavailable; then none may have been sent."""
        question = {
            "mobile": asked.mobile,
            "utilityCustomerId": asked.utility_customer_id,
            "requestedBy": asked.requested_by,
            "program": asked.program,
            "meters": list(asked.meters),
            "locale": asked.locale,
            **({"meterNumber": asked.meter_number} if asked.meter_number else {}),
            **({"agency": asked.agency, "agent": asked.agent} if asked.agency else {}),
            **({"ending": asked.ending} if asked.ending else {}),
        }
        return self._ask("codes", partial(self._code, "generate", question), answers.read_code_session)

    def verify_code(self, nguid: str, code: str) -> CodeVerdict:
        """Ask whether a code is right. Raises UtilityUnavailable; then it may have been counted all the same."""
        question = {"nguid": nguid, "otp": code}
        return self._ask("codes", partial(self._code, "verify", question), answers.read_code_verdict)

    def notify(
        self,
        utility_customer_id: str,
        *,
        template: str,
        locale: str = "",
        parameters: Mapping[str, str] | None = None,
        subject: str = "",
        text: str = "",
    ) -> None:
        """Have the utility tell its customer. Raises UtilityUnavailable; then nothing may have been sent."""
        notice = {
            "utilityCustomerId": utility_customer_id,
            "template": template,
            "locale": locale,
            "parameters": dict(parameters or {}),
            **({"subject": subject, "text": text} if text else {}),
        }
        system = self._systems["notices"]
        self._ask("notices", lambda: system.ask("POST", "/api/v1/notices", body=notice), lambda _: None)

    def match_customer(self, *, account: str, mobile: str) -> str:
        """Whether there is such a customer. Raises UtilityUnavailable."""
        question = {"account": account, "mobile": mobile}
        return self._ask(
            "cis",
            lambda: self._systems["cis"].ask("POST", "/api/v1/customers/match", body=question),
            answers.read_match,
        )

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
        """Have the utility tell whoever has this account or meter, if anybody. Raises UtilityUnavailable."""
        notice = {
            "utilityCustomerId": utility_customer_id,
            "template": template,
            "locale": locale,
            "parameters": dict(parameters or {}),
            "subject": subject,
            "text": text,
            "noticeId": notice_id,
        }
        self._ask("notices", partial(self._told, notice), lambda _: None)

    def _told(self, notice: Mapping[str, Any]) -> Any:
        try:
            return self._systems["notices"].ask("POST", "/api/v1/notices", body=notice)
        except Declined as declined:
            if declined.status != 404:
                raise
            return None  # nobody has this number: whoever sent it does not learn that

    def contact_changed_at(self, utility_customer_id: str) -> datetime | None:
        """Raises UtilityUnavailable."""
        question = {"utilityCustomerId": utility_customer_id}
        return self._ask(
            "cis",
            lambda: self._systems["cis"].ask("POST", "/api/v1/consumer/validate", body=question),
            answers.read_contact_change,
        )

    def _code(self, act: str, question: Mapping[str, Any]) -> Any:
        return self._systems["codes"].ask("POST", f"/api/v1/otp/{act}", body=question)

    def _meters(self, query: Sequence[tuple[str, str]]) -> Any:
        """The MDM's records; who holds a meter is asked of the CIS where the MDM does not say."""
        answer = self._systems["mdm"].ask("GET", "/api/v1/meters", query=query)
        records = answer.get("meters") if isinstance(answer, dict) else None
        if not isinstance(records, list) or not all(isinstance(each, dict) for each in records):
            return answer
        bare = [str(each.get("umid")) for each in records if "holders" not in each]
        if not bare:
            return answer
        known = self._systems["cis"].ask("GET", "/api/v1/holders", query=[("umid", each) for each in bare])
        listed = known.get("meters") if isinstance(known, dict) else None
        if not isinstance(listed, list):
            raise answers.UnusableAnswer("meters", "is not a list")
        held = {each["umid"]: each for each in listed if isinstance(each, dict) and isinstance(each.get("umid"), str)}
        return {"meters": [{**held.get(str(each.get("umid")), {}), **each} for each in records]}

    def _ask(self, system: str, call: Callable[[], Any], read: Callable[[Any], T]) -> T:
        try:
            return read(call())
        except Declined as declined:
            raise self._unusable(system, "status", f"is {declined.status}") from declined
        except BadCipher as error:
            raise self._unusable(system, str(error), "cannot be decrypted") from error
        except answers.UnusableAnswer as error:
            raise self._unusable(system, error.field, error.problem) from error

    def _unusable(self, system: str, field: str, problem: str) -> UtilityUnavailable:
        log.warning(
            "A utility's answer cannot be used: utility=%s system=%s field=%s problem=%s",
            self.utility_id,
            system,
            field,
            problem,
        )
        return self._systems[system].unavailable(f"unusable answer ({field})")


def _batches(ids: Sequence[str]) -> Iterator[list[str]]:
    """Each id once, as many at a time as fit into an address: what a stranger calls a meter may be long."""
    some: list[str] = []
    characters = 0
    for each in dict.fromkeys(ids):
        length = len(quote_plus(each)) + len("&derId=")
        if some and (len(some) == IDS_PER_REQUEST or characters + length > CHARACTERS_PER_REQUEST):
            yield some
            some, characters = [], 0
        some.append(each)
        characters += length
    if some:
        yield some
