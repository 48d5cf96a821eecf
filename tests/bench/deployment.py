"""The bench's own deployment: PostgreSQL with the durability of production, a sandbox utility, a database per section.

It lives in var/bench and is thrown away at the end. All child processes die with this one.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

import psycopg
from psycopg.sql import SQL, Identifier

from sandbox import generated, supervisor
from sandbox.postgres import Postgres, free_port
from sandbox.supervisor import Child

ROOT = Path(__file__).resolve().parent.parent.parent
MIGRATED, BASE = "migrated", "base"  # empty tables; with keys, lists and programs


class Failed(RuntimeError):
    """A part of the bench did not start or did not end well; the text has what it said last."""


class Deployment:
    """`up()`, then `database(name)` for every section, then `down()`."""

    def __init__(self) -> None:
        self.folder = ROOT / "var" / "bench"
        self.logs = self.folder / "logs"
        self.settings_file = self.folder / "settings.env"
        self.port, self.utility_port = free_port(), free_port()
        self.postgres = Postgres(self.folder)
        self.utility: Child | None = None
        self._lock: IO[str] | None = None

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def utility_url(self) -> str:
        return f"http://127.0.0.1:{self.utility_port}"

    def up(self) -> None:
        """Start from nothing: cluster, migrations, keys, lists, utility, programs. Call from the main thread."""
        self._take()
        self.postgres.start()
        self.postgres.create_database(MIGRATED)
        values = generated.settings_for(
            self.port, folder=self.folder, utility_ports={generated.UTILITY_A: self.utility_port}
        )
        generated.write(self.settings_file, {**values, "LOG_LEVEL": "WARNING", "LOG_FORMAT": "json"})
        self.manage(self.environment(MIGRATED), "migrate", "--no-input", "--verbosity", "0")
        environment = self.database(BASE, template=MIGRATED)
        self.manage(environment, "bootstrap")
        self._start_utility(json.loads(values["UTILITIES"])[0]["token"])
        self.manage(environment, "sandbox", "load")

    def down(self) -> None:
        if self._lock is None:
            return  # it is another bench that runs here: its folder is not ours to wipe
        if self.utility:
            self.utility.stop()
        self.postgres.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def database(self, name: str, *, template: str = BASE) -> dict[str, str]:
        """Clone a database for one section; return the environment of its processes."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {} TEMPLATE {}").format(Identifier(name), Identifier(template)))
        return self.environment(name)

    def drop(self, name: str) -> None:
        """Give the disk back, and leave no autovacuum behind that would work during the next section."""
        with psycopg.connect(self.postgres.url(), autocommit=True) as connection:
            connection.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
            connection.execute("CHECKPOINT")

    def postgres_said(self) -> str:
        """The last lines of its log: warnings and worse, no statements."""
        log = self.postgres.log
        return log.read_text(errors="replace")[-1500:] if log.exists() else ""

    def environment(self, database: str, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "SETTINGS_FILE": str(self.settings_file),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "DATABASE_URL": self.postgres.url(database),
            "PYTHONUNBUFFERED": "1",
            "BENCH_UTILITY": self.utility_url,
            "BENCH_POSTGRES": str(self.postgres.process.pid if self.postgres.process else 0),
            **more,
        }

    def manage(self, environment: dict[str, str], *arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Failed(f"manage.py {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-3000:]}")

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        return supervisor.start(name, command, environment=environment, folder=ROOT, logs=self.logs)

    def _take(self) -> None:
        """Only one bench at a time; what a killed one left is wiped."""
        self.folder.parent.mkdir(exist_ok=True)
        lock = (self.folder.parent / "bench.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("another bench is running in this checkout") from None
        self._lock = lock
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.folder.chmod(0o711)

    def _start_utility(self, token: str) -> None:
        command = [sys.executable, "-m", "sandbox.utility", "--port", str(self.utility_port)]
        command += ["--utility", generated.UTILITY_A, "--var", str(self.folder)]
        environment = {**self.environment(BASE), "SANDBOX_UTILITY_TOKEN": token}
        self.utility = self.start("utility", command, environment)
        supervisor.wait_until_answers(self.utility, f"{self.utility_url}/healthz")
