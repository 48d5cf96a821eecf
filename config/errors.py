"""The last answers: what a stranger reads when nothing else answered. Never a trace, always something to quote.

Machines get RFC 9457 problem JSON, browsers a short page.
"""

import uuid

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.html import escape

TITLES = {
    400: "The request cannot be understood.",
    403: "This is not allowed.",
    404: "There is nothing at this address.",
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


def answer(request: HttpRequest, status: int) -> HttpResponse:
    """Say what happened in the caller's form: a page for a browser, problem JSON for everybody else."""
    reference = getattr(request, "reference", "") or uuid.uuid4().hex
    if wants_page(request):
        return HttpResponse(_page(TITLES[status], reference if status >= 500 else ""), status=status)
    problem = {"type": "about:blank", "title": TITLES[status], "status": status}
    if status >= 500:
        problem["reference"] = reference
    return JsonResponse(problem, status=status, content_type="application/problem+json")


def wants_page(request: HttpRequest) -> bool:
    return request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", "")


def _page(title: str, reference: str) -> str:
    quote = f"<p>Please quote this reference: <code>{escape(reference)}</code></p>" if reference else ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title></head><body><h1>{escape(title)}</h1>{quote}</body></html>"
    )
