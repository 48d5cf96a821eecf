"""The portal's pages that ask nobody, over HTTP beside a bare view, and the last press until "You are enrolled".

One customer at a time, a new connection for each page as browsers on bad networks have it. What a page weighs and how
many requests it makes is printed by the browser tests (`tests/pages/test_joining.py`).
"""

from __future__ import annotations

import time

from sandbox.supervisor import DidNotStart
from tests.bap import eventually
from tests.bench.deployment import MIGRATED, Deployment, Failed
from tests.bench.report import Figure
from tests.bench.timing import percentile
from tests.identity.visiting import Visitor
from tests.signing_in import _Form
from tests.stack import Stack

SECTION = "The portal's pages that ask nobody (one customer at a time)"
TIMES, WARM_UP = 100, 5
PUBLIC = ("/", "/programs/program-flex-demand-response-001", "/accessibility")
PERSONAL = ("/enrolments", "/matrix", "/my-data")
FLOOR = "/healthz"
FLEX = "program-flex-demand-response-001"
JOINERS = 20
PATIENCE = 30.0  # seconds for one answer


def run(deployment: Deployment) -> list[Figure]:
    stack = Stack(
        database_url=deployment.database("portal", template=MIGRATED)["DATABASE_URL"],
        folder=deployment.folder / "portal",
        workers=1,
        broker="auto",
        sweep_seconds=0.2,
    )
    try:
        with stack:
            return _measure(stack)
    except (AssertionError, DidNotStart) as problem:
        raise Failed(str(problem)) from None
    finally:
        deployment.drop("portal")


def _measure(stack: Stack) -> list[Figure]:
    stack.manage("catalogue", "refresh")
    eventually(lambda: stack.sql("SELECT count(*) > 4 FROM portal_programs") == [(True,)])
    visitor = Visitor(stack)
    visitor.sign_in("load-700001")
    floor = _milliseconds(visitor, FLOOR)
    figures = [Figure(SECTION, f"{FLOOR}, p50", percentile(floor, 50), "ms", note="a bare view: the floor")]
    slowest = 0.0
    for address in (*PUBLIC, *PERSONAL):
        taken = _milliseconds(visitor, address)
        slowest = max(slowest, percentile(taken, 95))
        times = percentile(taken, 50) / percentile(floor, 50)
        note = f"p50 {percentile(taken, 50):.1f} ms, {times:.1f} × the floor"
        figures.append(Figure(SECTION, f"{address}, p95", percentile(taken, 95), "ms", note=note))
    figures.append(Figure(SECTION, "the slowest of them, p95", slowest, "ms", at_most=80))
    pressed = [_joined(stack, f"load-{number:06}") for number in range(710_001, 710_001 + JOINERS)]
    note = f"p50 {percentile(pressed, 50):.2f} s, {JOINERS} customers from the programs to the end"
    name = "from the press on Confirm to the page You are enrolled, p95"
    return [*figures, Figure(SECTION, name, percentile(pressed, 95), "s", at_most=3.0, note=note)]


def _joined(stack: Stack, person: str) -> float:
    """Walk one customer through the pages; return the seconds of the last press."""
    visitor = Visitor(stack)
    visitor.sign_in(person)
    address, begun = _press(visitor, f"/programs/{FLEX}/start", account="me"), 0.0
    answers = {"meters": {"meters": person}, "1": {"answer": "yes"}, "check": {"declared": "yes"}}
    while not address.endswith("/enrolled"):
        step = address.rpartition("/")[2]
        if step == "check":
            begun = time.perf_counter()
        address = (
            _answered(visitor, address) if step == "waiting" else _press(visitor, address, **answers.get(step, {}))
        )
    assert "You are enrolled" in visitor.get(address).text, address
    return time.perf_counter() - begun


def _press(visitor: Visitor, address: str, **answers: str) -> str:
    """Send the page's form with these answers; return where it leads."""
    sent = visitor._open(address, {**_Form(visitor.get(address).text).values, **answers})
    assert sent.status == 303, (address, sent.status, sent.heading)
    return sent.to


def _answered(visitor: Visitor, address: str) -> str:
    """Look again until the answer has come, as somebody without a script does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        page = visitor.get(address)
        if page.to:
            return page.to
        time.sleep(0.05)
    raise AssertionError(f"no answer came at {address}")


def _milliseconds(visitor: Visitor, address: str) -> list[float]:
    taken = []
    for number in range(WARM_UP + TIMES):
        begun = time.perf_counter()
        page = visitor.get(address)
        if number >= WARM_UP:
            taken.append((time.perf_counter() - begun) * 1000)
        assert page.status == 200, (address, page.status)
    return taken
