"""Get help with this: a code for fifteen minutes, good once, which the customer can take back."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from identity.models import User
from portals import help_codes
from portals.models import HelpCode
from tests.portals.consent_journeys import NOON, journey

pytestmark = pytest.mark.django_db


def helper() -> User:
    return User.objects.create(username=uuid4().hex, sub=uuid4().hex)


def test_whoever_is_told_the_code_may_help_until_the_customer_ends_it() -> None:
    row, agent = journey(), helper()
    _, code = help_codes.make(row, user=row.started_by, now=NOON)
    taken = help_codes.take(f" {code.lower()} ", user=agent, now=NOON + timedelta(minutes=14))
    assert taken.application == row and help_codes.is_helped_by(row, agent)
    assert help_codes.end(row, user=row.started_by, now=NOON + timedelta(minutes=20))
    assert not help_codes.is_helped_by(row, agent)


def test_a_code_is_good_once_for_fifteen_minutes_and_not_for_oneself() -> None:
    row = journey()
    _, code = help_codes.make(row, user=row.started_by, now=NOON)
    with pytest.raises(help_codes.NoSuchCode):
        help_codes.take(code, user=row.started_by, now=NOON)
    with pytest.raises(help_codes.NoSuchCode):
        help_codes.take(code, user=helper(), now=NOON + timedelta(minutes=15))
    help_codes.take(code, user=helper(), now=NOON)
    with pytest.raises(help_codes.NoSuchCode):
        help_codes.take(code, user=helper(), now=NOON)


def test_a_new_code_ends_the_one_before_and_only_its_digest_is_kept() -> None:
    row = journey()
    _, first = help_codes.make(row, user=row.started_by, now=NOON)
    _, second = help_codes.make(row, user=row.started_by, now=NOON)
    with pytest.raises(help_codes.NoSuchCode):
        help_codes.take(first, user=helper(), now=NOON)
    kept = " ".join(HelpCode.objects.values_list("code_digest", flat=True))
    assert second.replace(" ", "").lower() not in kept.lower()
    assert help_codes.take(second, user=helper(), now=NOON)


def test_there_is_no_help_with_what_is_over() -> None:
    row = journey(state="DROPPED", finished_at=NOON)
    with pytest.raises(help_codes.NotADraft):
        help_codes.make(row, user=row.started_by, now=NOON)
    assert help_codes.current(row, NOON) is None


def test_a_code_that_nobody_used_is_gone_after_its_time() -> None:
    row = journey()
    help_codes.make(row, user=row.started_by, now=NOON)
    assert help_codes.current(row, NOON + timedelta(minutes=14)) is not None
    assert help_codes.current(row, NOON + timedelta(minutes=15)) is None
