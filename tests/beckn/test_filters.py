"""The JSONPath of a discover: what it selects, and that nobody can hold a worker with one (dependencies, JSONPath)."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beckn.profiles import onboarding, pilot
from beckn.profiles.filters import MAX_CHARACTERS, BadFilter, is_filter, selected
from tests.beckn.results import ENTRY

ITEMS = [
    {
        "beckn:id": "p-1",
        "beckn:itemAttributes": {"kind": "P2P", "utilities": ["u-1", "u-2"], "share": 0.5, "name": "a.beckn:b"},
    },
    {"beckn:id": "p-2", "beckn:itemAttributes": {"kind": "DEMAND_FLEX", "utilities": ["u-1"], "share": 10}},
    {"beckn:id": "p-3", "beckn:itemAttributes": {"kind": "P2P", "utilities": []}},
]


@pytest.mark.parametrize(
    ("expression", "places"),
    [
        ("$[?(@.itemAttributes.kind == 'P2P')]", [0, 2]),
        ("$[?@.beckn:itemAttributes.kind == 'P2P']", [0, 2]),
        ("$[?@['beckn:itemAttributes']['kind'] == 'P2P']", [0, 2]),
        ("$[?@.itemAttributes.kind == 'P2P' && @.itemAttributes.share >= 0.5]", [0]),
        ("$[?@.itemAttributes.utilities[?@ == 'u-1']]", [0, 1]),
        ("$[?length(@.itemAttributes.utilities) == 0]", [2]),
        ("$[?count(@.itemAttributes.utilities[*]) > 1]", [0]),
        ("$[?@.itemAttributes.name == 'a.beckn:b']", [0]),  # a text is left as it is
        ("$[?@.id == 'p-2' || @.id == 'p-3'].itemAttributes.kind", [1, 2]),
        ("$[*]", [0, 1, 2]),
        ("$", [0, 1, 2]),
        ("$[-1]", [2]),
        ("$[7]", []),
        ("$[?@.nothing == 1]", []),
        ("$.items[*]", []),
    ],
)
def test_an_expression_selects_items(expression: str, places: list[int]) -> None:
    assert selected(expression, ITEMS) == places


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "kind == 'P2P'",
        "$[?",
        "$..kind",
        "$[?@..kind == 1]",
        "$[?@.x == $[0].x]",
        "$[?search(@.x, '(a+)+b')]",
        "$[?match(@.x, '(a+)+b')]",
        "$[?nothing(@.x)]",
        "$" + "[*,*,*,*,*]" * 4,
        "$[?count(@" + "[*,*,*,*,*]" * 4 + ") > 1]",
        "$[?" + "(" * 60 + "@.x" + ")" * 60 + "]",
        "$[?" + "@[?" * 60 + "@.x" + "]" * 60 + "]",
        "$[?" + "!" * 60 + "@.x]",
        "$[?@.x == '" + "x" * MAX_CHARACTERS + "']",
        "$[99999999999999999999999]",
    ],
)
def test_what_could_run_for_ever_is_no_filter(expression: str) -> None:
    assert not is_filter(expression)
    with pytest.raises(BadFilter):
        selected(expression, ITEMS)


def test_the_widest_filter_that_is_served_is_answered_quickly() -> None:
    many = ITEMS * 40
    dearest = [
        "$[?" + " && ".join(["count(@[*][*]) >= 0"] * 40) + "]",
        "$[?count(@[*,*][*,*][*,*][*,*]) >= 0]",
        "$[?" + "@[?" * 30 + "@" + "]" * 30 + "]",
    ]
    began = time.perf_counter()
    for expression in dearest:
        assert is_filter(expression), expression
        selected(expression, many)
    assert time.perf_counter() - began < 5


ALPHABET = st.sampled_from([*"$@[]()?*.,'!=<>&|: -1", "id", "kind", "..", "&&", "||", "==", "[?", "length(", "beckn:"])


@settings(max_examples=300, deadline=2000)
@given(parts=st.lists(ALPHABET, max_size=30))
def test_any_text_is_a_filter_or_none(parts: list[str]) -> None:
    expression = "".join(["$", *parts])
    if is_filter(expression):
        assert set(selected(expression, ITEMS)) <= {0, 1, 2}


@pytest.mark.parametrize("profile", [onboarding, pilot])
def test_a_bad_filter_is_refused_at_the_door_and_a_good_one_is_read(profile) -> None:  # type: ignore[no-untyped-def]
    def discover(expression: str) -> dict:  # type: ignore[type-arg]
        return {"message": {"text_search": "flex", "filters": {"type": "jsonpath", "expression": expression}}}

    wrong = profile.validate("discover", discover("$..x"))
    assert wrong.path == "message.filters.expression"
    assert "JSONPath" in wrong.message
    good = discover("$[?@.itemAttributes.kind == 'DEMAND_FLEX']")
    assert profile.validate("discover", good) is None
    assert profile.read_search(good).text == "flex"
    assert selected(profile.filter_of(good), [profile.item(ENTRY)]) == [0]
