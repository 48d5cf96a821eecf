"""Packages from npm that the tests hold against us: installed once, however many test processes want them."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def installed(folder: Path, *, package: str, what: str) -> None:
    """Install the locked packages of a folder unless `package` is there; skip where Node is absent, except in CI.

    One process installs, the others wait: two `npm ci` at once in one folder undo each other.
    """
    npm = shutil.which("npm")
    if not shutil.which("node") or not npm:
        assert not os.environ.get("CI"), f"CI must bring Node for {what}"
        pytest.skip(f"no Node on this machine: {what} cannot run")
    with (folder / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # npm writes this file last: a folder alone may be half an installation.
        whole = (folder / "node_modules" / ".package-lock.json").is_file() and (
            folder / "node_modules" / package
        ).is_dir()
        if not whole:
            command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
