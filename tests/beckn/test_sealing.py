"""Secrets leave a message and come back to where they were."""

import copy
from typing import Any
from uuid import UUID

from hypothesis import given, strategies

from beckn import sealing
from beckn.contexts import is_under
from beckn.messages import duration

JSON = strategies.recursive(
    strategies.none() | strategies.integers() | strategies.text(max_size=10) | strategies.just("sealed:0"),
    lambda children: (
        strategies.lists(children, max_size=4)
        | strategies.dictionaries(strategies.sampled_from(["otp", "a", "b", "person", "name"]), children, max_size=5)
    ),
    max_leaves=25,
)
PATHS = ["**.otp", "**.person.name", "a.b", "b[].otp", "a[]"]


@given(body=strategies.dictionaries(strategies.sampled_from(["a", "b", "otp", "person"]), JSON, max_size=4))
def test_what_is_taken_out_is_put_back_in_its_place(body):
    before = copy.deepcopy(body)
    taken = sealing.take_out(body, PATHS)
    assert sealing.put_back(body, taken) == before


@given(body=strategies.dictionaries(strategies.sampled_from(["a", "b", "otp", "person"]), JSON, max_size=4))
def test_what_goes_out_is_complete_while_it_is_sealed(body):
    before = copy.deepcopy(body)
    holes, sealed = sealing.dig_holes(body, PATHS)
    assert sealing.fill_holes(body, holes, sealed, lambda _: "") == before


def test_a_path_names_exactly_its_place():
    body = {
        "a": {"b": "secret", "c": "open"},
        "b": [{"otp": "1"}, {"x": "2"}],
        "name": "program",
        "person": {"name": "P"},
    }
    taken = sealing.take_out(body, ["a.b", "b[].otp", "**.person.name"])
    assert [value for _, value in taken] == ["secret", "1", "P"]
    assert body["a"]["c"] == "open"
    assert body["name"] == "program"


def test_wiped_secrets_are_left_out():
    body = {"otp": "1", "a": {"otp": {"x": 1}, "kept": 2}}
    sealing.take_out(body, ["**.otp"])
    assert sealing.put_back(body, None) == {"a": {"kept": 2}}


def test_a_credential_stands_only_where_we_put_it():
    credential = UUID(int=7)
    body = {"credentialData": f"sealed:credential:{credential}", "echo": f"sealed:credential:{credential}"}
    holes, sealed = sealing.dig_holes(body, ["**.credentialData"])
    filled = sealing.fill_holes(body, holes, sealed or None, lambda found: f"jwt {found.int}")
    assert filled == {"credentialData": "jwt 7", "echo": f"sealed:credential:{credential}"}


def test_addresses_are_compared_by_whole_segments():
    base = "https://bap.example/beckn"
    assert all(is_under(uri, base) for uri in (base, f"{base}/", f"{base}/x", "https://bap.example:443/beckn/y/z"))
    for uri in (
        "https://bap.example/beckn2",
        "https://bap.example/",
        "http://bap.example/beckn",
        "https://bap.example:8443/beckn",
        "https://bap.example.evil/beckn",
        "https://bap.example@evil/beckn",
        f"{base}/%2e%2e/x",
        f"{base}/../x",
        f"{base}?x",
        f"{base}#x",
        f"{base}\\x",
        "https://bap.example:99999/beckn",
        "",
    ):
        assert not is_under(uri, base), uri


def test_durations_are_iso_8601():
    assert duration("PT30S").total_seconds() == 30
    assert duration("PT1M").total_seconds() == 60
    assert duration("P1M").days == 30
    assert duration("P1DT1H").total_seconds() == 90_000
    assert duration("PT0.5S").total_seconds() == 0.5
    for wrong in ("P", "PT", "30", "PT-1S", "PT30", "pt30s", "P1S", "PT1e3S", ""):
        try:
            duration(wrong)
        except ValueError:
            continue
        raise AssertionError(wrong)


def test_an_upload_address_has_its_token_in_the_path_and_is_kept_nowhere_in_clear() -> None:
    body: dict[str, Any] = {
        "documents": [{"documentId": "document-1", "uploadUrl": "https://us.example/documents/a-token"}]
    }

    holes, sealed = sealing.dig_holes(body, ["**.uploadUrl"])

    assert "a-token" not in str(body) and "a-token" not in str(holes)
    whole = sealing.fill_holes(body, holes, sealed, lambda _: "")
    assert whole["documents"][0]["uploadUrl"] == "https://us.example/documents/a-token"
    assert "uploadUrl" not in sealing.fill_holes(body, holes, None, lambda _: "")["documents"][0]
