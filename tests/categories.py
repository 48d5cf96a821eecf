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
PROPERTY = "guide-15"
ROOT = Path(__file__).resolve().parent


def pytest_configure(config: pytest.Config) -> None:
    for marker, words in CATEGORIES.items():
        config.addinivalue_line("markers", f"{marker}: guide 15, {words}")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The long modules first: a worker that starts one last lets the others wait for it (with `--no-loadscope-reorder`).
    items.sort(
        key=lambda item: not (item.get_closest_marker("processes") or "stack" in getattr(item, "fixturenames", ()))
    )
    for item in items:
        for marker in categories_of(item.path):
            item.add_marker(marker)
        # Not by the report's keywords: a parameter of the same name would count, too.
        item.user_properties += [(PROPERTY, marker) for marker in CATEGORIES if item.get_closest_marker(marker)]


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
