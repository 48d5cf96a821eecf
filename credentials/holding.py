"""Is the caller the holder of a credential of ours? They have its link's token, or the credential itself."""

from __future__ import annotations

import hmac

from django.http import HttpRequest

from credentials.models import IssuedCredential
from credentials.services import access_digest


def holds(request: HttpRequest, row: IssuedCredential) -> bool:
    """Whether the request shows the link's token (`t`, in the address or in a form) or the credential as Bearer."""
    token = request.GET.get("t", "") or (request.POST.get("t", "") if request.method == "POST" else "")
    if token and hmac.compare_digest(access_digest(token), bytes(row.access_digest)):
        return True
    scheme, _, shown = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not shown:
        return False
    return any(hmac.compare_digest(shown.strip().encode(), form.text.encode()) for form in row.forms.all())
