"""A further profile is one new file: it is found, chosen by its domain and shape, and answered in its own words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from beckn import contexts, profiles
from beckn.profiles import onboarding
from beckn.profiles.pilot_catalog import Catalog
from tests.bap import Bap
from tests.beckn.conftest import message
from tests.beckn.results import ENTRY

TINY = '''
"""A profile that can only be searched, in the words of a core to come."""

from beckn.profiles import reading, schemas
from beckn.profiles.words import SECRET_KEYS_IN, SECRET_KEYS_OUT

NAME, DOMAINS, VERSIONS = "TINY", frozenset({"energy.tiny"}), frozenset({"3.0.0"})
SCHEMAS = {"search": schemas.SEARCH}
ACTIONS, MARKS = frozenset(SCHEMAS), frozenset({"contract"})
validate = schemas.Checker(SCHEMAS).check
read_search, filter_of = reading.search, reading.filter_of


def order_ref(context, body):
    return reading.ref(context, "", profile=NAME)


def item(entry):
    return {"id": entry.program_id, "name": entry.name}


def write(action, result, *, is_strict=False, shown=None):
    return {"programs": [item(entry) for entry in result.entries]}
'''


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    (tmp_path / "tiny_profile_of_a_test.py").write_text(TINY)
    monkeypatch.setattr(profiles, "__path__", [*profiles.__path__, str(tmp_path)])
    profiles.all_profiles.cache_clear()
    yield profiles.profile_named("TINY")
    profiles.all_profiles.cache_clear()


def test_one_new_file_is_a_profile(tiny: ModuleType) -> None:
    assert {p.NAME for p in profiles.all_profiles()} == {"A", "B", "TINY"}
    assert profiles.profile_for({"domain": "energy.tiny"}) is tiny
    assert profiles.profile_for({"domain": "energy.tiny"}, {"order": {"contract": {}}}) is tiny
    assert profiles.profile_for({"domain": "energy.enrollment"}) is onboarding
    assert tiny.write("on_search", Catalog((ENTRY,))) == {"programs": [{"id": ENTRY.program_id, "name": "Flex"}]}


def test_the_door_lets_its_messages_in_as_it_does_those_of_the_others(tiny: ModuleType) -> None:
    body = message(Bap(port=9))
    body["context"] |= {"domain": "energy.tiny", "version": "3.0.0"}
    from audit import clock

    read = contexts.read(body, contexts.Expected("search", "bap"), now=clock.now())
    assert read.profile is tiny
    assert tiny.validate("search", body) is None
