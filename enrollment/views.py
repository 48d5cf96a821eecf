"""What anyone may read of the programs: the exact words of a consent (decision 34)."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from enrollment.models import ConsentText


@require_safe
@cache_control(public=True, max_age=86400, immutable=True)
def consent_text(request: HttpRequest, program: str, consent_type: str, version: str, locale: str) -> HttpResponseBase:
    """The bytes whose digest a grant echoes, as UTF-8 plain text. A text never changes under its address."""
    if "\x00" in program + consent_type + version + locale:
        raise Http404
    found = ConsentText.objects.filter(
        program__program_id=program, consent_type=consent_type, version=version, locale=locale
    ).first()
    if found is None:
        raise Http404("There is no such consent text.")
    response = HttpResponse(found.body.encode(), content_type="text/plain; charset=utf-8")
    response["Digest"] = found.digest
    response["Content-Language"] = locale
    response["Translation-Reviewed"] = "true" if found.is_read else "false"
    return response
