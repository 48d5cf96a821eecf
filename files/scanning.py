"""Looking for malware in what was uploaded, with whatever scanner the deployment names.

`DOCUMENT_SCANNER` is the address of a clamd (`clamd://host:3310`, `clamd:///run/clamav/clamd.ctl`) or a command that
reads the file from its standard input and ends with 0 for clean and 1 for infected, as `clamdscan --no-summary -`
does. None configured is an answer too, and is said wherever the file is shown.
"""

from __future__ import annotations

import logging
import shlex
import subprocess

from django.conf import settings

from outbound import clamd

logger = logging.getLogger(__name__)

CLEAN, NONE_CONFIGURED, INFECTED = "CLEAN", "NONE_CONFIGURED", "INFECTED"
SECONDS = 60
#: What every scanner finds and nobody is harmed by (eicar.org); in two parts, so that none finds it in here.
TEST_FILE = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD-" + r"ANTIVIRUS-TEST-FILE!$H+H*").encode()


class Infected(Exception):
    """The scanner found something in the file."""


class ScannerUnavailable(Exception):
    """The scanner did not say; the file is not taken, and may be sent again."""


def is_configured() -> bool:
    return bool(settings.DOCUMENT_SCANNER.strip())


def scan(content: bytes) -> str:
    """CLEAN or NONE_CONFIGURED. Raises Infected, ScannerUnavailable; no transaction may be open."""
    scanner = settings.DOCUMENT_SCANNER.strip()
    if not scanner:
        return NONE_CONFIGURED
    found = _by_clamd(scanner, content) if scanner.startswith("clamd://") else _by_command(scanner, content)
    if found:
        raise Infected
    return CLEAN


def _by_clamd(url: str, content: bytes) -> bool:
    try:
        return clamd.is_infected(url, content, seconds=SECONDS)
    except clamd.ClamdError as problem:
        logger.error("the document scanner failed", extra={"problem": str(problem)})
        raise ScannerUnavailable(str(problem)) from problem


def _by_command(command: str, content: bytes) -> bool:
    try:
        done = subprocess.run(shlex.split(command), input=content, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 - an operator's setting
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise ScannerUnavailable(type(problem).__name__) from problem
    if done.returncode not in (0, 1):
        logger.error("the document scanner failed", extra={"exit": done.returncode})
        raise ScannerUnavailable(f"exit {done.returncode}")
    return done.returncode == 1
