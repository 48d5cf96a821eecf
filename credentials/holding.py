"""Is the caller the holder of a credential of ours? They have its link's token, or the credential itself.

The credential itself is with everybody to whom it was ever shown. It opens what it says already; it is no authority to
make something new of it, like a copy bound to another key.
"""

from __future__ import annotations

import hmac
import json

from django.http import HttpRequest

from credentials import strict_json
from credentials.models import IssuedCredential
from credentials.services import access_digest


def holds(request: HttpRequest, row: IssuedCredential) -> bool:
    """Whether the request shows the link's token (`t`, in the address or in a form) or the credential as Bearer."""
    if holds_link(request, row):
        return True
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown:
        return False
    wanted = _one_spelling(shown.strip())
    return any(hmac.compare_digest(wanted, _one_spelling(form.text)) for form in row.forms.all())


def holds_link(request: HttpRequest, row: IssuedCredential) -> bool:
    """Whether the request shows the token of the credential's link, which only its holder was given."""
    token = request.GET.get("t", "") or (request.POST.get("t", "") if request.method == "POST" else "")
    return bool(token) and hmac.compare_digest(access_digest(token), bytes(row.access_digest))


def _one_spelling(credential: str) -> bytes:
    """The bytes to compare: of JSON those of one order, spacing and escaping, since whoever got it has read it once."""
    if not credential.startswith("{"):
        return credential.encode()
    try:
        return json.dumps(strict_json.read(credential), sort_keys=True).encode()
    except strict_json.NotReadable:
        return b""
