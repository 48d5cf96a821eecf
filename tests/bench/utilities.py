"""An init while the utility takes its time, over HTTP: from our POST to the callback's arrival, one at a time.

The sandbox utility holds each answer for 200 ms; beside it the same init with a utility that answers at once. And how
many silent answers it takes until a process stops asking.
"""

import time

from sandbox.supervisor import DidNotStart
from tests.bap import eventually
from tests.bench.deployment import MIGRATED, Deployment, Failed
from tests.bench.report import Figure
from tests.bench.timing import percentile
from tests.journeys import Journey, Json, Person
from tests.stack import Stack
from utility_systems.circuit import Circuit

SECTION = "An init with a slow utility, from the POST to the callback (one worker, one at a time)"
EACH, WARM_UP = 60, 5
HELD_SECONDS = 0.2
FIRST = 810_001


def run(deployment: Deployment) -> list[Figure]:
    stack = Stack(
        database_url=deployment.database("utilities", template=MIGRATED)["DATABASE_URL"],
        folder=deployment.folder / "utilities",
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
        deployment.drop("utilities")


def _measure(stack: Stack) -> list[Figure]:
    # The credentials are fetched before the utility is slowed: their fetching is the portal's time, not ours.
    prepared = [_journey(stack, number) for number in range(WARM_UP + 2 * EACH)]
    for journey, message in prepared[:WARM_UP]:
        _ms(journey, message)
    fast = [_ms(*each) for each in prepared[WARM_UP : WARM_UP + EACH]]
    stack.fault("slow", seconds=HELD_SECONDS)
    slow = [_ms(*each) for each in prepared[WARM_UP + EACH :]]
    stack.fault("none")
    return [
        Figure(SECTION, "utility answers at once, p50", percentile(fast, 50), "ms"),
        Figure(SECTION, "utility takes 200 ms, p50", percentile(slow, 50), "ms"),
        Figure(SECTION, "utility takes 200 ms, p95", percentile(slow, 95), "ms", at_most=600, note=f"{EACH} customers"),
        Figure(SECTION, "silent answers until a circuit opens", _failures_until_open(), "", at_most=5, at_least=5),
    ]


def _journey(stack: Stack, number: int) -> tuple[Journey, Json]:
    name = f"load-{FIRST + number:06}"
    journey = Journey(stack, Person(f"did:example:{name}", name, customer_id=f"CUST-{name}"))
    return journey, journey.init()


def _ms(journey: Journey, message: Json) -> float:
    began = time.monotonic()
    callback = journey.call(message)
    assert "error" not in callback.message["order"], callback.body
    eventually(journey.stack.idle)  # what one leaves behind is not the next one's time
    return 1000 * (callback.at - began)


def _failures_until_open() -> int:
    circuit, failures = Circuit(), 0
    while circuit.seconds_to_wait() == 0:
        circuit.failed()
        failures += 1
    return failures
