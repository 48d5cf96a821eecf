"""What log lines tell of a message: its ids, and where an exception came from, without what it says.

An exception's text may quote the message, and messages hold personal data.
"""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from structlog.contextvars import bound_contextvars

from beckn.models import Inbox, Outbox


def trace(problem: BaseException) -> dict[str, str]:
    """Return the kind of an exception and the code lines it passed through, for `extra=` of a log line."""
    lines = traceback.format_tb(problem.__traceback__)
    return {"kind": type(problem).__name__, "trace": "".join(lines[-12:])}


@contextmanager
def named(row: Inbox | Outbox) -> Iterator[None]:
    """Put the message's ids into every log line meanwhile, whoever writes it."""
    kind = "inbox" if isinstance(row, Inbox) else "outbox"
    ids = {kind: row.pk, "message_id": row.message_id, "transaction_id": row.transaction_id}
    with bound_contextvars(**ids):
        yield
