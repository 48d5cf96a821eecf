"""The arithmetic of the chain, without a database."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from audit.chain import GENESIS, canonical, digest, instant, link_hash, storable

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert (
        canonical({"b": 1, "a": [True, None]}) == canonical({"a": [True, None], "b": 1}) == b'{"a":[true,null],"b":1}'
    )


def test_an_instant_is_hashed_in_utc_with_microseconds():
    india = datetime(2026, 9, 1, 17, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert instant(india) == "2026-09-01T12:00:00.000000Z"
    assert digest({"at": india}) == digest({"at": datetime(2026, 9, 1, 12, tzinfo=UTC)})


def test_nothing_has_no_digest_and_an_empty_object_has_one():
    assert digest(None) == ""
    assert len(digest({})) == 64


def test_decimals_keep_their_digits():
    assert canonical({"kw": Decimal("10.50")}) == b'{"kw":"10.50"}'


def test_the_hash_of_the_first_link_never_changes():
    fields = {"id": 1, "action": "login", "at": "2026-09-01T12:00:00.000000Z"}
    assert link_hash(GENESIS, 1, fields).hex() == "fb58845a07af781ab2284466d9b7a8182b6c631db622ca9372af3878b60fa379"


@given(json_values, json_values)
def test_two_different_values_have_two_spellings(one, other):
    assert (canonical(one) == canonical(other)) == (repr(_typed(one)) == repr(_typed(other)))


@given(st.recursive(json_values | st.floats() | st.text(st.characters()), lambda inner: st.lists(inner), max_leaves=8))
def test_whatever_is_made_storable_stays_as_it_is_the_second_time(value):
    once = storable(value)
    assert storable(once) == once
    assert b"\x00" not in canonical(once)


def _typed(value):
    if isinstance(value, dict):
        return {key: _typed(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_typed(each) for each in value]
    return (type(value).__name__, value)
