"""`/documents/{token}`: the door for a file that `on_init` asked for. The address is the permission.

POST brings it, PUT another in its place, DELETE takes it back, until its review begins. The file is the body itself
or, with POST, the one file of a form (`multipart/form-data`). What it is, its content says; its name and the type it
comes with count for nothing. Answers are JSON, refusals RFC 9457 problem documents.
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
from django.views.decorators.http import require_http_methods

from audit import clock
from enrollment import taking_files
from enrollment.models import Document
from enrollment.states import DocumentState
from files.looking import NotTaken


@csrf_exempt
@never_cache
@require_http_methods(["POST", "PUT", "DELETE"])
def upload(request: HttpRequest, token: str) -> HttpResponse:
    now = clock.now()
    asked = taking_files.asked_for(token, now, to_change=request.method != "POST")
    if isinstance(asked, NotTaken):
        return _problem(asked)
    done = taking_files.remove(asked, now) if request.method == "DELETE" else _taken(request, asked)
    return _problem(done) if isinstance(done, NotTaken) else _receipt(done)


def _taken(request: HttpRequest, asked: Document) -> Document | NotTaken:
    content = _content(request)
    if isinstance(content, NotTaken):
        return content
    return taking_files.take(asked, content, clock.now(), instead=request.method == "PUT")


def _content(request: HttpRequest) -> bytes | NotTaken:
    """The file's bytes, one more than are taken at most."""
    most = settings.DOCUMENT_MAX_BYTES + 1
    try:
        if request.content_type == "multipart/form-data" and request.method == "POST":
            sent = [file for _, each in request.FILES.lists() for file in each]
            if len(sent) != 1:
                return NotTaken("MALFORMED", "The form holds exactly one file.", 400)
            return bytes(sent[0].read(most))
        return bytes(request.read(most))
    except (OSError, MultiPartParserError, BadRequest):
        return NotTaken("MALFORMED", "The file did not come whole. Send it again.", 400)


def _receipt(row: Document) -> JsonResponse:
    """What we have now. The digest is of the bytes as they came; pictures are kept drawn again, under another one."""
    if row.state == DocumentState.ASKED:
        return JsonResponse({"documentId": row.document_id, "status": row.state})
    content: dict[str, Any] = {
        "documentId": row.document_id,
        "status": row.state,
        "sha256": row.sha256,
        "mediaType": row.media_type,
        "size": row.size,
        "scan": row.scan,
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
