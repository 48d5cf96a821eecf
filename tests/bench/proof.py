"""An init whose customer is proven by a sign-in, over HTTP: from our POST to the callback's arrival, one at a time.

Cold: the worker has just been started, so the provider's configuration and keys are fetched on the way. Warm: they are
in its memory. Beside it the same init by a participant that may name its customer, for what a proof costs.
"""

import time
from typing import Any

from sandbox.supervisor import DidNotStart
from tests.bap import eventually
from tests.bench.deployment import MIGRATED, Deployment, Failed
from tests.bench.report import Figure
from tests.bench.timing import percentile
from tests.journeys import Journey, Person
from tests.signing_in import Tokens, tokens_of
from tests.stack import Stack

SECTION = "An init with token proof, from the POST to the callback (one worker, one at a time)"
WARM, COLD, UNPROVEN, WARM_UP = 100, 6, 50, 5
FIRST = 800_001


def run(deployment: Deployment) -> list[Figure]:
    stack = Stack(
        database_url=deployment.database("proof", template=MIGRATED)["DATABASE_URL"],
        folder=deployment.folder / "proof",
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
        deployment.drop("proof")


def _measure(stack: Stack) -> list[Figure]:
    numbers = iter(range(FIRST, FIRST + 10_000))
    people = [f"load-{next(numbers):06}" for _ in range(WARM_UP + WARM + COLD)]
    tokens = {name: tokens_of(stack, name) for name in people}
    for name in people[:WARM_UP]:
        _init_ms(stack, name, tokens[name])
    warm = [_init_ms(stack, name, tokens[name]) for name in people[WARM_UP : WARM_UP + WARM]]
    plain = [_init_ms(stack, f"load-{next(numbers):06}", None) for _ in range(UNPROVEN)]
    cold = []
    for name in people[WARM_UP + WARM :]:
        stack.restart("worker-1")
        # Everything else of the worker is warm: a message without a token went through it.
        _init_ms(stack, f"load-{next(numbers):06}", None)
        cold.append(_init_ms(stack, name, tokens[name]))
    return [
        Figure(SECTION, "warm JWKS, p50", percentile(warm, 50), "ms"),
        Figure(SECTION, "warm JWKS, p99", percentile(warm, 99), "ms", note=f"{WARM} customers"),
        Figure(SECTION, "cold JWKS, p50", percentile(cold, 50), "ms"),
        Figure(SECTION, "cold JWKS, p99", percentile(cold, 99), "ms", note=f"{COLD} restarts of the worker"),
        Figure(SECTION, "without a token, p50", percentile(plain, 50), "ms", note="the participant names its customer"),
    ]


def _init_ms(stack: Stack, name: str, tokens: Tokens | None) -> float:
    journey = Journey(stack, Person(f"did:example:{name}", name))
    message = journey.init(credentials=[], attributes=_proof(tokens))
    begun = time.monotonic()
    callback = journey.call(message)
    state = callback.message["order"]["beckn:fulfillments"][0]["beckn:state"]["beckn:descriptor"]["schema:name"]
    assert state == ("PENDING_CONFIRM" if tokens else "NEEDS_INPUT"), callback.body
    eventually(stack.idle)  # what one leaves behind is not the next one's time
    return (callback.at - begun) * 1000


def _proof(tokens: Tokens | None) -> dict[str, Any] | None:
    if tokens is None:
        return None
    return {"userAuth": {"authMethod": "OIDC", "accessToken": tokens.access_token, "idToken": tokens.id_token}}
