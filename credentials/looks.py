"""Looking at our own lists as a stranger does, after an act: by HTTP from the public address, signature and all.

What the database says is published is not yet what the world gets: a cache in between, a front that serves something
old, a name that leads elsewhere. A row (`PublicCheck`) asks for a look and keeps what was seen, for whoever acted.
Source: issue of the console (3), screens C4.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import transaction

from credentials import addresses, issuers, list_documents
from credentials.models import (
    BulkAct,
    BulkKind,
    IssuedCredential,
    PublicCheck,
    Purpose,
    StatusChange,
    StatusList,
    StatusListVersion,
)
from credentials.reasons import Disbelieved
from outbound import client
from outbound.guard import OutboundError, Policy

logger = logging.getLogger(__name__)

#: How many places of a list are looked at where an act has changed many.
SAMPLE = 25
#: A look that is under way belongs to its worker for so long; how soon one that has to wait is looked at again.
LEASE, NOT_YET = timedelta(seconds=30), timedelta(seconds=1)
#: A cache may show the list before for as long as the list allows; after that something is wrong.
FIRST_PAUSE, LONGEST_PAUSE, GIVE_UP_AFTER = timedelta(seconds=2), timedelta(minutes=1), timedelta(minutes=30)
_MAXIMUM_LIST = 512 * 1024
_SETS: Mapping[str, tuple[Purpose, bool]] = {
    BulkKind.REVOKE: (Purpose.REVOCATION, True),
    BulkKind.END: (Purpose.REVOCATION, True),
    BulkKind.SUSPEND: (Purpose.SUSPENSION, True),
    BulkKind.PAUSE: (Purpose.SUSPENSION, True),
    BulkKind.RESUME: (Purpose.SUSPENSION, False),
    BulkKind.GO_ON: (Purpose.SUSPENSION, False),
}


# --- asking ----------------------------------------------------------------------------------------------------------


def ask(about: str, credential_ids: Iterable[UUID], *, purpose: Purpose, is_set: bool, now: datetime) -> int:
    """Ask for a look at the lists of these credentials; return how many lists. Caller's transaction."""
    places: dict[int, list[int]] = {}
    rows = IssuedCredential.objects.filter(pk__in=list(credential_ids)).order_by("pk")
    for list_id, index in rows.values_list("status_list_id", "status_index"):
        places.setdefault(list_id, []).append(index)
    _write(about, places, purpose, is_set, now)
    return len(places)


def ask_about(act: BulkAct, list_ids: Sequence[int], *, now: datetime) -> None:
    """Ask for a look at each list that a finished act has touched, at a sample of what it changed there."""
    if act.kind not in _SETS:
        return
    purpose, is_set = _SETS[act.kind]
    _write(about(act), {pk: _sample(act, pk, purpose, is_set) for pk in list_ids}, purpose, is_set, now)


def about(act: BulkAct) -> str:
    return f"bulk:{act.pk}"


def checks_about(name: str) -> list[PublicCheck]:
    """The looks that an act has asked for, in the order of the lists."""
    rows = PublicCheck.objects.filter(about=name).select_related("status_list")
    return list(rows.order_by("status_list__kind", "status_list__number", "purpose"))


def _write(about: str, places: Mapping[int, list[int]], purpose: Purpose, is_set: bool, now: datetime) -> None:
    PublicCheck.objects.bulk_create(
        PublicCheck(
            about=about,
            status_list_id=pk,
            purpose=purpose,
            indexes=indexes,
            is_set=is_set,
            asked_at=now,
            due_at=now,
        )
        for pk, indexes in sorted(places.items())
        if indexes
    )


def _sample(act: BulkAct, list_id: int, purpose: Purpose, is_set: bool) -> list[int]:
    rows = IssuedCredential.objects.filter(status_list=list_id).order_by()
    if not is_set:  # nothing of a resumption is left in the row: what the manifest names there, if it runs now
        ids = [each for batch in act.batches.filter(lists__contains=[list_id])[:2] for each in batch.ids]
        rows = rows.filter(pk__in=ids, suspended_at=None)
    elif purpose == Purpose.REVOCATION:
        rows = rows.filter(revoked_at__gte=act.due_at, revocation_reason=act.reason)
    else:
        rows = rows.filter(suspended_at__gte=act.due_at)
    return list(rows.values_list("status_index", flat=True)[:SAMPLE])


