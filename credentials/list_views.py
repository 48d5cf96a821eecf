"""What anybody may fetch about status: the lists, in whichever form is asked for, and the DeDi look-up of one record.

Which entry of a list is looked up stays with whoever looks. A look-up names the credential, as DeDi's protocol has it.
Source: spec credentials.md 3; contract.md "Addresses".
"""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.cache import patch_vary_headers

from credentials import addresses, policy, served
from credentials.claims import instant
from credentials.models import IssuedCredential, Publication, Purpose
from credentials.web import cacheable, open_to_all, problem

JWT, TOKEN = "application/vc+jwt", "application/statuslist+jwt"
JSON = ("application/vc", "application/ld+json", "application/json")
_SUFFIXES = {"jwt": JWT, "json": JSON[0], "tsl": TOKEN}
_LARGEST_NUMBER = 1_000_000
_DEDI_REGISTRY_MAX_AGE = 86_400  # a revocation is final


@open_to_all
def status_list(request: HttpRequest, slug: str, number: int | None = None, suffix: str = "") -> HttpResponse:
    """A published status list: `vc+jwt`, JSON with a proof, or the IETF token, by suffix or else by Accept."""
    response = _status_list(request, slug, number, suffix)
    if response.status_code == 404:
        response.headers["Cache-Control"] = "no-store"  # the next list may be there in a second
    if not suffix:
        patch_vary_headers(response, ["Accept"])
    return response


def _status_list(request: HttpRequest, slug: str, number: int | None, suffix: str) -> HttpResponse:
    # List 1 has one address, the guide's: /1 is none.
    if slug not in addresses.SLUGS or (number is not None and not 1 < number <= _LARGEST_NUMBER):
        return problem(404, "There is no such status list.")
    kind, purpose = addresses.SLUGS[slug]
    # The token tells both purposes and names itself by the address that credentials name: the revocation list's.
    forms = [JWT, *JSON, *([TOKEN] if purpose == Purpose.REVOCATION else [])]
    if suffix and _SUFFIXES.get(suffix) not in forms:
        return problem(404, "There is no such status list.")
    content_type = _SUFFIXES[suffix] if suffix else request.get_preferred_type(forms)
    if content_type is None:
        return problem(406, f"This status list is served as {', '.join(forms)}.")
    publication = Publication.TOKEN if content_type == TOKEN else Publication(purpose)
    found = served.find(served.Name(kind, number or 1, publication, content_type in JSON))
    if found is None:
        return problem(404, "There is no such status list.")
    return cacheable(
        request,
        lambda: found.body,
        # The same bytes under another media type are another representation: a cache must not confuse them.
        digest=f"{found.digest[:24]}-{forms.index(content_type)}",
        content_type=content_type,
        max_age=policy.list_max_age_seconds(),
    )


@open_to_all
def dedi_record(request: HttpRequest, namespace: str, record: str) -> HttpResponse:
    """The record of a revoked credential (DeDi look-up protocol): 404 means that we have not revoked it.

    Unknown ids get the same answer as good ones. The namespace is our host or our DID.
    """
    found = _revoked(record) if namespace in addresses.dedi_namespaces() else None
    if found is None or found.revoked_at is None:
        response = problem(404, "No such record: this credential is not revoked by us.")
        response.headers["Cache-Control"] = "no-store"
        return response
    revoked_at = instant(found.revoked_at)
    data = {
        "namespace": namespace,
        "registry_name": addresses.DEDI_REGISTRY,
        "record_name": str(found.pk),
        "details": {"credential_id": found.url, "issuer": settings.ISSUER_DID, "revoked_at": revoked_at},
        "state": "live",
        "version": "1",
        "created_at": revoked_at,
        "updated_at": revoked_at,
    }
    response = JsonResponse({"message": "Resource retrieved successfully", "data": data})
    response.headers["Cache-Control"] = f"public, max-age={_DEDI_REGISTRY_MAX_AGE}"
    return response


def _revoked(record: str) -> IssuedCredential | None:
    """The credential of that id, if it is revoked: one of our ids in any spelling, or the id on the wire."""
    known = addresses.resolve_id(record)
    if known is None and (len(record) > 500 or "\x00" in record):
        return None
    rows = IssuedCredential.objects.filter(revoked_at__isnull=False)
    return (rows.filter(pk=known) if known else rows.filter(wire_id=record)).first()
