"""OpenID Connect Back-Channel Logout 1.0, which the library does not have: every client of a sitting is told."""

import logging
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

from django.conf import settings
from oauth2_provider.models import get_access_token_model, get_refresh_token_model

from sandbox.provider.models import Mark, Sitting
from sandbox.provider.validator import now, signed

log = logging.getLogger(__name__)
EVENT = "http://schemas.openid.net/event/backchannel-logout"
WAITS = (0.0, 0.5, 2.0)  # seconds before each try


def end(sitting: Sitting) -> None:
    """End a sitting: no code or refresh token of it counts any more, and its clients are told, each in a thread."""
    Sitting.objects.filter(pk=sitting.pk).update(ended=True)
    clients = set(Mark.objects.filter(sitting=sitting).values_list("client_id", flat=True))
    for model in (get_refresh_token_model(), get_access_token_model()):
        model.objects.filter(user=sitting.user, application__client_id__in=clients).delete()
    for client in settings.CONFIG["clients"]:
        if client["client_id"] in clients and client.get("back_channel"):
            token = logout_token(sitting, client["client_id"])
            threading.Thread(target=_tell, args=(client["back_channel"], token), daemon=True).start()


def logout_token(sitting: Sitting, client_id: str) -> str:
    issued_at = now()
    return signed(
        {
            "iss": settings.ISSUER,
            "aud": client_id,
            "sub": sitting.user.get_username(),
            "sid": sitting.sid,
            "iat": issued_at,
            "exp": issued_at + 120,
            "jti": uuid.uuid4().hex,
            "events": {EVENT: {}},
        },
        typ="logout+jwt",
    )


def _tell(address: str, token: str) -> None:
    body = urllib.parse.urlencode({"logout_token": token}).encode()
    for wait in WAITS:
        time.sleep(wait)
        try:
            with urllib.request.urlopen(urllib.request.Request(address, body), timeout=5):
                return
        except urllib.error.HTTPError as refused:
            if refused.code == 400:
                log.error("a client refuses a logout token")
                return
        except OSError:
            continue
