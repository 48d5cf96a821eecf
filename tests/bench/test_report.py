"""The bench's own arithmetic; the bench itself is run by `make bench`."""

import pytest

from tests.bench import report, timing
from tests.bench.report import Figure


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (99, 99), (99.5, 100), (100, 100), (1, 1), (0, 1)])
def test_a_percentile_is_a_value_that_was_measured(percent: float, expected: float) -> None:
    assert timing.percentile(list(range(100, 0, -1)), percent) == expected


def test_of_nothing_every_percentile_is_zero() -> None:
    assert timing.percentile([], 99) == 0


@pytest.mark.parametrize(
    ("figure", "is_met"),
    [
        (Figure("s", "n", 5, "ms", at_most=5), True),
        (Figure("s", "n", 5.1, "ms", at_most=5), False),
        (Figure("s", "n", 30, "/s", at_least=30), True),
        (Figure("s", "n", 29, "/s", at_least=30), False),
        (Figure("s", "n", 29, "/s"), None),
    ],
)
def test_a_target_is_met_or_missed_or_was_never_set(figure: Figure, is_met: bool | None) -> None:
    assert figure.is_met is is_met


def test_the_table_says_what_was_missed_and_survives_the_way_between_processes() -> None:
    figures = [Figure("Section", "slow thing", 7.5, "ms", at_most=5, note="why"), Figure("Section", "other", 1e6, "/s")]
    lines = report.table(report.from_json(report.to_json(figures))).splitlines()
    assert lines[1] == "Section"
    assert lines[2].split() == ["slow", "thing", "7.50", "ms", "≤", "5", "MISSED", "why"]
    assert lines[3].split() == ["other", "1,000,000", "/s"]
