"""Queries of the console are planned for what they ask, each time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.db import connection
from django.http import HttpRequest, HttpResponse

from identity.console_sessions import is_console


class PlannedEachTime:
    """Middleware: no plan is kept of what the console asks.

    One list is asked for three of a million rows and, a minute later, for nearly all of them. A kept plan is for "some
    state": it cannot use the index of those few, and walks the whole table for them. What participants and customers
    ask is always as little, and many times a second; there plans are kept (settings, `prepare_threshold`).
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not is_console(request):
            return self.get_response(request)
        with connection.execute_wrapper(_planned_now):
            return self.get_response(request)


def _planned_now(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Ask without preparing. The connection goes back to the pool as it came, whatever becomes of the question."""
    line = context["connection"].connection
    before, line.prepare_threshold = line.prepare_threshold, None
    try:
        return execute(sql, params, many, context)
    finally:
        line.prepare_threshold = before
