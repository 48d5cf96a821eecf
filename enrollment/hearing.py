"""`POST /utilities/{id}/changes`: what a utility brings of its changes by itself, signed with the secret we share.

`X-Utility-Signature: t=<unix seconds>,v1=<hex HMAC-SHA-256 of "t.body">`, at most five minutes old. The body is a
page of the feed: `{"changes": [{changeId, kind, at, umid?, derId?, …}]}`. Sent again it changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from datetime import datetime

import orjson
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from audit import clock
from enrollment import feed
from utility_systems import news
from utility_systems.answers import UnusableAnswer

MAX_BYTES = 1 << 20
MAX_CHANGES = 500
TOLERANCE_SECONDS = 300
_SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")


@csrf_exempt
@never_cache
@require_POST
def changes(request: HttpRequest, utility_id: str) -> HttpResponse:
    now = clock.now()
    body = request.read(MAX_BYTES + 1)
    if len(body) > MAX_BYTES:
        return _problem(413, "The body is larger than 1 MiB.")
    if not _is_signed(request.headers.get("X-Utility-Signature", ""), body, utility_id, now):
        # The same words for a utility we do not know, so that nobody learns which ones there are.
        return _problem(401, "The signature does not hold.")
    try:
        items = news.read_changes(orjson.loads(body)).items
    except (ValueError, UnusableAnswer):
        return _problem(400, "This is no page of changes.")
    if len(items) > MAX_CHANGES:
        return _problem(413, f"At most {MAX_CHANGES} changes at once.")
    with transaction.atomic():
        new = feed.receive(utility_id, items, "WEBHOOK", now)
    return JsonResponse({"received": len(items), "new": new})


def signature(secret: str, body: bytes, at: int) -> str:
    """The header that signs a body."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _is_signed(header: str, body: bytes, utility_id: str, now: datetime) -> bool:
    secret = next((each.changes_secret for each in settings.UTILITIES if each.id == utility_id), "")
    found = _SIGNATURE.fullmatch(header)
    if not secret or found is None or abs(now.timestamp() - int(found[1])) > TOLERANCE_SECONDS:
        return False
    return hmac.compare_digest(header, signature(secret, body, int(found[1])))


def _problem(status: int, title: str) -> JsonResponse:
    content = {"type": "about:blank", "title": title, "status": status}
    return JsonResponse(content, status=status, content_type="application/problem+json")
