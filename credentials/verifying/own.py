"""The status of our own credentials, from our own rows: they are the truth, and newer than any list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from credentials import addresses
from credentials.addresses import resolve_id
from credentials.models import IssuedCredential
from credentials.reasons import Disbelieved, Reason

_COLUMNS = ("pk", "url", "wire_id", "revoked_at", "suspended_at")
_Row = tuple[UUID, str, str, datetime | None, datetime | None]


def check(credential_id: str, entries: Sequence[Mapping[str, Any]]) -> None:
    """Return if the credential stands; raise Disbelieved with REVOKED, SUSPENDED or STATUS_UNAVAILABLE.

    It is found by its place in a list, which no two share, or by its id where it names no place.
    """
    row = _found(credential_id, entries)
    if row is None:
        raise Disbelieved(Reason.STATUS_UNAVAILABLE, "we have no such credential")
    *_, revoked_at, suspended_at = row
    if revoked_at:
        raise Disbelieved(Reason.REVOKED, "the credential was revoked")
    if suspended_at:
        raise Disbelieved(Reason.SUSPENDED, "the credential is suspended")


def _found(credential_id: str, entries: Sequence[Mapping[str, Any]]) -> _Row | None:
    if any(not str(each["list"]).startswith(f"{addresses.base()}/") for each in entries):
        raise Disbelieved(Reason.STATUS_UNAVAILABLE, "the credential names a list that is not ours")
    places = {(place, int(each["index"])) for each in entries if (place := _list_at(str(each["list"])))}
    if len(places) > 1:
        return None
    row = _at(*places.pop()) if places else _named(credential_id)
    if row is None or credential_id in ("", row[1], row[2]) or resolve_id(credential_id) == row[0]:
        return row
    return None


def _at(place: tuple[str, int], index: int) -> _Row | None:
    kind, number = place
    rows = IssuedCredential.objects.filter(
        status_list__kind=kind, status_list__number=number, status_index=index
    ).order_by()
    return rows.values_list(*_COLUMNS).first()


def _named(credential_id: str) -> _Row | None:
    found = resolve_id(credential_id)
    rows = IssuedCredential.objects.filter(pk=found) if found else IssuedCredential.objects.none()
    return rows.order_by().values_list(*_COLUMNS).first()


def _list_at(url: str) -> tuple[str, int] | None:
    """The kind and number of the list of ours at that address."""
    slug, _, number = url.removeprefix(f"{addresses.base()}/status/").partition("/")
    if slug not in addresses.SLUGS or (number and not number.isascii()):
        return None
    kind, purpose = addresses.SLUGS[slug]
    counted = int(number) if number.isdigit() and len(number) < 8 else 1
    return (str(kind), counted) if addresses.status_list(kind, purpose, counted) == url else None
