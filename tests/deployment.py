"""The deployment the tests run on: a throw-away PostgreSQL and fresh keys, set before Django reads its settings.

Loaded with `-p tests.deployment` (pyproject.toml), because pytest-django reads the settings before any conftest.
`DATABASE_URL`, where set, is the server to use instead; its user must be allowed to create databases.
"""

import atexit
import os
import shutil
from pathlib import Path

from sandbox import generated, postgres

MARKER = "TEST_DEPLOYMENT"


def prepare() -> None:
    """Start PostgreSQL and set the environment, once per test run; xdist workers inherit both."""
    if os.environ.get(MARKER):
        return
    ours = {"SETTINGS_FILE": "", MARKER: "1", "TESTS_WRAP_IN_TRANSACTIONS": "true", "DATABASE_POOL": "0"}
    root = Path(__file__).resolve().parent.parent
    (root / "build" / "static").mkdir(parents=True, exist_ok=True)
    folder = root / "var" / "tests"
    ports = {generated.UTILITY_A: postgres.free_port(), generated.UTILITY_B: postgres.free_port()}
    ours |= generated.settings_for(
        8000,
        folder=folder,
        utility_ports=ports,
        agencies_port=postgres.free_port(),
        staff_port=postgres.free_port(),
    )
    if not os.environ.get("DATABASE_URL"):
        ours["DATABASE_URL"] = _start()
    os.environ.update(ours)


def _start() -> str:
    server = postgres.temporary()
    me = os.getpid()

    def remove() -> None:
        if os.getpid() == me:  # not in a forked child
            server.stop()
            shutil.rmtree(server.folder, ignore_errors=True)

    atexit.register(remove)
    server.start()
    server.create_database("credentials")
    return server.url("credentials")


prepare()
