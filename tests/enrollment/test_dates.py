"""From when until when: decisions 1, 43 and 49. Pure."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrollment.codes import Code, Refusal
from enrollment.dates import Period, agree, half_open
from tests.factories import NOON

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
A_YEAR_LATER = datetime(2027, 11, 1, tzinfo=UTC)


def asked(start: datetime | None = None, end: datetime | None = None, as_given: str = "", **program: Any) -> object:
    values: dict[str, Any] = {"default_term_days": 365, "max_term_days": None, "closes_at": None, "now": NOON}
    return agree(start, end, as_given, **{**values, **program})


def problem(answer: object) -> str:
    assert isinstance(answer, Refusal) and answer.code is Code.DATES_INVALID and answer.field == "dates"
    assert answer.details["earliest"] == NOON
    return answer.sentence


def test_the_last_second_of_a_day_means_the_next_day_s_first_instant_and_keeps_its_spelling() -> None:
    given_end = datetime(2027, 10, 31, 23, 59, 59, tzinfo=UTC)

    period = asked(NOVEMBER, given_end, "2027-10-31T23:59:59Z")

    assert period == Period(NOVEMBER, A_YEAR_LATER, "2027-10-31T23:59:59Z")


def test_the_last_second_of_a_day_in_the_utility_s_zone_counts_the_same() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    end = datetime(2027, 10, 31, 23, 59, 59, tzinfo=kolkata)

    assert half_open(end, "as it came")[0] == datetime(2027, 11, 1, tzinfo=kolkata)


def test_fractions_of_the_last_second_mean_the_same_instant() -> None:
    end = datetime(2027, 10, 31, 23, 59, 59, 999_999, tzinfo=UTC)

    assert half_open(end, "x") == (A_YEAR_LATER, "x")


def test_an_exclusive_end_stays_as_it_is_and_is_written_from_the_instant() -> None:
    assert half_open(A_YEAR_LATER, "2027-11-01T00:00:00Z") == (A_YEAR_LATER, "")
    assert half_open(None, "") == (None, "")


@given(st.datetimes(timezones=st.just(UTC), max_value=datetime(9000, 1, 1)))
def test_reading_an_end_moves_it_by_at_most_a_second_and_never_back(end: datetime) -> None:
    exclusive, spelling = half_open(end, "as given")

    assert exclusive is not None and timedelta() <= exclusive - end <= timedelta(seconds=1)
    assert (spelling == "as given") is (exclusive != end)
    assert exclusive.second != 59 and half_open(exclusive, "")[0] == exclusive


def test_without_dates_the_program_s_term_runs_from_now() -> None:
    assert asked() == Period(NOON, NOON + timedelta(days=365))


def test_without_an_end_the_term_runs_from_the_start() -> None:
    assert asked(NOVEMBER) == Period(NOVEMBER, A_YEAR_LATER)


def test_a_program_without_a_term_is_open_ended() -> None:
    assert asked(NOVEMBER, default_term_days=0) == Period(NOVEMBER, None)


def test_a_start_up_to_a_day_ago_is_taken_as_written() -> None:
    yesterday = NOON - timedelta(hours=24)

    period = asked(yesterday)

    assert isinstance(period, Period) and period.starts_at == yesterday


def test_a_start_more_than_a_day_ago_is_refused() -> None:
    assert problem(asked(NOON - timedelta(hours=24, seconds=1))) == "The start lies in the past."


def test_an_end_before_its_start_is_refused() -> None:
    assert problem(asked(A_YEAR_LATER, NOVEMBER)) == "The end must lie after the start."


def test_an_end_at_its_start_is_refused() -> None:
    assert problem(asked(NOVEMBER, NOVEMBER)) == "The end must lie after the start."


def test_a_day_that_ends_in_its_last_second_is_a_whole_day_not_an_empty_one() -> None:
    period = asked(NOVEMBER, datetime(2026, 11, 1, 23, 59, 59, tzinfo=UTC), "2026-11-01T23:59:59Z")

    assert isinstance(period, Period) and period.ends_at == NOVEMBER + timedelta(days=1)


def test_a_period_that_is_over_is_refused_though_its_start_is_within_the_grace() -> None:
    answer = asked(NOON - timedelta(hours=20), NOON - timedelta(hours=1))

    assert problem(answer) == "The whole period lies in the past."


def test_a_period_fully_in_the_past_is_refused() -> None:
    assert problem(asked(datetime(2020, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=UTC)))


def test_a_period_longer_than_the_program_allows_is_refused_and_told_the_latest_end() -> None:
    answer = asked(NOVEMBER, A_YEAR_LATER + timedelta(seconds=1), max_term_days=365)

    assert problem(answer) == "The program allows at most 365 days."
    assert isinstance(answer, Refusal) and answer.details["latest"] == A_YEAR_LATER


def test_a_period_exactly_as_long_as_allowed_is_taken() -> None:
    assert isinstance(asked(NOVEMBER, A_YEAR_LATER, max_term_days=365), Period)


def test_an_open_end_is_refused_where_the_program_has_a_longest_term() -> None:
    assert problem(asked(NOVEMBER, default_term_days=0, max_term_days=365))


def test_a_start_at_or_after_the_program_s_closing_is_refused_and_told_the_closing() -> None:
    answer = asked(NOVEMBER, closes_at=NOVEMBER)

    assert problem(answer) == "The program closes before that start."
    assert isinstance(answer, Refusal) and answer.details["latest"] == NOVEMBER
    assert isinstance(asked(NOVEMBER, closes_at=NOVEMBER + timedelta(seconds=1)), Period)


def test_a_leap_day_is_a_day_like_any_other() -> None:
    leap_day = datetime(2028, 2, 29, tzinfo=UTC)

    period = asked(leap_day)

    assert period == Period(leap_day, datetime(2029, 2, 28, tzinfo=UTC))
    assert asked(leap_day, datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), "z") == Period(
        leap_day, datetime(2028, 3, 1, tzinfo=UTC), "z"
    )


def test_a_year_over_a_leap_day_has_a_day_more_than_a_term_of_365_days() -> None:
    start = datetime(2027, 3, 1, tzinfo=UTC)

    assert problem(asked(start, datetime(2028, 3, 1, tzinfo=UTC), max_term_days=365))


@given(
    st.none() | st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=900)),
    st.none() | st.timedeltas(min_value=timedelta(days=-3), max_value=timedelta(days=900)),
    st.none() | st.integers(1, 800),
)
def test_what_is_agreed_is_never_empty_never_over_and_never_too_long(
    start: timedelta | None, end: timedelta | None, most: int | None
) -> None:
    answer = asked(
        NOON + start if start is not None else None, NOON + end if end is not None else None, max_term_days=most
    )

    if isinstance(answer, Period):
        assert answer.ends_at is not None
        assert answer.starts_at < answer.ends_at and answer.ends_at > NOON
        assert answer.starts_at >= NOON - timedelta(hours=24)
        assert most is None or answer.ends_at - answer.starts_at <= timedelta(days=most)
    else:
        assert problem(answer)


@pytest.mark.parametrize("as_given", ["", "2027-11-01T00:00:00Z"])
def test_no_spelling_is_kept_for_an_end_we_worked_out(as_given: str) -> None:
    period = asked(NOVEMBER, None, as_given)

    assert isinstance(period, Period) and period.end_as_given == ""
