"""What the public addresses of this package have in common: anybody may read them from anywhere, and cache them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from credentials.documents import as_served

View = Callable[..., HttpResponse]
_SAFE = ("GET", "HEAD", "OPTIONS")


def open_to_all(view: View) -> View:
    """Let every origin read this address with GET and HEAD; answer a browser's preflight; refuse other methods."""

    @csrf_exempt  # another method is refused as such, not for a form's missing token
    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method not in _SAFE:
            return allow_all_origins(HttpResponseNotAllowed(_SAFE))
        if request.method == "OPTIONS":
            response = HttpResponse(status=204)
            response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
            response.headers["Access-Control-Allow-Headers"] = "Accept, If-None-Match"
            response.headers["Access-Control-Max-Age"] = "86400"
            return allow_all_origins(response)
        return allow_all_origins(view(request, *args, **kwargs))

    return opened


def allow_all_origins(response: HttpResponse) -> HttpResponse:
    """No cookie and no secret is at these addresses, so any page may read them."""
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.headers["Access-Control-Expose-Headers"] = "ETag"
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


def cacheable(
    request: HttpRequest, body: Callable[[], str | bytes], *, digest: str, content_type: str, max_age: int
) -> HttpResponse:
    """Return the body, or 304 where the caller has it. `digest` identifies it; `max_age` in seconds."""
    etag = f'"{digest[:32]}"'
    known = request.headers.get("If-None-Match", "")
    unchanged = known.strip() == "*" or etag in [each.strip().removeprefix("W/") for each in known.split(",")]
    response = HttpResponse(status=304) if unchanged else HttpResponse(body(), content_type=content_type)
    if unchanged:
        del response.headers["Content-Type"]
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = f"public, max-age={max_age}"
    return response


def cacheable_json(
    request: HttpRequest, document: Mapping[str, Any], *, content_type: str, max_age: int
) -> HttpResponse:
    """Return a JSON document with ETag and Cache-Control."""
    body = as_served(document)
    digest = hashlib.sha256(body.encode()).hexdigest()
    return cacheable(request, lambda: body, digest=digest, content_type=content_type, max_age=max_age)


def problem(status: int, title: str) -> HttpResponse:
    """Return RFC 9457 problem details."""
    return JsonResponse(
        {"type": "about:blank", "title": title, "status": status},
        status=status,
        content_type="application/problem+json",
    )


def wants_page(request: HttpRequest) -> bool:
    """Whether the caller is a browser: it prefers HTML to JSON."""
    return request.get_preferred_type(["application/json", "text/html"]) == "text/html"
