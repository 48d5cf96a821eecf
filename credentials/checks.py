"""What the database must not hold where this deployment is a production one (decision 60).

Registered as system checks on the database: `config.start` runs them before a process serves, and so does
`manage.py check --database default`.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from audit import clock


@register(Tags.database)
def trust_is_fit_for_production(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """Refuse trust entries that only a sandbox may have."""
    if not databases or settings.DEPLOYMENT != "production":
        return []
    from credentials.models import TrustEntry

    entries = TrustEntry.objects.in_force(clock.now()).values_list("issuer", "source")
    wrong = sorted({issuer for issuer, source in entries if sandbox_only(issuer, source)})
    return [
        Error(
            f"The trust list holds {issuer}, which only a sandbox may believe.",
            hint=f"Run: manage.py trust remove --issuer {issuer}",
            id="credentials.E001",
        )
        for issuer in wrong
    ]


@register
def issuer_is_found_at_our_address(**_: Any) -> list[CheckMessage]:
    """Warn where our did:web is looked up somewhere else than where we serve its document."""
    did, public = str(settings.ISSUER_DID), urlsplit(str(settings.PUBLIC_URL))
    if not did.startswith("did:web:") or unquote(did.removeprefix("did:web:")).lower() == public.netloc.lower():
        return []
    return [
        Warning(
            f"ISSUER_DID {did} is not looked up at {settings.PUBLIC_URL}/.well-known/did.json.",
            hint="Nobody can check our credentials unless that document is served where the DID says.",
            id="credentials.W001",
        )
    ]


def sandbox_only(issuer: str, source: str = "") -> bool:
    """Whether an issuer is one of a sandbox: so marked, did:example, or a did:web on a port or a private host."""
    if source == "sandbox" or issuer.startswith("did:example:"):
        return True
    if not issuer.startswith("did:web:"):
        return False
    host, _, port = unquote(issuer.removeprefix("did:web:").partition(":")[0]).partition(":")
    if port or host == "localhost" or host.endswith((".localhost", ".local", ".test", ".example")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False
