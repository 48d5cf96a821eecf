"""Is it revoked or suspended? What a credential says about its status, looked up with its issuer.

A list counts only if its own signature verifies with a key of the credential's issuer, it is of the purpose the
credential names, and it is in date. Whatever cannot be found out is STATUS_UNAVAILABLE: we fail closed.
Source: Bitstring Status List v1.0, 3.2; Token Status List, 6 and 8.3; DeDi; spec credentials.md 1, 3 and 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from credentials import asking, list_documents, problems
from credentials.asking import Deadline
from credentials.content import Content, malformed
from credentials.list_documents import IETF, KeysOf, unavailable
from credentials.reasons import Disbelieved, Reason

__all__ = ["LEEWAY", "KeysOf", "check", "entries_of"]

LEEWAY = timedelta(seconds=60)
REGISTRY = "registry"
"""The purpose of an entry that names a record in a DeDi registry of revocations."""

_MAXIMUM_ENTRIES = 8
_FAILED = {"revocation": Reason.REVOKED, "suspension": Reason.SUSPENDED}
_FAILED_TOKEN = {1: Reason.REVOKED, 2: Reason.SUSPENDED}
_HARMLESS = ("refresh", "message")  # purposes that say nothing against a credential


def entries_of(content: Content) -> list[dict[str, Any]]:
    """Return what has to be looked up: `[{"list", "index", "purpose"}]`, empty where the credential names no status.

    The JWT's own `status` claim counts where `credentialStatus` names nothing that tells a revocation.
    Raises Disbelieved: STATUS_UNAVAILABLE for a status of a kind we cannot check, MALFORMED for one that is none.
    """
    named = content.credential.get("credentialStatus")
    listed = named if isinstance(named, list) else [] if named is None else [named]
    if len(listed) > _MAXIMUM_ENTRIES:
        raise malformed("too many status entries")
    found = [entry for entry in map(_entry, listed) if entry is not None]
    if content.token_status is not None and all(entry["purpose"] == "suspension" for entry in found):
        found.append(_token_entry(content.token_status))
    return found


def check(
    entries: Sequence[Mapping[str, Any]], *, issuer: str, keys_of: KeysOf, deadline: Deadline, now: datetime
) -> None:
    """Return if no entry says otherwise; raise Disbelieved with REVOKED, SUSPENDED or STATUS_UNAVAILABLE."""
    for entry in sorted(entries, key=lambda each: str(each["purpose"])):
        if entry["purpose"] == REGISTRY:
            _check_registry(entry["list"], deadline)
        else:
            _check_list(entry, issuer, keys_of, deadline, now)


def _check_list(entry: Mapping[str, Any], issuer: str, keys_of: KeysOf, deadline: Deadline, now: datetime) -> None:
    purpose = entry["purpose"]
    found = list_documents.proven(entry["list"], purpose, issuer=issuer, keys_of=keys_of, deadline=deadline)
    if purpose not in found.purposes:
        raise unavailable("the list is of another purpose", problem=problems.STATUS_VERIFICATION)
    too_early = found.valid_from is not None and found.valid_from > now + LEEWAY
    if too_early or (found.valid_until is not None and found.valid_until <= now - LEEWAY):
        raise unavailable("the list is out of date", retryable=True, problem=problems.STATUS_VERIFICATION)
    status = found.status_at(entry["index"])
    if status:
        reason = (_FAILED_TOKEN if purpose == IETF else {1: _FAILED[purpose]}).get(status)
        if reason is None:
            raise unavailable("the list says something that only its issuer understands")
        raise Disbelieved(reason, f"the issuer's list says {reason.lower()}")


def _check_registry(url: str, deadline: Deadline) -> None:
    """A DeDi registry of revocations has a record of what was revoked, and 404 for what was not."""
    try:
        revoked = asking.is_there(url, accept="application/json", deadline=deadline)
    except asking.Unanswered as error:
        raise unavailable(f"the issuer's registry is not to be had: {error}", retryable=error.retryable) from error
    if revoked:
        raise Disbelieved(Reason.REVOKED, "the issuer's registry says revoked")


def _entry(named: object) -> dict[str, Any] | None:
    if not isinstance(named, Mapping):
        raise malformed("a status entry is no object")
    if named.get("type") == "dediregistry":
        return {"list": _address(named.get("id"), "the registry entry's id"), "index": 0, "purpose": REGISTRY}
    if named.get("type") != "BitstringStatusListEntry":
        raise unavailable("a status of this kind cannot be checked")
    purpose = named.get("statusPurpose")
    if not isinstance(purpose, str):
        raise malformed("statusPurpose is no text")
    if purpose in _HARMLESS:
        return None
    if purpose not in _FAILED or named.get("statusSize", 1) != 1:
        raise unavailable("a status of this purpose cannot be checked")
    index = _index(named.get("statusListIndex"), "statusListIndex")
    return {
        "list": _address(named.get("statusListCredential"), "statusListCredential"),
        "index": index,
        "purpose": purpose,
    }


def _token_entry(claim: object) -> dict[str, Any]:
    listed = claim.get("status_list") if isinstance(claim, Mapping) else None
    if not isinstance(listed, Mapping):
        raise unavailable("a status of this kind cannot be checked")
    index = listed.get("idx")
    if not isinstance(index, int):
        raise malformed("idx is no number")
    return {"list": _address(listed.get("uri"), "uri"), "index": _index(index, "idx"), "purpose": IETF}


def _index(index: object, name: str) -> int:
    if isinstance(index, bool) or not isinstance(index, int | str) or not str(index).isascii():
        raise malformed(f"{name} is no number")
    if not str(index).isdigit() or len(str(index)) > 12:
        raise malformed(f"{name} is no number")
    return int(index)


def _address(url: object, name: str) -> str:
    if not isinstance(url, str) or not url.startswith(("https://", "http://")) or len(url) > 1000:
        raise malformed(f"{name} is no address")
    return url
