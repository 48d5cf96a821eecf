"""The house's floor plan (design.md, "Layers") is kept by import-linter; its contracts stand in pyproject.toml."""

import re
import subprocess
import sys
from pathlib import Path


def test_every_room_imports_only_what_lies_below_it():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# What the linter cannot see: it knows only the top of a foreign package.
ROOT = Path(__file__).parent.parent


def test_nobody_but_outbound_opens_an_address_with_the_standard_library():
    rooms = ("config", "beckn", "enrollment", "credentials", "utility_systems", "files", "identity", "audit")
    files = [file for room in rooms for file in (ROOT / room).rglob("*.py")]
    assert importing(r"urllib\.request|urllib\.error", files) == []


def test_what_decides_does_not_import_the_database():
    rules = ("eligibility", "criteria", "devices", "facts", "conflicts", "commands", "dates")
    pure = [*(ROOT / "enrollment" / f"{rule}.py" for rule in rules), ROOT / "beckn" / "signatures.py"]
    assert importing(r"django\.db", pure) == []


def importing(module: str, files: list[Path]) -> list[str]:
    line = re.compile(rf"^\s*(import|from) ({module})\b", re.MULTILINE)
    return [str(file.relative_to(ROOT)) for file in files if line.search(file.read_text())]
