"""`python -m tests.bench.population [--scale 0.01]`: fill the database of the settings; print what it took."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import sys
import time
from datetime import UTC, datetime

from tests.bench.population import part


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the whole: 1, 5 and 3 million")
    scale = parser.parse_args().scale
    begun, now = time.monotonic(), datetime.now(UTC)
    url = os.environ["DATABASE_URL"]
    # The journal's text and hashes are as much work as all the rest: a process each.
    spawn = multiprocessing.get_context("spawn")
    for names in (("first",), ("people", "journal")):
        parts = [spawn.Process(target=part.fill, args=(name, scale, now, url)) for name in names]
        for each in parts:
            each.start()
        for each in parts:
            each.join()
        if any(each.exitcode for each in parts):
            return 1
    _settle(url)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"seconds": time.monotonic() - begun, "megabytes": _megabytes(url), "memory": peak}))
    return 0


def _settle(url: str) -> None:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        connection.execute("CHECKPOINT")


def _megabytes(url: str) -> float:
    import psycopg

    with psycopg.connect(url) as connection:
        found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found is not None
    return float(found[0]) / 1_048_576


if __name__ == "__main__":
    sys.exit(main())
