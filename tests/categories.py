"""The guide's test categories (onboarding guide 15): every test of one carries its marker, and the run counts them.

Loaded with `-p tests.categories` (pyproject.toml). A folder or module stands for a category; a test elsewhere, or of
several, says so itself: `@pytest.mark.cross_utility`.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

#: Marker → the guide's words.
CATEGORIES = {
    "identity_login": "Identity login flows",
    "multi_meter": "Multi-meter and multi-site flows",
    "der_certification": "DER discovery and certification",
    "cross_utility": "Cross-utility onboarding",
    "beckn_compliance": "Beckn compliance",
    "vc_issuance": "VC issuance",
}

#: Beginning of a path below tests/ → its categories.
PLACES = {
    "identity/": ("identity_login",),
    "enrollment/test_certificates": ("der_certification",),
    "enrollment/test_device": ("der_certification",),
    "enrollment/test_documents": ("der_certification",),
    "processes/test_devices": ("der_certification",),
    "beckn/": ("beckn_compliance",),
    "beckn_messages/": ("beckn_compliance",),
    "credentials/": ("vc_issuance",),
    "wallets/": ("vc_issuance",),
}
#: The modules that take longest, as `--durations=0` has measured them, those that mostly wait before the others.
LONGEST = (
    "processes/test_kills",
    "processes/test_rotation",
    "beckn_messages/test_golden",
    "sandbox/test_journey",
    "processes/test_bulk",
    "processes/test_status_lists",
    "test_demo",
    "processes/test_clock",
    "config/test_production_start",
    "processes/test_utility_news_over_http",
    "pages/test_screens",
)
PROPERTY = "guide-15"
ROOT = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    for marker, words in CATEGORIES.items():
        config.addinivalue_line("markers", f"{marker}: guide 15, {words}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)
    for item in items:
        for marker in categories_of(item.path):
            item.add_marker(marker)
        # Not by the report's keywords: a parameter of the same name would count, too.
        item.user_properties += [(PROPERTY, marker) for marker in CATEGORIES if item.get_closest_marker(marker)]


def _turn(item: pytest.Item) -> tuple[int, int]:
    """The long modules first: a worker that begins one last lets the others wait (with `--no-loadscope-reorder`).

    The pages' together, whose browser lives as long as they do; those without processes, which are short, last.
    """
    below = item.path.relative_to(ROOT).with_suffix("").as_posix() if item.path.is_relative_to(ROOT) else ""
    if below in LONGEST:
        return 0, LONGEST.index(below)
    if below.startswith("pages/"):
        return 1, 0
    return 2 if item.get_closest_marker("processes") or "stack" in getattr(item, "fixturenames", ()) else 3, 0


def categories_of(path: Path) -> set[str]:
    """The categories that a test module has by its place."""
    if not path.is_relative_to(ROOT):
        return set()
    below = path.relative_to(ROOT).as_posix()
    return {marker for beginning, markers in PLACES.items() if below.startswith(beginning) for marker in markers}


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print how many tests of each category passed; what failed or was skipped beside it."""
    counts: dict[str, Counter[str]] = {marker: Counter() for marker in CATEGORIES}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, marker in getattr(report, "user_properties", ()):
                if name == PROPERTY:
                    counts[marker][outcome] += 1
    if not any(counts.values()):
        return
    terminalreporter.section("test categories of the onboarding guide, 15")
    for marker, words in CATEGORIES.items():
        found = counts[marker]
        others = "".join(f", {found[each]} {each}" for each in ("failed", "error", "skipped") if found[each])
        terminalreporter.write_line(f"{words:<34} {found['passed']:>5} passed{others}")
