"""An operator's shell: a process with Django set up, in which every command is a fork of its own.

    python -m tests.operator FOLDER

Most of what a command costs is Django's start, and a run of the tests gives hundreds. Each line of standard input is
JSON: `commands` (lists of words), and the `pipe` of FOLDER into which the fork says what became of them; or `asleep`,
the stopped processes that go on when nobody is there any more to wake them.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
import traceback
from pathlib import Path


def do(commands: list[list[str]]) -> tuple[int, str, str]:
    """Return the exit code, what was said, and what was complained of. The first that fails is the last."""
    import manage

    said, complained, code = io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
        for command in commands:
            sys.argv = ["manage.py", *command]
            try:
                manage.main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
                if isinstance(end.code, str):
                    print(end.code, file=sys.stderr)
            except Exception:
                code = 1
                traceback.print_exc()
            if code:
                break
    return code, said.getvalue(), complained.getvalue()


def main() -> None:
    import django
    from django.core.checks import run_checks

    django.setup()
    run_checks()  # which imports all pages: once here, and not in every fork
    folder = Path(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the forks: the pipe says when one is over
    asleep: list[int] = []
    for line in sys.stdin:
        asked = json.loads(line)
        if "asleep" in asked:
            asleep = asked["asleep"]
        elif os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            with (folder / asked["pipe"]).open("w") as pipe:  # opened now: should the fork die, its end is heard
                pipe.write(json.dumps(do(asked["commands"])))
            os._exit(0)
    for pid in asleep:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGCONT)


if __name__ == "__main__":
    main()
