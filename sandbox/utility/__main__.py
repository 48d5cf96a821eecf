"""Run one utility until a signal: `python -m sandbox.utility --port P --utility utility-example-001 --var DIR`."""

import argparse
import json
import os
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from sandbox.utility.app import CONFIG

UTILITIES = ("utility-example-001", "utility-example-002")
THREADS = 32  # a slow fault holds its callers; the page and /faults must still be answered


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.utility", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--utility", choices=UTILITIES, required=True)
    parser.add_argument("--var", type=Path, required=True, help="the deployment's folder: keys, log, registry.json")
    parser.add_argument("--public-url", default="", help="default http://127.0.0.1:PORT; the issuers' DIDs follow it")
    parser.add_argument("--clock-offset", type=float, default=0.0, help="seconds added to the clock")
    options = parser.parse_args()
    os.environ[CONFIG] = json.dumps(
        {
            "utility": options.utility,
            "var": str(options.var.resolve()),
            "public_url": (options.public_url or f"http://127.0.0.1:{options.port}").rstrip("/"),
            "clock_offset": options.clock_offset,
        }
    )
    Granian(
        "sandbox.utility.app:from_environment",
        factory=True,
        address="127.0.0.1",
        port=options.port,
        interface=Interfaces.WSGI,
        workers=1,
        workers_kill_timeout=3,  # a connection that nobody lets go keeps nothing from ending
        blocking_threads=THREADS,
        backpressure=THREADS,
        log_level=LogLevels.error,
    ).serve()


if __name__ == "__main__":
    main()
