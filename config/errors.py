"""The last answers: what a stranger reads when nothing else answered. Never a trace, always something to quote.

Machines get RFC 9457 problem JSON. Browsers get the same as a page, made by `ErrorPages` of any problem that any room
answers: no room needs error pages of its own.
"""

import json
import logging
import math
import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string

from config.pages import house
from identity.console_sessions import is_console

log = logging.getLogger(__name__)
PROBLEM = "application/problem+json"
PAGE_TOO_OLD = "PAGE_TOO_OLD"  # in a problem's `code`: the page's own words then, in the reader's language
AT_CONSOLE = {
    403: "You may not do this",
    404: "There is nothing at this address",
    405: "This page cannot be used like that",
    409: "This has changed meanwhile",
    429: "Too many at once",
    500: "Something went wrong on our side",
    503: "Not possible right now",
}
ONCE_MORE = "This page is out of date"
TITLES = {
    400: "The request cannot be understood.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
    405: "This address does not take this method.",
    500: "Something went wrong on our side.",
}


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return answer(request, 404)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django has logged the exception already; the reference leads to that line."""
    return answer(request, 500)


def out_of_date(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form without its CSRF token: as a rule a page that was open for too long."""
    return problem(409, "This page was open for too long, or your browser keeps no cookies.", code=PAGE_TOO_OLD)


def answer(request: HttpRequest, status: int) -> HttpResponse:
    """Say what happened; an error of ours with the reference that leads to its log line."""
    reference = getattr(request, "reference", "") or uuid.uuid4().hex
    return problem(status, TITLES[status], **({"reference": reference} if status >= 500 else {}))


def problem(status: int, title: str, **more: str) -> HttpResponse:
    """Return RFC 9457 problem details."""
    content = {"type": "about:blank", "title": title, "status": status, **more}
    return JsonResponse(content, status=status, content_type=PROBLEM)


class ErrorPages:
    """Middleware: what went wrong, as a page of the house where a browser asked. Status and headers stay.

    For everybody else Django's own refusals, which say nothing and call that HTML, become problem details.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code < 400 or _is_page(response):
            return response
        if not wants_page(request):
            _say_plainly(response)
        else:
            try:
                page = _page(request, response)
            except Exception:  # the answer about a failure must not fail: the plain one is left
                log.exception("an error page could not be made")
            else:
                _replace(response, page, "text/html; charset=utf-8")
        return response


def _page(request: HttpRequest, response: HttpResponse) -> str:
    said = _context(request, response)
    if not is_console(request):
        return render_to_string("error.html", said)
    title = ONCE_MORE if said["is_too_old"] else AT_CONSOLE.get(response.status_code, "This did not work")
    return render_to_string("console/error.html", {**admin.site.each_context(request), **said, "title": title})


def _say_plainly(response: HttpResponse) -> None:
    """Make problem details of a refusal without a page: `405 Method Not Allowed`, `Forbidden` and their like."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        title = TITLES.get(response.status_code, "") or response.reason_phrase
        content = {"type": "about:blank", "title": title, "status": response.status_code}
        _replace(response, json.dumps(content), PROBLEM)


def _replace(response: HttpResponse, content: str, content_type: str) -> None:
    response.content = content
    response.headers["Content-Length"] = str(len(response.content))  # another middleware has counted
    response.headers["Content-Type"] = content_type


def wants_page(request: HttpRequest) -> bool:
    """Whether the caller is a browser: it prefers HTML to JSON."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"


def _is_page(response: HttpResponse) -> bool:
    """Whether somebody made a page already. Django's own refusals call themselves HTML and are none."""
    if response.streaming:
        return True
    kind = response.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        return response.content.lstrip()[:9].lower() == b"<!doctype"
    return not kind.startswith((PROBLEM, "text/plain"))


def _context(request: HttpRequest, response: HttpResponse) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if response.headers.get("Content-Type", "").startswith(PROBLEM):
        said = json.loads(response.content)
    title = str(said.get("title", ""))
    sentence = str(said.get("detail") or title)
    after = response.headers.get("Retry-After", "")
    return {
        **house(),
        "request": request,
        "status": response.status_code,
        "is_too_old": said.get("code") == PAGE_TOO_OLD,
        "sentence": "" if sentence in TITLES.values() or said.get("code") == PAGE_TOO_OLD else sentence,
        # An error of ours always has something to quote: it leads to the request's line in the log.
        "reference": said.get("reference", "") or (_reference(request) if response.status_code >= 500 else ""),
        "minutes": math.ceil(int(after) / 60) if after.isdigit() else 0,
    }


def _reference(request: HttpRequest) -> str:
    return str(getattr(request, "reference", ""))
