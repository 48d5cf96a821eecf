"""The journal's public face: its seals and the keys to check them with. Nothing about any event."""

from datetime import date

from django.http import Http404, HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from audit import seals
from audit.models import Seal
from audit.signer import signer

SHOWN = 400  # days


@require_safe
def seal_list(request: HttpRequest) -> JsonResponse:
    """Answer the newest seals, oldest first; each follows the one before it by its digest."""
    newest = Seal.objects.order_by("-day")[:SHOWN]
    return _public({"seals": [seals.published(each) for each in reversed(newest)]})


@require_safe
def seal_of_day(request: HttpRequest, day: str) -> JsonResponse:
    """Answer one day's seal, or 404."""
    try:
        found = Seal.objects.get(day=date.fromisoformat(day))
    except (ValueError, Seal.DoesNotExist):
        raise Http404("No seal of this day.") from None
    return _public(seals.published(found))


@require_safe
def keys(request: HttpRequest) -> JsonResponse:
    """Answer the public keys of the seals as a JWK set."""
    return _public(seals.published_keys(signer().public_keys()))


def _public(body: dict[str, object]) -> JsonResponse:
    response = JsonResponse(body)
    response["Access-Control-Allow-Origin"] = "*"
    response["Cache-Control"] = "public, max-age=300"
    return response
