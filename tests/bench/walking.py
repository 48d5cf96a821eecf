"""`python -m tests.bench.walking http://…`: walk through the console's pages; print how long each took, as JSON.

Somebody with every role is signed in through the console's own sessions. Each address is asked in process once, which
counts its queries, and then over HTTP until its p95 is known; a slow one is not asked as often.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import django

# Other refusals are answers: of filters that go together with nothing, of acts that are over.
NO_ANSWER = (403, 404)
TIMES, PATIENCE_MS = 20, 3_000.0  # how often an address is asked, and after how much together it is enough


def main() -> None:
    django.setup()
    from django.db import connection
    from django.test.utils import CaptureQueriesContext, setup_test_environment

    from identity.staff import Role
    from tests.bench import crawling
    from tests.bench.population import plan
    from tests.staff import desk

    setup_test_environment()
    browser = desk(*Role)
    browser.raise_request_exception = False
    crawling.TYPED.update(_typed(plan))
    queries: dict[str, int] = {}
    failed: list[str] = []

    def get(address: str) -> tuple[int, str]:
        with CaptureQueriesContext(connection) as asked:
            answer = browser.get(address, follow=False)
            text = b"".join(answer.streaming_content) if answer.streaming else answer.content  # type: ignore[attr-defined]
        queries[address] = len(asked)
        if answer.status_code in NO_ANSWER or answer.status_code >= 500:
            failed.append(f"{answer.status_code} {address}")
        return answer.status_code, text.decode(errors="replace")

    found = list(crawling.crawl(get))
    cookies = "; ".join(f"{name}={each.value}" for name, each in browser.cookies.items())
    pages: dict[str, dict[str, Any]] = defaultdict(lambda: {"p95": 0.0, "queries": 0, "addresses": 0, "slowest": ""})
    for name, address in found:
        p95 = _p95(sys.argv[1] + address, cookies)
        page = pages[name]
        page["addresses"] += 1
        page["queries"] = max(page["queries"], queries[address])
        if p95 >= page["p95"]:
            page["p95"], page["slowest"] = p95, address
    print(json.dumps({"pages": pages, "failed": failed}))


def _typed(plan: Any) -> dict[str, tuple[str, ...]]:
    """What is there, and what is not, by the names of search fields."""
    year = (datetime.now(UTC) - timedelta(days=plan.DAYS)).year
    number = f"ENR-{year}-0005000"
    return {
        "q": (number, plan.enrollment(5_000), "order-5000", "nothing-of-the-kind"),
        "subject": (plan.subject(5_000),),
        "person": (plan.STAFF[0],),
        "agency": (plan.AGENCIES[2],),
        "participant": (plan.BAPS[3],),
        "object_id": (plan.enrollment(5_000),),
        "of": (number,),
        "id": ("txn-5000",),
    }


def _p95(address: str, cookies: str) -> float:
    from tests.bench.timing import percentile

    taken: list[float] = []
    while len(taken) < TIMES and sum(taken) < PATIENCE_MS:
        begun = time.perf_counter()
        request = urllib.request.Request(address, headers={"Cookie": cookies})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                answer.read()
        except urllib.error.HTTPError as problem:
            problem.read()
        taken.append((time.perf_counter() - begun) * 1000)
    return percentile(taken, 95)


if __name__ == "__main__":
    main()
