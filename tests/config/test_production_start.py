"""A production install: the rooms without sandbox and tests, on an empty database, as the container has it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from sandbox import supervisor
from sandbox.postgres import free_port
from tests.bap import http
from tests.config.settings_of import production_values
from tests.conftest import database_url

ROOT = Path(__file__).resolve().parent.parent.parent
NOT_SHIPPED = {"sandbox", "tests"}
Run = Callable[..., subprocess.CompletedProcess[str]]
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def install(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("install")
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - NOT_SHIPPED
    for name in (*rooms, "templates"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "manage.py", folder)
    (folder / "build" / "static").mkdir(parents=True)
    return folder


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    name = f"production_{uuid4().hex[:8]}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"'.encode())
        values = production_values(DATABASE_URL=database_url(name), CELERY_BROKER_URL="memory://")
        yield {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "config.settings", **values}
        server.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.fixture(scope="module")
def manage(install: Path, environment: dict[str, str]) -> Run:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", *arguments]
        return subprocess.run(command, cwd=install, env=environment, capture_output=True, text=True)

    return run


@pytest.fixture(scope="module")
def migrated(manage: Run) -> None:
    for arguments in (("migrate", "--no-input", "--verbosity", "0"), ("bootstrap",)):
        done = manage(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def start_web(install: Path, environment: dict[str, str], port: int) -> supervisor.Child:
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--log-level", "warning", "config.front:application"]
    return supervisor.start("web", command, environment=environment, folder=install, logs=install / "logs")


def test_web_and_worker_of_a_clean_install_start_on_a_database_that_was_empty(install, environment, migrated):
    port = free_port()
    web = start_web(install, environment, port)
    command = [sys.executable, "-m", "celery", "--app", "config", "--quiet", "worker"]
    worker = supervisor.start("worker", command, environment=environment, folder=install, logs=install / "logs")
    try:
        supervisor.wait_until_answers(web, f"http://127.0.0.1:{port}/healthz")
        answer = http("GET", f"http://127.0.0.1:{port}/readyz")
        assert (answer.status, answer.body) == (200, {"ready": True})
        assert http("GET", f"http://127.0.0.1:{port}/metrics").status == 404
        supervisor.wait_until_says(worker, "worker ready")
    finally:
        supervisor.stop_all([web, worker])


def test_web_and_worker_refuse_a_database_that_a_sandbox_has_used(install, environment, migrated):
    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as database:
        database.execute(
            "INSERT INTO beckn_participants (subscriber_id, type, url, domains, source, suspended_reason,"
            " asserts_subjects, strict, message_ids, failures_in_a_row, created_at, updated_at)"
            " VALUES ('journey.example', 'BAP', 'https://journey.example', '{}', 'SANDBOX', '', '{*}', false, 'echo',"
            " 0, now(), now())"
        )
    for command in (
        [sys.executable, "-c", "import config.wsgi"],
        [sys.executable, "-m", "celery", "--app", "config", "--quiet", "worker"],
    ):
        done = subprocess.run(command, cwd=install, env=environment, capture_output=True, text=True, timeout=30)
        assert done.returncode != 0
        assert "DEPLOYMENT=production refuses to start" in done.stderr
        assert "journey.example" in done.stderr
