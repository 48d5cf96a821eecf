"""`make demo`: a whole deployment in one command, under var/<PORT>/ and gone with Ctrl-C but for its data.

PostgreSQL, two sandbox utilities, and the web process with the worker in it are children of this one. What the
environment names instead (DATABASE_URL, CELERY_BROKER_URL, UTILITIES) is used and not started. Source: contract.md.
"""

import argparse
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import IO, NoReturn

from sandbox import generated, supervisor
from sandbox.postgres import Postgres, PostgresFailed
from sandbox.supervisor import Child, DidNotStart

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "credentials"
MUTUAL_TLS = 4  # after the deployment's own port: utility B's systems
NATIONAL = 5  # the national identity provider
AGENCIES = 6  # the identity provider of agencies' people
STAFF = 7  # the identity provider of the console's people


class Stopped(BaseException):
    """Somebody asked us to end."""


class Demo:
    """One deployment: where it keeps things and what runs of it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.folder = ROOT / "var" / str(port)
        self.settings_file = self.folder / "settings.env"
        self.logs = self.folder / "logs"
        self.base = f"http://127.0.0.1:{port}"
        self.utility_ports = {generated.UTILITY_A: port + 1, generated.UTILITY_B: port + 2}
        self.postgres: Postgres | None = None
        self.children: list[Child] = []
        self.lock: IO[str] | None = None

    def take(self) -> None:
        """Become the only one on this deployment."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        self.lock = (self.folder / "lock").open("w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"The demo on port {self.port} is running already; stop it first, or choose another PORT.")

    def up(self) -> None:
        """Start everything; what need not wait for another does not."""
        self._refuse_taken_ports()
        self._settle()
        self._start_utilities()
        self._manage(["migrate", "--no-input", "--verbosity", "0"], ["bootstrap"], ["participant", "sync"])
        self._start_workers()
        self._start_web()
        for name, port in self.utilities_here().items():
            supervisor.wait_until_answers(self._child(name), f"http://127.0.0.1:{port}/healthz")
        self._manage(["sandbox", "load"])
        supervisor.wait_until_answers(self._child("web"), f"{self.base}/readyz")

    def watch(self) -> NoReturn:
        """Stay until somebody stops us; end with an error when a child ends by itself."""
        while True:
            for child in self.children:
                if not child.is_running():
                    raise DidNotStart(f"{child.name} ended by itself:\n{child.last_words()}")
            if self.postgres and self.postgres.process and self.postgres.process.poll() is not None:
                raise DidNotStart("PostgreSQL ended by itself; see " + str(self.postgres.log))
            time.sleep(0.3)

    def down(self) -> None:
        supervisor.stop_all(self.children)
        if self.postgres:
            self.postgres.stop()

    def _refuse_taken_ports(self) -> None:
        mine = [self.port, *self.utilities_here().values(), self.port + MUTUAL_TLS]
        mine += [self.port + NATIONAL, self.port + AGENCIES, self.port + STAFF]
        taken = [port for port in mine if not _is_free(port)]
        if taken:
            raise DidNotStart(f"port {', '.join(map(str, taken))} is taken by another program; choose another PORT")

    def _settle(self) -> None:
        """Generate the settings at the first start; note where the database listens this time."""
        values = (
            generated.read(self.settings_file)
            if self.settings_file.exists()
            else generated.settings_for(
                self.port,
                folder=self.folder,
                utility_ports=self.utility_ports,
                mutual_ports={generated.UTILITY_B: self.port + MUTUAL_TLS},
                national_port=self.port + NATIONAL,
                agencies_port=self.port + AGENCIES,
                staff_port=self.port + STAFF,
            )
        )
        values = generated.with_staff(values, self.port + STAFF)  # a demo from before the console had its own sign-in
        generated.certify(self.folder)
        if not os.environ.get("DATABASE_URL"):
            self.postgres = Postgres(self.folder)
            self.postgres.start()
            self.postgres.create_database(DATABASE)
            values["DATABASE_URL"] = self.postgres.url(DATABASE)
        generated.write(self.settings_file, values)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            **os.environ,
            "SETTINGS_FILE": str(self.settings_file),
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PYTHONUNBUFFERED": "1",
            **more,
        }

    def _manage(self, *commands: list[str]) -> None:
        """Run some of `manage.py`'s commands. Raises DidNotStart with what they said."""
        command = [sys.executable, "-c", supervisor.SEVERAL, json.dumps(commands)]
        done = subprocess.run(command, cwd=ROOT, env=self.environment(), capture_output=True, text=True)
        if done.returncode:
            names = ", ".join(" ".join(words[:2]) for words in commands)
            raise DidNotStart(f"manage.py ({names}) failed:\n{(done.stdout + done.stderr)[-3000:]}")

    def utilities_here(self) -> dict[str, int]:
        return {} if os.environ.get("UTILITIES") else self.utility_ports

    def _start_utilities(self) -> None:
        values = generated.read(self.settings_file)
        for name, port in self.utilities_here().items():
            command = [sys.executable, "-m", "sandbox.utility", "--port", str(port), "--utility", name]
            command += ["--var", str(self.folder), "--clock-offset", self._clock_offset()]
            self._start(name, command, **generated.of_utility(values, name))
        if self.utilities_here():
            for name, after in (("national", NATIONAL), ("agencies", AGENCIES), ("staff", STAFF)):
                port = self.port + after
                command = [sys.executable, "-m", f"sandbox.{name}", "--port", str(port)]
                self._start(name, [*command, "--var", str(self.folder), "--clock-offset", self._clock_offset()])

    def _child(self, name: str) -> Child:
        return next(child for child in self.children if child.name == name)

    def _start_workers(self) -> None:
        """With an outside broker the worker and the beat are processes; without one they live in the web process."""
        if not _has_broker():
            return
        celery = [sys.executable, "-m", "celery", "--app", "config", "--quiet"]
        self._start("worker", [*celery, "worker", "--without-gossip", "--without-mingle"])
        self._start("beat", [*celery, "beat"])

    def _start_web(self) -> None:
        (ROOT / "build" / "static").mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1"]
        command += ["--port", str(self.port), "--workers", "1", "--no-ws"]
        command += ["--log-level", "warning", "config.front:application"]
        self._start("web", command, RUN_WORKER_IN_WEB="false" if _has_broker() else "true")

    def _start(self, name: str, command: list[str], **more: str) -> None:
        child = supervisor.start(name, command, environment=self.environment(**more), folder=ROOT, logs=self.logs)
        self.children.append(child)

    def _clock_offset(self) -> str:
        return os.environ.get("CLOCK_OFFSET") or generated.read(self.settings_file).get("CLOCK_OFFSET", "0")


