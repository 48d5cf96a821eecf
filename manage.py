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
    os.environ.setdefault("SETTINGS_FILE", str(HERE / "var" / port / "settings.env"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(arguments)


if __name__ == "__main__":
    main()
