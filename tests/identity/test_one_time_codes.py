"""One-time codes: asked about once, bound, counted, limited; whatever breaks off in between (decision 28, point 9)."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection

from identity import one_time_codes
from identity.codes import CodeRequest, CodeSession, CodeVerdict
from identity.models import OneTimeCode
from identity.one_time_codes import OTP_EXPIRED, OTP_INVALID, TOO_MANY, Proven, Sent, Unproven
from tests.factories import NOON, UTILITY_A

pytestmark = pytest.mark.django_db

MOBILE = "+919876500001"
RIGHT, WRONG = "123456", "654321"
OURS: dict[str, Any] = {"participant_id": "app.example", "order_id": "order-1", "now": NOON}


class Silence(Exception):
    """The utility does not answer."""


@dataclass
class Service:
    """A utility that sends codes: it remembers what it was asked, and may fall silent."""

    utility_id: str = UTILITY_A
    sent: list[CodeRequest] = field(default_factory=list)
    lock: Any = field(default_factory=threading.Lock)
    asked: list[str] = field(default_factory=list)
    is_silent: bool = False
    left: int = 5

    def request_code(self, asked: CodeRequest) -> CodeSession:
        self._answer()
        with self.lock:
            self.sent.append(asked)
            number = len(self.sent)
        return CodeSession(f"session-{number}", NOON + timedelta(minutes=5), "+91XXXXXX0001", 5)

    def verify_code(self, nguid: str, code: str) -> CodeVerdict:
        self.asked.append(code)
        self._answer()
        if code == RIGHT:
            return CodeVerdict(True, subject_did="did:example:1", utility_customer_id="CUST-1")
        self.left -= 1
        return CodeVerdict(False, attempts_left=self.left, is_locked=self.left == 0)

    def _answer(self) -> None:
        if self.is_silent:
            raise Silence


@pytest.fixture
def service() -> Service:
    return Service()


def send(service: Service, message_id: str = "m-1", **changes: Any) -> Sent | Unproven:
    asked = CodeRequest(changes.pop("mobile", MOBILE), changes.pop("account", ""))
    values = {**OURS, "message_id": message_id, **changes}
    return one_time_codes.send(service, asked, **values)


def prove(service: Service, code: str = RIGHT, **changes: Any) -> Proven | Unproven:
    values: dict[str, Any] = {
        "nguid": "session-1",
        "code": code,
        "mobile": MOBILE,
        **OURS,
        **changes,
    }
    return one_time_codes.prove(lambda _: service, **values)


def why(answer: Proven | Sent | Unproven) -> tuple[str, int | None]:
    assert isinstance(answer, Unproven), answer
    return answer.code, answer.attempts_left


def test_a_message_that_comes_again_has_no_second_code_sent(service: Service) -> None:
    first = send(service)
    assert send(service) == first
    assert len(service.sent) == 1


def test_a_right_code_proves_and_a_retry_of_its_message_asks_nobody(service: Service) -> None:
    send(service)
    first = prove(service)
    assert isinstance(first, Proven)
    assert (first.subject_did, first.utility_id, first.utility_customer_id) == ("did:example:1", UTILITY_A, "CUST-1")
    service.is_silent = True
    assert prove(service, now=NOON + timedelta(minutes=20)) == first
    assert service.asked == [RIGHT]
    assert why(prove(service, WRONG)) == (OTP_INVALID, 0)
    assert why(prove(service, now=NOON + timedelta(hours=1))) == (OTP_EXPIRED, None)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_id": "order-2"}, OTP_EXPIRED),
        ({"participant_id": "other.example"}, OTP_EXPIRED),
        ({"nguid": "session-9"}, OTP_EXPIRED),
        ({"mobile": "+919876500002"}, OTP_INVALID),
        ({"now": NOON + timedelta(minutes=5)}, OTP_EXPIRED),
    ],
)
def test_a_code_counts_for_what_it_was_sent_for_and_nobody_is_asked_about_another(
    service: Service, changes: dict[str, Any], code: str
) -> None:
    send(service)
    assert why(prove(service, **changes))[0] == code
    assert service.asked == []


def test_wrong_codes_are_counted_and_lock_the_session_alone(service: Service) -> None:
    send(service)
    assert [why(prove(service, WRONG))[1] for _ in range(5)] == [4, 3, 2, 1, 0]
    assert why(prove(service)) == (OTP_INVALID, 0)
    assert len(service.asked) == 5  # a locked one is not asked about
    service.left = 5
    assert isinstance(send(service, "m-2"), Sent)
    assert isinstance(prove(service, nguid="session-2"), Proven)


def test_a_crash_between_asking_and_hearing_costs_a_new_code_and_no_attempt(service: Service) -> None:
    send(service)
    digest = one_time_codes.blind_index(f"session-1 {RIGHT}", purpose="one-time-code")
    OneTimeCode.objects.update(checking=digest)  # as a process left it that died while the utility was asked
    assert why(prove(service)) == (OTP_EXPIRED, None)
    assert service.asked == []
    send(service, "m-2")
    assert isinstance(prove(service, nguid="session-2"), Proven)


def test_a_utility_that_does_not_answer_loses_nothing(service: Service) -> None:
    service.is_silent = True
    with pytest.raises(Silence):
        send(service)
    service.is_silent = False
    assert isinstance(send(service), Sent)
    service.is_silent = True
    with pytest.raises(Silence):
        prove(service)
    service.is_silent = False
    assert isinstance(prove(service), Proven)


def test_sends_are_limited_by_number_through_one_participant_by_number_by_account_and_by_participant(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        assert isinstance(send(service, f"m-{number}"), Sent)
    assert why(send(service, "m-5"))[0] == TOO_MANY
    # Nobody locks out a stranger: through another participant the number still gets its code, an hour later here too.
    assert isinstance(send(service, "m-6", participant_id="other.example"), Sent)
    assert isinstance(send(service, "m-7", now=NOON + timedelta(hours=1)), Sent)

    monkeypatch.setattr(one_time_codes, "PER_NUMBER", (7, timedelta(days=1)))
    assert why(send(service, "m-8", participant_id="third.example"))[0] == TOO_MANY
    assert isinstance(send(service, "m-9", mobile="+919876500009", account="CUST-9"), Sent)
    monkeypatch.setattr(one_time_codes, "PER_ACCOUNT", (1, timedelta(days=1)))
    assert why(send(service, "m-10", mobile="+919876500010", account="CUST-9"))[0] == TOO_MANY
    monkeypatch.setattr(one_time_codes, "PER_PARTICIPANT", (7, timedelta(days=1)))
    assert why(send(service, "m-11", mobile="+919876500011"))[0] == TOO_MANY


def test_codes_are_forgotten_after_two_days(service: Service) -> None:
    send(service)
    assert one_time_codes.purge(NOON + timedelta(days=1)) == 0
    assert one_time_codes.purge(NOON + timedelta(days=3)) == 1


def test_a_slower_answer_about_a_wrong_code_does_not_undo_the_right_one(service: Service) -> None:
    send(service)
    proven: list[Proven | Unproven] = []

    class Slow(Service):
        """While it thinks about the wrong code, the right one is asked about and answered."""

        def verify_code(self, nguid: str, code: str) -> CodeVerdict:
            proven.append(prove(service))
            return CodeVerdict(False, is_over=True)

    assert why(one_time_codes.prove(lambda _: Slow(), nguid="session-1", code=WRONG, mobile=MOBILE, **OURS))
    assert isinstance(proven[0], Proven)
    assert prove(service) == proven[0]


def test_where_a_code_went_is_told_in_the_senders_words_and_never_in_the_utilitys(service: Service) -> None:
    by_number, by_account = send(service), send(service, "m-2", mobile="", account="CUST-1")
    assert isinstance(by_number, Sent) and by_number.masked_to == "+91XXXXXX0001"
    assert isinstance(by_account, Sent) and by_account.masked_to == ""  # the utility named a contact to this one, too


def test_another_spelling_of_an_account_is_no_other_account(service: Service) -> None:
    spelt = ["CUST-1", "cust-1", " CUST-1", "Cust-1", "CUST-1 "]
    for number, account in enumerate(spelt):
        assert isinstance(send(service, f"m-{number}", mobile="", account=account), Sent)
    assert why(send(service, "m-9", mobile="", account="cUST-1")) == (TOO_MANY, None)


@pytest.mark.django_db(transaction=True)
def test_of_twelve_sends_at_once_to_one_number_five_go_out(service: Service) -> None:
    barrier, answers = threading.Barrier(12), []

    def ask(place: int) -> None:
        barrier.wait()
        answers.append(send(service, f"m-{place}"))
        connection.close()

    threads = [threading.Thread(target=ask, args=[place]) for place in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(service.sent), sum(isinstance(each, Sent) for each in answers)) == (5, 5)
