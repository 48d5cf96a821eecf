"""A provider says that a session has ended there (OpenID Connect Back-Channel Logout 1.0)."""

import hashlib
from datetime import datetime, timedelta

from identity import claims as reading
from identity import jwts, sessions
from identity.inserting import insert_if_new
from identity.jwts import Rejected
from identity.models import LogoutToken

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LONGEST_AGE = timedelta(minutes=5)


def receive(token: str, *, now: datetime) -> int:
    """End what the logout token names; return how many sign-ins of ours that were.

    Raises jwts.Rejected for a token that is not believed or came before, ProviderUnavailable without its keys.
    """
    read = jwts.read(token, now=now, event=EVENT)
    said, provider = read.claims, read.provider
    if read.typ not in ("logout+jwt", "jwt", ""):
        raise Rejected("This is no logout token.")
    if not provider.client_id or provider.client_id not in reading.texts(said, "aud"):
        raise Rejected("The logout token is for another client.")
    issued_at, jti = reading.instant(said, "iat"), reading.text(said, "jti")
    if not jti or issued_at is None or now - issued_at > LONGEST_AGE:
        raise Rejected("The logout token has no id or is too old.")
    digest = hashlib.sha256(f"{provider.issuer}\x00{jti}".encode()).digest()
    seen = LogoutToken(digest=digest, expires_at=read.expires_at + jwts.LEEWAY)
    if not insert_if_new(seen, unique=("digest",)):
        raise Rejected("The logout token came before.")
    return sessions.end_at(provider.issuer, sub=reading.text(said, "sub"), sid=reading.text(said, "sid"), now=now)
