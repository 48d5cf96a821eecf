"""Revoking and suspending what the VC API issued: the act behind `POST /credentials/status`.

Only credentials of `Kind.GENERAL`: what belongs to an enrolment ends with the enrolment, which tells the portal,
frees the meters and journals why. Source: VC API (update status); spec credentials.md 3 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from audit.log import Actor
from credentials import addresses, publishing, services
from credentials.models import IssuedCredential, Kind, Purpose

REASON = "VC_API"
_ENTRY = "BitstringStatusListEntry"
_MAXIMUM_CHANGES = 8
_SAID = {True: True, False: False, "1": True, "0": False, "true": True, "false": False}


class BadChange(ValueError):
    """The body does not say which status becomes what; the text says what is missing."""


class NoSuchCredential(Exception):
    """We have issued no credential with this id."""


class NotPossible(Exception):
    """The status of this credential cannot be set here, or not to this; the text says why and what to do instead."""


@dataclass(frozen=True)
class Change:
    """One status that becomes true or false. `place` is (list address, index) where the caller named it."""

    purpose: Purpose
    value: bool
    place: tuple[str, str] | None = None


@dataclass(frozen=True)
class Standing:
    """How the credential stands now. `published`: the lists show it; otherwise they will within seconds."""

    revoked: bool
    suspended: bool
    published: bool


def read_changes(body: Mapping[str, Any]) -> list[Change]:
    """Return what `credentialStatus` and `status` ask for; BadChange where they do not say it."""
    named = body.get("credentialStatus")
    listed = named if isinstance(named, list) else [named]
    entries = [each for each in listed if isinstance(each, dict)]
    if not entries or len(entries) != len(listed) or len(entries) > _MAXIMUM_CHANGES:
        raise BadChange(f"credentialStatus is one {_ENTRY} or a list of them.")
    return [_change(each, each.get("status", body.get("status", True))) for each in entries]


def apply(credential_id: object, changes: Sequence[Change], *, now: datetime, actor: Actor) -> Standing:
    """Set the status of every credential with this id, and publish the lists that show it.

    Revocation is final and idempotent. Raises NoSuchCredential or NotPossible; nothing was changed then.
    """
    rows = _rows(credential_id, changes)
    ids = [row.pk for row in rows]
    with transaction.atomic():
        for change in changes:
            _set(ids, change, now, actor)
    published = _publish({row.status_list_id for row in rows})
    entries = services.entries(ids)
    return Standing(
        revoked=all(each.revoked for each in entries),
        suspended=all(each.suspended for each in entries),
        published=published,
    )


def _change(entry: Mapping[str, Any], value: object) -> Change:
    if entry.get("type") != _ENTRY:
        raise BadChange(f"The type in credentialStatus is {_ENTRY}.")
    if entry.get("statusPurpose") not in Purpose.values:
        raise BadChange("statusPurpose is " + " or ".join(Purpose.values) + ".")
    if not isinstance(value, bool | str) or value not in _SAID:
        raise BadChange("status is true or false.")
    at, index = entry.get("statusListCredential"), entry.get("statusListIndex")
    place = (str(at), str(index)) if at is not None and index is not None else None
    return Change(Purpose(entry["statusPurpose"]), _SAID[value], place)


def _rows(credential_id: object, changes: Sequence[Change]) -> list[IssuedCredential]:
    if not isinstance(credential_id, str) or not credential_id:
        raise BadChange("credentialId is the id of the credential.")
    found = addresses.resolve_id(credential_id)
    named = Q(wire_id=credential_id) | (Q(pk=found) if found else Q(pk__in=()))
    every = IssuedCredential.objects.filter(named).select_related("status_list").order_by("pk")
    # An operator may issue under one id more than once; the entry tells them apart where it names a place.
    rows = [row for row in every if all(_is_at(row, change) for change in changes)]
    if not rows:
        raise NoSuchCredential("We have issued no credential with this id.")
    if any(row.kind != Kind.GENERAL for row in rows):
        raise NotPossible("This credential belongs to an enrolment: end the enrolment or withdraw the consent instead.")
    return rows


def _is_at(row: IssuedCredential, change: Change) -> bool:
    own = addresses.status_list(row.kind, change.purpose, row.status_list.number)
    return change.place is None or change.place == (own, str(row.status_index))


def _set(ids: Sequence[Any], change: Change, now: datetime, actor: Actor) -> None:
    if change.purpose is Purpose.SUSPENSION:
        act = services.suspend if change.value else services.resume
        act(ids, at=now, actor=actor)
    elif change.value:
        services.revoke(ids, at=now, reason=REASON, actor=actor)
    elif IssuedCredential.objects.filter(pk__in=ids, revoked_at__isnull=False).exists():
        raise NotPossible("A revocation is final: issue a new credential instead.")


def _publish(list_ids: set[int]) -> bool:
    try:
        publishing.ensure_published(list_ids)
    except publishing.NotPublished:
        return False  # others publish the same lists without a pause; the sweep does it in a second
    return True