def _has_broker() -> bool:
    return os.environ.get("CELERY_BROKER_URL", "memory://") not in ("", "memory://")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def warm_up(demo: Demo) -> None:
    """Have the identity providers start, which they do with their first request: nobody should wait for that."""
    here = demo.utilities_here()
    ports = [*here.values(), *(demo.port + each for each in (NATIONAL, AGENCIES, STAFF))] if here else []
    for port in ports:
        address = f"http://127.0.0.1:{port}/o/.well-known/openid-configuration"
        threading.Thread(target=_look_at, args=(address,), daemon=True).start()


def _look_at(address: str) -> None:
    with suppress(OSError), urllib.request.urlopen(address, timeout=60):
        pass


def say_where(demo: Demo) -> None:
    """Print the addresses, who lives in the sandbox, and the one line that scripts wait for."""
    port = "" if demo.port == 8000 else f" --port {demo.port}"
    print(f"\n  {demo.base:<28} the program owner: POST /beckn/<action>, /verify, /.well-known/did.json, /readyz")
    here = demo.utilities_here()
    for name, utility_port in here.items():
        print(f"  {f'http://127.0.0.1:{utility_port}':<28} sandbox utility {name}: who is who")
    if here:
        national = f"http://127.0.0.1:{demo.port + NATIONAL}"
        print(f"  {national:<28} national identity: who signs in without a utility")
        print(f"  {f'{demo.base}/oidc/sign-in':<28} sign in; user names and passwords are on the pages of who is who")
        for name, utility_port in here.items():
            print(f"\n  Sign in at {name} ({f'http://127.0.0.1:{utility_port}/o/account/'}): user name, password")
            for login, password in _sign_ins(utility_port):
                print(f"    {login:<16} {password}")
        agencies = f"http://127.0.0.1:{demo.port + AGENCIES}"
        print(
            f"\n  Agents sign in at {demo.base}/agency/sign-in: user name, password; then the code at {agencies}/outbox"
        )
        for login, password, name in _people_of(demo.port + AGENCIES):
            print(f"    {login:<16} {password:<12} {name}")
        staff = f"http://127.0.0.1:{demo.port + STAFF}"
        print(f"\n  Staff sign in at {demo.base}/admin/: user name, password; then the code at {staff}/outbox")
        for login, password, name in _people_of(demo.port + STAFF):
            print(f"    {login:<16} {password:<12} {name}")
        print("\n  People of the sandbox:")
        for person in json.loads((ROOT / "sandbox" / "personas.json").read_text())["people"]:
            print(f"    {person['name']:<16} {person['did']:<32} {person.get('story', '')}")
    print(f"\n  Logs: {demo.logs.relative_to(ROOT)}/   Commands: .venv/bin/python manage.py{port} demo journey")
    print("  Ctrl-C stops everything; the data stays until `make demo-reset`.\n")
    print(f"ready {demo.base}", flush=True)


def _sign_ins(port: int) -> list[tuple[str, str]]:
    """User names and passwords as the utility's own page shows them; none when it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            page = answer.read().decode()
    except OSError:
        return []
    return sorted(set(re.findall(r"Signs in as <code>([^<]+)</code> with <code>([^<]+)</code>", page)))


def _people_of(port: int) -> list[tuple[str, str, str]]:
    """User names, passwords and names as the agencies' provider's own page shows them."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10) as answer:
            page = answer.read().decode()
    except OSError:
        return []
    return re.findall(r"<code>([^<]+)</code> <code>([^<]+)</code> ([^<]+)</li>", page)


def _stop(_sign: int, _frame: FrameType | None) -> None:
    raise Stopped


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.up", description=__doc__)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--reset", action="store_true", help="wipe what this deployment keeps")
    options = parser.parse_args()
    demo = Demo(options.port)
    demo.take()
    if options.reset:
        shutil.rmtree(demo.folder)
        print(f"var/{options.port}/ is gone; the next `make demo` starts from nothing.")
        return 0
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, _stop)
    try:
        demo.up()
        say_where(demo)
        warm_up(demo)
        demo.watch()
    except Stopped:
        print("\nstopping …", flush=True)
        return 0
    except (DidNotStart, PostgresFailed) as problem:
        print(f"The demo stops: {problem}", file=sys.stderr)
        return 1
    finally:
        for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(sign, signal.SIG_IGN)  # being stopped twice must not leave half of it running
        demo.down()


if __name__ == "__main__":
    sys.exit(main())