# --- looking ---------------------------------------------------------------------------------------------------------


def is_due(now: datetime) -> bool:
    return PublicCheck.objects.filter(due_at__lte=now).exists()


def work(now: datetime) -> int:
    """Look at what is due; return how many looks were made. Safe in any number of processes at once."""
    count = 0
    while (check := _take(now)) is not None:
        count += _look(check, now)
    return count


def _take(now: datetime) -> PublicCheck | None:
    with transaction.atomic():
        rows = PublicCheck.objects.select_for_update(skip_locked=True, of=("self",)).filter(due_at__lte=now)
        check = rows.select_related("status_list").order_by("due_at", "pk").first()
        if check is None:
            return None
        PublicCheck.objects.filter(pk=check.pk).update(due_at=now + LEASE)
    return check


def _look(check: PublicCheck, now: datetime) -> int:
    """Look once; 0 where the list is not published yet."""
    waits = StatusChange.objects.filter(
        status_list=check.status_list_id, purpose=check.purpose, at__lte=check.asked_at
    ).exists()
    if waits:
        PublicCheck.objects.filter(pk=check.pk).update(due_at=now + NOT_YET)
        return 0
    seen, problem = _seen(check)
    is_over = not problem or now - check.asked_at >= GIVE_UP_AFTER
    pause = min(FIRST_PAUSE * 2 ** min(check.attempts, 10), LONGEST_PAUSE)
    PublicCheck.objects.filter(pk=check.pk).update(
        attempts=check.attempts + 1,
        fetched_at=now,
        version=seen,
        problem=problem[:300],
        due_at=None if is_over else now + pause,
    )
    return 1


def _seen(check: PublicCheck) -> tuple[int | None, str]:
    """The version that the world gets, and what is wrong with it, "" where it shows what was done."""
    url = url_of(check)
    try:
        answer = _client(addresses.base()).request(
            "GET",
            url,
            headers={"Accept": "application/vc+jwt", "Cache-Control": "no-cache"},
            max_bytes=_MAXIMUM_LIST,
        )
    except OutboundError as error:
        return None, f"The address did not answer: {error.reason}."
    if answer.status != 200:
        return None, f"The address answered {answer.status}."
    version = _version(check.status_list, check.purpose, answer.body)
    try:
        document = list_documents.read(answer.body, settings.ISSUER_DID, url)
        keys = [each.key for each in issuers.own_keys()]
        if not all(any(signature.made_by(key) for key in keys) for signature in document.signatures):
            return version, "What is served there is not signed with a key of ours."
        wrong = [index for index in _still(check) if bool(document.status_at(index)) != check.is_set]
    except Disbelieved as failed:
        return version, f"What is served there is no list of ours: {failed.detail}."
    if wrong:
        return version, f"It does not show {len(wrong)} of {len(check.indexes)} places as they are now."
    return version, ""


def _still(check: PublicCheck) -> list[int]:
    """The places that are as the act has left them: another one may have come since."""
    rows = IssuedCredential.objects.filter(status_list=check.status_list_id, status_index__in=check.indexes)
    field = "revoked_at" if check.purpose == Purpose.REVOCATION else "suspended_at"
    as_left = rows.filter(**{f"{field}__isnull": not check.is_set})
    return list(as_left.order_by().values_list("status_index", flat=True))


def url_of(check: PublicCheck) -> str:
    """The public address of the list that is looked at."""
    return addresses.status_list(check.status_list.kind, Purpose(check.purpose), check.status_list.number)


def _version(status_list: StatusList, purpose: str, body: bytes) -> int | None:
    """Which of our versions these bytes are, None for others."""
    rows = StatusListVersion.objects.filter(status_list=status_list, purpose=purpose)
    found = rows.filter(digest=hashlib.sha256(body).hexdigest()).order_by("-version")
    return found.values_list("version", flat=True).first()


@lru_cache(maxsize=4)
def _client(base: str) -> client.Client:
    """A client that may call our own public address, wherever that leads: it was configured, nobody sent it."""
    parts: Any = urlsplit(base)
    own = f"http://{parts.netloc}" if parts.scheme == "http" else str(parts.netloc)
    return client.Client(Policy(settings.DEPLOYMENT == "sandbox", (own,)))
