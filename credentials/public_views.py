"""What anybody may fetch: our JSON-LD context and schemas.

Source: spec credentials.md 3; contract.md "Addresses".
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from credentials import documents
from credentials.web import cacheable_json, open_to_all, problem

_DOCUMENT_MAX_AGE = 86_400  # a published version never changes


@open_to_all
def context(request: HttpRequest) -> HttpResponse:
    """Our JSON-LD context."""
    return cacheable_json(request, documents.context(), content_type="application/ld+json", max_age=_DOCUMENT_MAX_AGE)


@open_to_all
def deg_context(request: HttpRequest) -> HttpResponse:
    """Our JSON-LD context of the DEG profile."""
    return cacheable_json(
        request, documents.deg_context(), content_type="application/ld+json", max_age=_DOCUMENT_MAX_AGE
    )


@open_to_all
def schema(request: HttpRequest, name: str) -> HttpResponse:
    """A JSON Schema of ours."""
    document = documents.schema(name)
    if document is None:
        return problem(404, "There is no such schema.")
    return cacheable_json(request, document, content_type="application/schema+json", max_age=_DOCUMENT_MAX_AGE)
