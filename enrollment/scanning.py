"""Looking for malware in what was uploaded, with whatever scanner the deployment names.

`DOCUMENT_SCANNER` is a command that reads the file from its standard input and ends with 0 for clean and 1 for
infected, as `clamdscan --no-summary -` does. None configured is an answer too, and is said wherever the file is shown.
"""

from __future__ import annotations

import logging
import shlex
import subprocess

from django.conf import settings

logger = logging.getLogger(__name__)

CLEAN, NONE_CONFIGURED = "CLEAN", "NONE_CONFIGURED"
SECONDS = 60


class Infected(Exception):
    """The scanner found something in the file."""


class ScannerUnavailable(Exception):
    """The scanner did not say; the file is not taken, and may be sent again."""


def scan(content: bytes) -> str:
    """CLEAN or NONE_CONFIGURED. Raises Infected, ScannerUnavailable."""
    command = shlex.split(settings.DOCUMENT_SCANNER)
    if not command:
        return NONE_CONFIGURED
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=SECONDS, check=False)  # noqa: S603 - an operator's setting
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise ScannerUnavailable(type(problem).__name__) from problem
    if done.returncode == 0:
        return CLEAN
    if done.returncode == 1:
        raise Infected
    logger.error("the document scanner failed", extra={"exit": done.returncode})
    raise ScannerUnavailable(f"exit {done.returncode}")
