"""The HTTP adapter of a utility: one question, one typed answer, or UtilityUnavailable.

A page instead of JSON, 5xx, silence or a missing field all mean "the utility is unavailable", never "not found":
what cannot be read must not be held against the applicant.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode
from zoneinfo import ZoneInfo

import orjson

from audit import clock
from identity.codes import CodeRequest, CodeSession, CodeVerdict
from outbound import client
from utility_systems import answers
from utility_systems.circuit import Circuit
from utility_systems.ports import AccountFacts, DerFacts, MeterFacts, UtilityUnavailable

log = logging.getLogger(__name__)

IDS_PER_REQUEST = 100
CHARACTERS_PER_REQUEST = 6000  # with its path this keeps the address below what web servers take (8 KiB)
MAX_BYTES = 4 << 20
RETRY_AFTER_SECONDS = 60.0

T = TypeVar("T")


class RestAdapter:
    """One utility over HTTP. `url` without a final slash; timeouts in seconds; safe to share between threads."""

    def __init__(
        self,
        utility_id: str,
        time_zone: ZoneInfo,
        url: str,
        token: str,
        *,
        connect_timeout: float = 3.0,
        read_timeout: float = 5.0,
        circuit: Circuit | None = None,
    ) -> None:
        self.utility_id = utility_id
        self.time_zone = time_zone
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._connect_timeout, self._read_timeout = connect_timeout, read_timeout
        self._circuit = circuit or Circuit()

    def meters(self, umids: Sequence[str]) -> tuple[MeterFacts, ...]:
        """The meters the utility knows of those asked for; unknown ones are absent. Raises UtilityUnavailable."""
        found: list[MeterFacts] = []
        for some in _batches(umids):
            found += self._ask(
                "meters",
                partial(self._get, "/api/v1/meters", "umid", some),
                partial(answers.read_meters, utility_id=self.utility_id, asked=some, now=clock.now()),
            )
        return tuple(found)

    def ders(self, der_ids: Sequence[str]) -> tuple[DerFacts, ...]:
        """The DERs in the utility's register of those asked for. Raises UtilityUnavailable."""
        found: list[DerFacts] = []
        for some in _batches(der_ids):
            found += self._ask(
                "ders",
                partial(self._get, "/api/v1/ders", "derId", some),
                partial(answers.read_ders, asked=some, now=clock.now()),
            )
        return tuple(found)

    def account(self, utility_customer_id: str) -> AccountFacts | None:
        """The customer's account, None when the utility knows none. Raises UtilityUnavailable."""
        return self._ask(
            "accounts",
            lambda: self._post("/api/v1/consumer/validate", {"utilityCustomerId": utility_customer_id}),
            lambda answer: answers.read_account(answer, utility_customer_id),
        )

    def accounts_of(self, subject_did: str) -> tuple[str, ...]:
        """Ids of this person's accounts here. Raises UtilityUnavailable."""
        return self._ask(
            "accounts", partial(self._get, "/api/v1/accounts", "subject", [subject_did]), answers.read_accounts
        )

    def meters_of(self, utility_customer_id: str) -> tuple[MeterFacts, ...]:
        """The meters of an account. Raises UtilityUnavailable."""
        return self._ask(
            "meters",
            partial(self._get, "/api/v1/meters", "customer", [utility_customer_id]),
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
        }
        return self._ask("codes", lambda: self._post("/api/v1/otp/generate", question), answers.read_code_session)

    def verify_code(self, nguid: str, code: str) -> CodeVerdict:
        """Ask whether a code is right. Raises UtilityUnavailable; then it may have been counted all the same."""
        question = {"nguid": nguid, "otp": code}
        return self._ask("codes", lambda: self._post("/api/v1/otp/verify", question), answers.read_code_verdict)

    def notify(
        self, utility_customer_id: str, *, template: str, locale: str = "", parameters: Mapping[str, str] | None = None
    ) -> None:
        """Have the utility tell its customer. Raises UtilityUnavailable; then nothing may have been sent."""
        notice = {
            "utilityCustomerId": utility_customer_id,
            "template": template,
            "locale": locale,
            "parameters": dict(parameters or {}),
        }
        self._ask("notices", lambda: self._post("/api/v1/notices", notice), lambda _: None)

    def _get(self, path: str, name: str, values: Sequence[str]) -> client.Response:
        url = f"{self._url}{path}?{urlencode([(name, value) for value in values])}"
        return client.get(
            url,
            headers=self._headers,
            max_bytes=MAX_BYTES,
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
        )

    def _post(self, path: str, body: Mapping[str, Any]) -> client.Response:
        headers = {**self._headers, "Content-Type": "application/json"}
        return client.post(
            self._url + path,
            body=orjson.dumps(body),
            headers=headers,
            connect_timeout=self._connect_timeout,
            read_timeout=self._read_timeout,
        )

    def _ask(self, system: str, call: Callable[[], client.Response], read: Callable[[Any], T]) -> T:
        wait = self._circuit.seconds_to_wait()
        if wait > 0:
            raise self._unavailable(system, "not asked again so soon after repeated silence", max(wait, 1.0))
        try:
            result = read(_json(_once_more(call)))
        except client.OutboundError as error:
            self._circuit.failed()
            raise self._unavailable(system, error.reason) from error
        except answers.UnusableAnswer as error:
            # One record that cannot be read, or one question the utility refuses, is no silence: whoever names it
            # must not be able to take the utility away from everybody else.
            if isinstance(error, _NoAnswer):
                self._circuit.failed()
            else:
                self._circuit.succeeded()
            log.warning(
                "A utility's answer cannot be used: utility=%s system=%s field=%s problem=%s",
                self.utility_id,
                system,
                error.field,
                error.problem,
            )
            raise self._unavailable(system, f"unusable answer ({error.field})") from error
        self._circuit.succeeded()
        return result

    def _unavailable(self, system: str, reason: str, retry_after: float = RETRY_AFTER_SECONDS) -> UtilityUnavailable:
        return UtilityUnavailable(self.utility_id, system, retry_after, reason)


def _once_more(call: Callable[[], client.Response]) -> client.Response:
    """Call; and once again when not even a connection came about."""
    try:
        return call()
    except client.Unreachable as error:
        if error.connected:
            raise
    return call()


class _NoAnswer(answers.UnusableAnswer):
    """What came says nothing about the question: the utility is in trouble, or does not know us."""


def _json(response: client.Response) -> Any:
    if response.status != 200:
        is_about_us = response.status in (401, 403, 408, 429) or not 400 <= response.status < 500
        kind = _NoAnswer if is_about_us else answers.UnusableAnswer
        raise kind("status", f"is {response.status}")
    if "json" not in response.headers.get("content-type", ""):
        raise _NoAnswer("content-type", "is not JSON")
    try:
        return response.json()
    except ValueError:
        raise _NoAnswer("body", "is not JSON") from None


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
