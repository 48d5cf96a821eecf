"""The guide's test categories (15): which tests count, and that none is empty."""

import re
from pathlib import Path

import pytest

from tests import categories

ROOT = categories.ROOT
MODULES = [path for path in ROOT.rglob("test_*.py") if "node_modules" not in path.parts]


@pytest.mark.parametrize("beginning", categories.PLACES)
def test_every_place_of_the_table_holds_tests(beginning):
    assert any(path.relative_to(ROOT).as_posix().startswith(beginning) for path in MODULES)


@pytest.mark.parametrize("marker", categories.CATEGORIES)
def test_every_category_has_tests(marker):
    marked = re.compile(rf"pytest\.mark\.{marker}\b")
    assert any(
        marker in categories.categories_of(path) or (path != Path(__file__) and marked.search(path.read_text()))
        for path in MODULES
    )
