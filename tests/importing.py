"""An agency's file as its people send it: over HTTP, through the form of the page."""

from __future__ import annotations

import urllib.error
import urllib.request
import uuid
from collections.abc import Iterable

from sandbox import generated
from tests.identity.visiting import Page, Visitor
from tests.signing_in import _Form

HEADER = "reference,utility,account_number,program,language"
FLEX = "program-flex-demand-response-001"


def line(number: int, prefix: str = "A") -> str:
    """A row for one of utility A's made-up customers."""
    return f"{prefix}-{number:06},{generated.UTILITY_A},CUST-load-{number:06},{FLEX},"


def upload(visitor: Visitor, rows: Iterable[str]) -> str:
    """Send a file as the form does; return the import's address."""
    page = visitor.get("/agency/imports")
    assert page.status == 200, page
    fields = {name: _Form(page.text).values[name] for name in ("csrfmiddlewaretoken", "key")}
    border, content = uuid.uuid4().hex, "\r\n".join([HEADER, *rows])
    parts = [f'--{border}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    parts.append(
        f'--{border}\r\nContent-Disposition: form-data; name="file"; filename="list.csv"\r\n'
        f"Content-Type: text/csv\r\n\r\n{content}\r\n--{border}--\r\n"
    )
    address = f"{visitor.stack.base}/agency/imports"
    headers = {"Content-Type": f"multipart/form-data; boundary={border}", "Referer": address, "Accept": "text/html"}
    request = urllib.request.Request(address, "".join(parts).encode(), headers=headers)
    try:
        with visitor._opener.open(request, timeout=60) as answer:
            raise AssertionError(f"not taken: {answer.status}")
    except urllib.error.HTTPError as other:
        assert other.code == 303, other.read().decode()[:2000]
        return str(other.headers["Location"])


def press(visitor: Visitor, address: str, rest: str) -> Page:
    form = {"csrfmiddlewaretoken": _Form(visitor.get(address).text).values["csrfmiddlewaretoken"]}
    return visitor._open(f"{address}{rest}", form)
