"""Where an exception came from, without what it says: its text may quote a message, and messages hold personal data."""

import traceback


def trace(problem: BaseException) -> dict[str, str]:
    """Return the kind of an exception and the code lines it passed through, for `extra=` of a log line."""
    lines = traceback.format_tb(problem.__traceback__)
    return {"kind": type(problem).__name__, "trace": "".join(lines[-12:])}
