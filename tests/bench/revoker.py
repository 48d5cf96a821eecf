"""An operator who revokes one credential after the other and looks when the world can see it.

    python -m tests.bench.revoker BASE COUNT

Runs with the environment of a stack. First a hundredth of the list is revoked; then, COUNT times, one credential: the
time runs from before the call that revokes it until a GET of the list shows it. Prints {"JWT": [ms …], "JSON": [ms …]}.
"""

import base64
import http.client
import json
import random
import sys
import time
from datetime import timedelta
from urllib.parse import urlsplit

import django

TYPES = {"JWT": "application/vc+jwt", "JSON": "application/vc"}
PAUSE = 0.005
PATIENCE = 20.0


def main() -> None:
    base, count = sys.argv[1], int(sys.argv[2])
    django.setup()
    from audit import clock
    from credentials import publishing, services

    first = [_issue() for _ in range(14)]
    services.revoke([each.id for batch in first for each in batch], at=clock.now(), reason="bench")
    publishing.ensure_published({each.status_list_id for batch in first for each in batch})
    found: dict[str, list[float]] = {form: [] for form in TYPES}
    chance, address = random.Random(1), urlsplit(base)
    line = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
    for number in range(count):
        form = list(TYPES)[number % 2]
        (issued,) = _issue(1)
        time.sleep(chance.uniform(0.05, 0.35))  # a second's sweep must not be met at the same moment every time
        begun = time.perf_counter()
        services.revoke([issued.id], at=clock.now(), reason="bench")
        _wait(line, issued.status_list_url.removeprefix(base), TYPES[form], int(issued.status_list_index))
        found[form].append((time.perf_counter() - begun) * 1000)
    print(json.dumps(found))


def _issue(number: int = 100) -> list:  # type: ignore[type-arg]
    from audit import clock
    from credentials import services

    claims = {"consentId": "consent-1", "consentType": "DATA_COLLECTION", "purposes": ["SETTLEMENT"]}
    now = clock.now()
    new = services.NewCredential("CONSENT", "did:example:bench", claims, now, now + timedelta(days=1))
    return services.issue([new] * number, now=now)


def _wait(line: http.client.HTTPConnection, path: str, accept: str, index: int) -> None:
    from credentials import bitstring

    etag, until = "", time.perf_counter() + PATIENCE
    while time.perf_counter() < until:
        line.request("GET", path, headers={"Accept": accept, **({"If-None-Match": etag} if etag else {})})
        answer = line.getresponse()
        body, etag = answer.read(), answer.headers["ETag"]
        if answer.status == 200:
            text = body if body.startswith(b"{") else base64.urlsafe_b64decode(body.split(b".")[1] + b"==")
            if bitstring.bit_at(bitstring.decode_list(json.loads(text)["credentialSubject"]["encodedList"]), index):
                return
        time.sleep(PAUSE)
    raise SystemExit(f"not visible within {PATIENCE} s")


if __name__ == "__main__":
    main()
