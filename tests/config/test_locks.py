"""What is installed is exactly what was locked: every package with its hash, and no word about where it comes from."""

import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def pinned(lock: Path) -> set[str]:
    return set(re.findall(r"^([a-z0-9._-]+)==", lock.read_text(), re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_locked_package_has_a_version_and_a_hash(lock: Path):
    entries = re.split(r"\n(?=\S)", lock.read_text().strip())
    assert all(re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+", entry) for entry in entries)
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_lock_names_a_registry(lock: Path):
    assert "://" not in lock.read_text()
    assert "index-url" not in lock.read_text()


def test_what_the_product_needs_is_in_its_lock_and_the_developers_lock_agrees():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[\[<>=~]", line)[0] for line in wanted}
    production, development = (ROOT / "requirements" / f"{name}.txt" for name in ("production", "development"))
    assert names <= pinned(production)
    lines = {line for line in production.read_text().splitlines() if "==" in line}
    assert lines <= set(development.read_text().splitlines())


def test_no_npm_lock_names_a_registry_and_each_package_has_its_hash():
    listed = subprocess.run(["git", "ls-files", "*package-lock.json"], cwd=ROOT, capture_output=True, text=True)
    for name in listed.stdout.splitlines():
        lock = json.loads((ROOT / name).read_text())
        packages = {path: entry for path, entry in lock["packages"].items() if path}
        assert all("integrity" in entry for entry in packages.values() if not entry.get("link")), name
        assert not any("resolved" in entry for entry in packages.values()), f"{name}: omit-lockfile-registry-resolved"
