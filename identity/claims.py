"""What of a token's claims we take notice of. Everything else is dropped before anything is written (decision 16).

An allow-list, because nobody can list all the names under which a provider might send a national identity number.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

# Protocol claims, and what the guide's providers say about a person's meters and accounts. No name, e-mail or number
# of the person: those come from the utility's system.
ALLOWED = frozenset(
    {
        "iss", "sub", "aud", "azp", "exp", "iat", "nbf", "jti", "nonce", "acr", "amr", "auth_time", "client_id",
        "scope", "sid", "at_hash", "did", "subject_id", "id_type", "utility_id", "meter_ids", "utility_customer_ids",
        "locale",
    }
)  # fmt: skip
LONGEST = 512  # characters of one text
MOST = 500  # entries of one list


def allowed(claims: Mapping[str, Any]) -> dict[str, Any]:
    """Return only the claims of the allow-list, and of those only texts, numbers and lists of texts."""
    return {name: value for name, value in claims.items() if name in ALLOWED and _is_plain(value)}


def text(claims: Mapping[str, Any], name: str) -> str:
    """Return a claim as text, empty where it is missing or something else."""
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def texts(claims: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Return a claim as texts; one text counts as a list of one."""
    value = claims.get(name)
    if isinstance(value, str):
        return (value,)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()


def instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """Return a NumericDate claim as an instant, None where it is missing or no plausible number."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 253_402_300_800:
        return None
    return datetime.fromtimestamp(value, UTC)


def subject_did(claims: Mapping[str, Any]) -> str:
    """Return what the network calls this person: `sub` where it is a DID, else the claim that carries one."""
    candidates: Sequence[str] = (text(claims, "sub"), text(claims, "did"), text(claims, "subject_id"))
    return next((each for each in candidates if each.startswith("did:")), "")


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return len(value) <= MOST and all(isinstance(each, str) and _is_plain(each) for each in value)
    if isinstance(value, str):
        return len(value) <= LONGEST and "\x00" not in value
    return isinstance(value, (int, float)) and not isinstance(value, bool)
