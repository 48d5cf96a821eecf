"""What anybody may fetch: our JSON-LD context and schemas, and the status lists.

Source: spec credentials.md 3; contract.md "Addresses".
"""

from __future__ import annotations

from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.utils.cache import patch_vary_headers

from credentials import documents, policy
from credentials.addresses import SLUGS
from credentials.models import StatusListVersion
from credentials.web import cacheable, cacheable_json, open_to_all, problem

LIST_TYPE = "application/vc+jwt"
_DOCUMENT_MAX_AGE = 86_400  # a published version never changes
_LARGEST_NUMBER = 1_000_000


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


@open_to_all
def status_list(request: HttpRequest, slug: str, number: int | None = None) -> HttpResponse:
    """A published status list as `vc+jwt`; which entry is looked up stays with whoever looks."""
    response = _status_list(request, slug, number)
    patch_vary_headers(response, ["Accept"])
    return response


def _status_list(request: HttpRequest, slug: str, number: int | None) -> HttpResponse:
    # List 1 has one address, the guide's: /1 is none.
    if slug not in SLUGS or (number is not None and not 1 < number <= _LARGEST_NUMBER):
        return problem(404, "There is no such status list.")
    if request.get_preferred_type([LIST_TYPE]) is None:
        return problem(406, f"A status list is served as {LIST_TYPE}.")
    kind, purpose = SLUGS[slug]
    published = StatusListVersion.objects.filter(
        status_list__kind=kind, status_list__number=number or 1, purpose=purpose
    ).order_by("-version")
    found = published.values_list("pk", "digest").first()
    if found is None:
        return problem(404, "There is no such status list.")
    pk, digest = found
    return cacheable(
        request,
        lambda: _body(pk, digest),
        digest=digest,
        content_type=LIST_TYPE,
        max_age=policy.list_max_age_seconds(),
    )


@lru_cache(maxsize=32)
def _body(pk: int, digest: str) -> str:
    """The bytes of one version, kept by what they are: which version is the newest is asked at every request."""
    return StatusListVersion.objects.values_list("body", flat=True).get(pk=pk, digest=digest)
