"""`python -m tests.bench.bulk_worker`: a worker that does what `config.sweeper` does for credentials, and no more."""

import time
from datetime import datetime

import django


def main() -> None:
    django.setup()
    from django.conf import settings

    from audit import clock
    from credentials import tasks

    settings.NEWS_HAS_ROOM = "tests.bench.bulk_worker.always"  # nobody delivers here, so nobody reads either
    while True:
        tasks.sweep(clock.now())
        time.sleep(settings.SWEEP_SECONDS)


def always(bap_id: str, now: datetime) -> bool:
    return True


if __name__ == "__main__":
    main()
