#!/usr/bin/env python
"""The operator's commands. `--port` chooses which local deployment under var/ they speak to."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def take_port(arguments: list[str]) -> tuple[list[str], str]:
    """Split `--port N` (or `--port=N`) from the arguments; the default deployment is 8000.

    `runserver` is left alone: its port is an argument of its own and it is not how this service is run.
    """
    rest, port = [], os.environ.get("PORT", "8000")
    items = iter(arguments)
    for item in items:
        if item == "--port":
            port = next(items, port)
        elif item.startswith("--port="):
            port = item.partition("=")[2]
        else:
            rest.append(item)
    return rest, port


def main() -> None:
    arguments, port = take_port(sys.argv)
    if not port.isdigit():
        sys.exit(f"--port wants a number, not {port!r}")
    settings_file = HERE / "var" / port / "settings.env"
    os.environ.setdefault("SETTINGS_FILE", str(settings_file))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ.setdefault("DATABASE_POOL", "0")  # a command has one thread, and should hear at once of a dead database
    from django.core.management import execute_from_command_line
    from django.db import OperationalError

    from config.env import Misconfigured

    try:
        execute_from_command_line(arguments)
    except Misconfigured as problem:
        there = settings_file.exists() or os.environ.get("DEPLOYMENT")
        sys.exit(str(problem) + ("" if there else f"\nThere is no var/{port}/ either; `make demo` would make one."))
    except OperationalError as problem:
        if "--traceback" in arguments:
            raise
        said = str(problem).strip().splitlines()
        sys.exit(f"The database does not answer: is the deployment running?\n  {said[0] if said else ''}")


if __name__ == "__main__":
    main()
