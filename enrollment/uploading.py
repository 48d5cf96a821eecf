"""`POST /documents/{token}`: the door for a file that `on_init` asked for. The address is the permission.

The file is the body itself or the one file of a form (`multipart/form-data`). What it is, its content says; its name
and the type it comes with count for nothing. Answers are JSON, refusals RFC 9457 problem documents.
Source: decision 26, contract.md.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from audit import clock
from enrollment import documents
from enrollment.documents import NotTaken
from enrollment.models import Document


@csrf_exempt
@never_cache
@require_POST
def upload(request: HttpRequest, token: str) -> HttpResponse:
    now = clock.now()
    asked = documents.asked_for(token, now)
    if isinstance(asked, NotTaken):
        return _problem(asked)
    content = _content(request)
    if isinstance(content, NotTaken):
        return _problem(content)
    taken = documents.take(asked, content, now)
    return _problem(taken) if isinstance(taken, NotTaken) else _receipt(taken)


def _content(request: HttpRequest) -> bytes | NotTaken:
    """The file's bytes, one more than are taken at most."""
    most = settings.DOCUMENT_MAX_BYTES + 1
    try:
        if request.content_type == "multipart/form-data":
            sent = [file for _, each in request.FILES.lists() for file in each]
            if len(sent) != 1:
                return NotTaken("MALFORMED", "The form holds exactly one file.", 400)
            return bytes(sent[0].read(most))
        return bytes(request.read(most))
    except (OSError, MultiPartParserError, BadRequest):
        return NotTaken("MALFORMED", "The file did not come whole. Send it again.", 400)


def _receipt(taken: Document) -> JsonResponse:
    content: dict[str, Any] = {
        "documentId": taken.document_id,
        "status": taken.state,
        "sha256": taken.sha256,
        "mediaType": taken.media_type,
        "size": taken.size,
        "scan": taken.scan,
        "message": "Send init again and name this documentId in orderAttributes.documents[].",
    }
    return JsonResponse(content, status=201)


def _problem(problem: NotTaken) -> JsonResponse:
    content = {
        "type": "about:blank",
        "title": problem.sentence,
        "status": problem.status,
        "code": problem.code,
    }
    return JsonResponse(content, status=problem.status, content_type="application/problem+json")
