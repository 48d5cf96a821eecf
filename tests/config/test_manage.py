"""The operator's commands find their deployment, and say plainly when there is none."""

import os
import subprocess
import sys
from pathlib import Path
from socket import socket

from manage import take_port
from sandbox import generated
from tests.config.settings_of import sandbox_values

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=kept, capture_output=True, text=True, timeout=30
    )


def test_the_port_chooses_the_deployment_wherever_it_stands():
    assert take_port(["manage.py", "agency", "list", "--port", "9000"]) == (["manage.py", "agency", "list"], "9000")
    assert take_port(["manage.py", "--port=9000", "agency"]) == (["manage.py", "agency"], "9000")
    assert take_port(["manage.py", "agency"]) == (["manage.py", "agency"], "8000")


def test_a_deployment_that_does_not_exist_is_told_with_what_would_make_it():
    done = run("agency", "list", "--port", "7")
    assert done.returncode == 1
    assert "DEPLOYMENT: is missing" in done.stderr
    assert "There is no var/7/ either; `make demo` would make one." in done.stderr


def test_a_database_that_does_not_answer_is_told_in_two_lines(tmp_path):
    file = tmp_path / "settings.env"
    with socket() as nobody:  # takes the port and does not listen: nothing else answers there meanwhile
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://me:pw@127.0.0.1:{nobody.getsockname()[1]}/x"
        generated.write(file, sandbox_values(DATABASE_URL=url))
        done = run("agency", "list", SETTINGS_FILE=str(file))
    assert done.returncode == 1
    assert done.stderr.startswith("The database does not answer: is the deployment running?")
    assert len(done.stderr.splitlines()) == 2
    assert "pw" not in done.stderr
