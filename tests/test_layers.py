"""The house's floor plan (design.md, "Layers") is kept by import-linter; its contracts stand in pyproject.toml."""

import subprocess
import sys
from pathlib import Path


def test_every_room_imports_only_what_lies_below_it():
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=Path(__file__).parent.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
