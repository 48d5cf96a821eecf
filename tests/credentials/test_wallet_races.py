"""Many wallets at once, with real connections and real commits: one wins, and guesses are counted one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test import Client

from audit import clock
from credentials import bootstrap, services
from credentials.models import IssuedCredential, WalletAccess, WalletCopy, WalletNonce, WalletOffer
from credentials.wallets import handing_over, nonces, offers
from credentials.wallets.handing_over import NoAccess, Refused, Wanted
from tests.credentials.conftest import enrollment
from tests.credentials.test_races import at_once
from tests.credentials.wallet import Wallet

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 12
CONFIGURATION = "ProgramEnrollmentCredential_dc_sd_jwt"


@pytest.fixture
def row() -> Iterator[IssuedCredential]:
    now = clock.now()
    bootstrap.ensure(now)
    new = enrollment(valid_from=now - timedelta(days=1), valid_until=now + timedelta(days=9), wire_valid_until=None)
    (issued,) = services.issue([new], now=now)
    yield IssuedCredential.objects.select_related("status_list").get(pk=issued.id)
    connections.close_all()


def made(row: IssuedCredential) -> tuple[str, str]:
    """The code of a new offer, and its transaction code."""
    told = offers.make(row, now=clock.now(), actor=services.log.SYSTEM)
    return WalletOffer.objects.get(consumed_at=None).code, told.transaction_code


def test_one_of_many_gets_the_token(row: IssuedCredential) -> None:
    code, transaction_code = made(row)
    given = at_once(MANY, lambda _: offers.redeem(code, transaction_code, now=clock.now()))
    assert Counter(type(each).__name__ for each in given) == {"Access": 1, "NotGiven": MANY - 1}
    assert WalletAccess.objects.count() == 1


def test_guesses_at_the_same_moment_are_counted_one_by_one(row: IssuedCredential) -> None:
    code, right = made(row)
    wrong = [f"{(int(right) + step) % 10**6:06d}" for step in range(1, MANY + 1)]
    given = at_once(MANY, lambda position: offers.redeem(code, wrong[position], now=clock.now()))
    assert {each.code for each in given} == {"invalid_grant"}
    assert sum("unknown, used or expired" in each.description for each in given) == MANY - offers.WRONG_CODES
    assert WalletOffer.objects.get().wrong_codes == offers.WRONG_CODES
    assert isinstance(offers.redeem(code, right, now=clock.now()), offers.NotGiven)


def asking(access: str, wallet: Wallet, nonce: str) -> Any:
    try:
        return handing_over.hand_over(access, Wanted(CONFIGURATION, wallet.proof(nonce)), now=clock.now())
    except (NoAccess, Refused) as error:
        return error


def test_one_of_many_gets_the_credential(row: IssuedCredential) -> None:
    access = offers.redeem(*made(row), now=clock.now())
    assert isinstance(access, offers.Access)
    wallet = Wallet(Client())
    given = at_once(MANY, lambda _: asking(access.token, wallet, nonces.new(clock.now())))
    assert Counter(type(each).__name__ for each in given) == {"str": 1, "NoAccess": MANY - 1}
    assert WalletCopy.objects.count() == 1 and WalletNonce.objects.count() == 1


def test_one_nonce_proves_one_of_many_credentials(row: IssuedCredential) -> None:
    tokens = [offers.redeem(*made(row), now=clock.now()) for _ in range(MANY)]
    assert all(isinstance(each, offers.Access) for each in tokens)
    nonce, wallet = nonces.new(clock.now()), Wallet(Client())
    given = at_once(MANY, lambda position: asking(tokens[position].token, wallet, nonce))
    assert Counter(getattr(each, "code", "given") for each in given) == {"given": 1, "invalid_nonce": MANY - 1}
    assert WalletCopy.objects.count() == 1


def test_an_offer_that_is_taken_while_a_new_one_is_made_stays_taken(row: IssuedCredential) -> None:
    for _ in range(5):
        code, transaction_code = made(row)

        def work(position: int, code: str = code, transaction_code: str = transaction_code) -> Any:
            if position % 2:
                return offers.make(row, now=clock.now(), actor=services.log.SYSTEM)
            return offers.redeem(code, transaction_code, now=clock.now())

        given = at_once(4, work)
        taken = [each for each in given if isinstance(each, offers.Access)]
        assert len(taken) <= 1
        assert WalletAccess.objects.filter(used_at=None).count() == len(taken)
        WalletAccess.objects.all().delete()
        WalletOffer.objects.all().delete()
