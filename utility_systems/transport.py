"""One system of a utility over HTTP: a question, its JSON, or UtilityUnavailable.

A page instead of JSON, 5xx, silence or a refused token all mean "the system is unavailable", never "not found": what
cannot be read must not be held against the applicant. A 4xx about the question itself is `Declined`.
"""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import orjson

from outbound import client
from utility_systems.access import Access, NoAccess
from utility_systems.circuit import Circuit
from utility_systems.mapping import Mapped
from utility_systems.ports import UtilityUnavailable

MAX_BYTES = 4 << 20
RETRY_AFTER_SECONDS = 60.0
FIRST_WAIT_SECONDS = 0.1  # before a second try, doubling; half of it less or more, so that callers do not march in step
_AGAIN = (502, 503, 504)

Pairs = Sequence[tuple[str, str]]


class Declined(Exception):
    """The system understood us and does not answer this question: 4xx. `status` is its number."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


class NoAnswer(Exception):
    """What came says nothing about the question: the system is in trouble, or does not know us."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field, self.problem = field, problem


@dataclass(frozen=True)
class Patience:
    """Seconds to connect and to wait for the whole answer, and how often a question is asked again."""

    connect: float = 3.0
    read: float = 5.0
    retries: int = 1


class System:
    """`name` is what we call the system ("mdm"); `url` may end with a slash or not. Safe to share between threads.

    `count` is told the outcome of each question (ANSWERED, DECLINED, FAILED, NOT_ASKED) and the seconds it took.
    """

    def __init__(
        self,
        utility_id: str,
        name: str,
        url: str,
        access: Access,
        *,
        patience: Patience | None = None,
        circuit: Circuit | None = None,
        tls: client.TlsIdentity | None = None,
        mapped: Mapped | None = None,
        count: Callable[[str, float], None] = lambda outcome, seconds: None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.utility_id, self.name, self.url = utility_id, name, url.rstrip("/")
        self.circuit = circuit or Circuit()
        self._access, self._patience, self._tls = access, patience or Patience(), tls
        self._mapped, self._count, self._sleep = mapped or Mapped(), count, sleep

    def ask(self, method: str, path: str, *, query: Pairs = (), body: Mapping[str, Any] | None = None) -> Any:
        """The JSON of the answer, in our names. Raises UtilityUnavailable; Declined for a refusal of the question."""
        wait = self.circuit.seconds_to_wait()
        if wait > 0:
            self._count("NOT_ASKED", 0.0)
            raise self.unavailable("not asked again so soon after repeated silence", max(wait, 1.0))
        begun, outcome = time.monotonic(), "FAILED"
        try:
            answer = self._json(self._insisting(method, path, query, body))
            outcome = "ANSWERED"
        except Declined:
            outcome = "DECLINED"
            # A question it refuses is no silence: whoever asks it must not take the system away from everybody else.
            self.circuit.succeeded()
            raise
        except client.OutboundError as problem:
            self.circuit.failed()
            raise self.unavailable(problem.reason) from problem
        except (NoAnswer, NoAccess) as problem:
            self.circuit.failed()
            raise self.unavailable(f"unusable answer ({problem})") from problem
        finally:
            self._count(outcome, time.monotonic() - begun)
        self.circuit.succeeded()
        return self._mapped.ours(path, answer)

    def unavailable(self, reason: str, retry_after: float = RETRY_AFTER_SECONDS) -> UtilityUnavailable:
        return UtilityUnavailable(self.utility_id, self.name, retry_after, reason)

    def _insisting(self, method: str, path: str, query: Pairs, body: Mapping[str, Any] | None) -> client.Response:
        """Ask; once more with another token where ours was refused, and a few times where nobody could answer."""
        is_renewed = False
        for attempt in range(self._patience.retries + 2):
            is_last = attempt >= self._patience.retries
            try:
                response = self._once(method, path, query, body)
            except client.Unreachable as problem:
                if problem.connected or is_last:
                    raise
                self._wait(attempt)
                continue
            if response.status == 401 and not is_renewed:
                is_renewed = True
                self._access.forget()
                continue
            if method == "GET" and response.status in _AGAIN and not is_last:
                self._wait(attempt)
                continue
            return response
        return response

    def _once(self, method: str, path: str, query: Pairs, body: Mapping[str, Any] | None) -> client.Response:
        headers = {**self._access.headers(), "Accept": "application/json"}
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = orjson.dumps(self._mapped.theirs(path, body))
        return client.send(
            method,
            f"{self.url}{path}" + (f"?{urlencode(query)}" if query else ""),
            body=content,
            headers=headers,
            max_bytes=MAX_BYTES,
            connect_timeout=self._patience.connect,
            read_timeout=self._patience.read,
            identity=self._tls,
        )

    def _wait(self, attempt: int) -> None:
        self._sleep(FIRST_WAIT_SECONDS * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - no secret

    @staticmethod
    def _json(response: client.Response) -> Any:
        if response.status not in (200, 201):
            is_about_us = response.status in (401, 403, 408, 429) or not 400 <= response.status < 500
            if is_about_us:
                raise NoAnswer("status", f"is {response.status}")
            raise Declined(response.status)
        if "json" not in response.headers.get("content-type", ""):
            raise NoAnswer("content-type", "is not JSON")
        try:
            return response.json()
        except ValueError:
            raise NoAnswer("body", "is not JSON") from None
