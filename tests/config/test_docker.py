"""The container files are read by nothing else here, so what they promise is checked as text."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
COMPOSE_FILE = ROOT / "docker" / "compose.yaml"
EXACT_TAG = re.compile(r"^[a-z0-9/-]+:\d+\.\d+(\.\d+)?[a-z0-9.-]*$")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE_FILE.read_text())["services"])


def instructions(name: str) -> list[str]:
    joined = DOCKERFILE.replace("\\\n", " ")
    return [line.partition(" ")[2].strip() for line in joined.splitlines() if line.startswith(name + " ")]


def test_the_image_is_built_in_stages_from_exactly_tagged_bases():
    bases = [base.partition(" AS ")[0] for base in instructions("FROM")]
    assert len(bases) == 3
    assert all(EXACT_TAG.match(base) for base in bases)


def test_the_image_runs_as_somebody_who_is_not_root_and_says_whether_it_is_well():
    assert instructions("USER") == ["10001:10001"]
    assert "/healthz" in instructions("HEALTHCHECK")[0]
    assert DOCKERFILE.index("USER") < DOCKERFILE.index("CMD [")


def test_the_image_installs_only_what_is_locked_with_hashes():
    assert any("--require-hashes" in run and "requirements/${REQUIREMENTS}.txt" in run for run in instructions("RUN"))


def test_the_image_holds_every_room_of_the_product_and_neither_sandbox_nor_tests():
    copied = {line.split()[0] for line in instructions("COPY") if not line.startswith("--from")}
    rooms = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"sandbox", "tests"}
    assert rooms <= copied
    assert not copied & {"sandbox", "tests", "."}
    assert all((ROOT / path).exists() for path in copied)


def test_what_the_image_copies_is_let_through_to_the_builder():
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {line.split()[0] for line in instructions("COPY") if not line.startswith("--from")} <= let_through


def test_compose_has_the_six_processes_with_exactly_tagged_images(services):
    assert {"postgres", "redis", "web", "worker", "imports", "beat"} <= services.keys()
    assert all(EXACT_TAG.match(service["image"]) for service in services.values())


def test_our_processes_in_compose_start_after_the_migration_and_may_do_little(services):
    for name in ("web", "worker", "imports", "beat"):
        service = services[name]
        assert service["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert service["environment"]["DEPLOYMENT"] == "production"
        assert service["cap_drop"] == ["ALL"]
        assert service["read_only"] is True


def test_the_compose_file_asks_for_the_password_instead_of_naming_one(services):
    assert services["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith("${POSTGRES_PASSWORD:?")
    assert ":${POSTGRES_PASSWORD:?" in services["web"]["environment"]["DATABASE_URL"]


def test_docker_itself_accepts_the_compose_file_where_docker_is_installed():
    available = (
        shutil.which("docker")
        and not subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode
    )
    if not available:
        pytest.skip("docker compose is not installed here")
    done = subprocess.run(
        ["docker", "compose", "--file", str(COMPOSE_FILE), "config", "--quiet"],
        env={"PATH": "/usr/bin:/usr/local/bin:/bin", "POSTGRES_PASSWORD": "x"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
