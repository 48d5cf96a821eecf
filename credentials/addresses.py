"""The public addresses of what this package makes: one place that knows how they are written.

BASE is `settings.PUBLIC_URL`. Source: contract.md, spec credentials.md 3, decisions 22, 33, 50.
"""

import re
from urllib.parse import unquote, urlsplit
from uuid import UUID

from django.conf import settings

from credentials.models import Kind, Purpose

SLUGS = {
    "enrollment-list": (Kind.ENROLLMENT, Purpose.REVOCATION),
    "enrollment-suspension": (Kind.ENROLLMENT, Purpose.SUSPENSION),
    "consent-list": (Kind.CONSENT, Purpose.REVOCATION),
    "consent-suspension": (Kind.CONSENT, Purpose.SUSPENSION),
    "credential-list": (Kind.GENERAL, Purpose.REVOCATION),
    "credential-suspension": (Kind.GENERAL, Purpose.SUSPENSION),
}
DEDI_REGISTRY = "vc-revocation-registry"
_SLUG_OF = {meaning: slug for slug, meaning in SLUGS.items()}
_MAXIMUM_ID = 300
_LOOK_ALIKES = str.maketrans("oil", "011")  # no such letters are in an id; people read them into it
_SEPARATORS = re.compile(r"[\s.\-\u2010-\u2015]+")
_LINK = re.compile(r"(?:https?://)?(?P<host>[^/\s]+)/(?:verify|credentials)/(?P<id>[^/?#\s]+)", re.IGNORECASE)


def base() -> str:
    """The origin everything is served from, without a slash at the end."""
    return str(settings.PUBLIC_URL).rstrip("/")


def credential(credential_id: UUID) -> str:
    """A credential's id on the wire."""
    return f"{base()}/credentials/{credential_id}"


def verification(credential_id: UUID) -> str:
    """The page that says whether a credential is good."""
    return f"{base()}/verify/{credential_id}"


def status_list(kind: str, purpose: str, number: int) -> str:
    """A list's address; list 1 has the guide's own for ever, the next are /2, /3 …"""
    slug = _SLUG_OF[Kind(kind), Purpose(purpose)]
    return f"{base()}/status/{slug}" + (f"/{number}" if number > 1 else "")


def dedi_namespaces() -> tuple[str, ...]:
    """The namespaces of our revocation registry in DeDi's protocol: our host, or our DID (in a path often unquoted)."""
    did = str(settings.ISSUER_DID)
    return urlsplit(base()).netloc, did, unquote(did)


def context() -> str:
    """Our JSON-LD context."""
    return f"{base()}/contexts/energy-credentials-v1.jsonld"


def deg_context() -> str:
    """Our JSON-LD context of the DEG profile, beside the other."""
    return f"{base()}/contexts/energy-credentials-deg-v1.jsonld"


def schema(credential_type: str) -> str:
    """The JSON Schema of a credential type."""
    return f"{base()}/schemas/{credential_type}-v1.json"


def resolve_id(text: str) -> UUID | None:
    """Return the credential meant by a full URL, its last segment, `vc:<kind>:<uuid>` or a bare UUID.

    None where the text has none of these forms. Says nothing about whether the credential exists. Source: decision 50.
    """
    if not isinstance(text, str) or len(text) > _MAXIMUM_ID:
        return None
    if text.startswith(("http://", "https://")):
        prefix = f"{base()}/credentials/"
        if not text.startswith(prefix):
            return None
        text = text.removeprefix(prefix).partition("?")[0]
    last = text.rpartition(":")[2] if text.lower().startswith(("vc:enrollment:", "vc:consent:", "urn:uuid:")) else text
    try:
        found = UUID(last)
    except ValueError:
        return None
    # UUID() also takes braces, missing hyphens and "urn:"; one id has one spelling.
    return found if str(found) == last.lower() else None


def read_typed(text: str) -> UUID | None:
    """Return the credential meant by what a person typed or pasted; None where it is no id of any spelling.

    More patient than `resolve_id`, which reads what machines write: an address of ours with or without its scheme,
    the number in groups and in capitals as a receipt prints it, O for 0 and l for 1.
    """
    words = text.strip()
    link = _LINK.match(words)
    if link:
        if link["host"].lower() != base().partition("://")[2].lower():
            return None
        words = link["id"]
    found = resolve_id(words)
    if found is not None or len(words) > _MAXIMUM_ID:
        return found
    digits = number_of(words)
    return UUID(hex=digits) if re.fullmatch("[0-9a-f]{32}", digits) else None


def number_of(text: str) -> str:
    """Return the characters of a number as it was typed, without what separates them."""
    return _SEPARATORS.sub("", text).lower().translate(_LOOK_ALIKES)


def for_reading(credential_id: UUID) -> str:
    """Return the id in eight groups of four, as a receipt prints it; `read_typed` reads it back."""
    return " ".join(re.findall("....", credential_id.hex))
