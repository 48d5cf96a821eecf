"""One person is one Subject, whichever door they come through: portal, agency, app.

A Subject is found by the sign-in (issuer and `sub`), else by what the network calls the person: the DID that the
provider names, else `issuer#sub`, which is what messages with the same tokens find, too. Never by name, e-mail or
number: those change hands (issue 4 point 1; Keycloak 53041).
"""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from audit.log import SYSTEM, Action, record
from identity.encryption import blind_index
from identity.models import Mandate, Subject, SubjectUtilityLink, User
from identity.tokens import Proven


class OtherPerson(Exception):
    """Two accounts that the utilities say belong to two people."""


def known_as(issuer: str, sub: str, did: str) -> str:
    """Return what the network calls the person of a sign-in."""
    return did or f"{issuer}#{sub}"


@transaction.atomic
def of_utility(user: User, proven: Proven, *, now: datetime) -> Subject:
    """Return whose sign-in at a utility this is, and keep how the utility knows them.

    Raises OtherPerson when the utility now names another DID for a sign-in that has one.
    """
    subject = living(user.subject)
    if subject is None or proven.subject_did:
        named = Subject.objects.for_did(known_as(proven.issuer, proven.sub, proven.subject_did))
        # They differ where the provider has begun to name a DID, or the account was linked to somebody's who had one.
        subject = joined(subject, named, now=now) if subject else named
    _set(user, subject)
    Subject.objects.select_for_update().get(pk=subject.pk)  # of two sign-ins at once the second finds what is there
    _remember(subject, proven, now)
    return subject


@transaction.atomic
def of_code(user: User, *, utility_id: str, did: str, account: str, now: datetime) -> Subject:
    """Return whose one-time code of a utility this was, and keep the account. Raises OtherPerson."""
    subject = living(user.subject)
    named = Subject.objects.for_did(known_as(user.issuer, user.sub, did))
    subject = joined(subject, named, now=now) if subject else named
    _set(user, subject)
    Subject.objects.select_for_update().get(pk=subject.pk)
    _keep_accounts(subject, utility_id, [account] if account else [], now)
    return subject


@transaction.atomic
def of_paper(did: str, *, utility_id: str, account: str, now: datetime) -> Subject:
    """Return whom the utility names as the holder of an account, and keep the account: a paper has proven it."""
    subject = Subject.objects.for_did(did)
    Subject.objects.select_for_update().get(pk=subject.pk)
    _keep_accounts(subject, utility_id, [account], now)
    return subject


@transaction.atomic
def link(first: User, second: User, *, now: datetime) -> Subject:
    """Make two users one person, after both have signed in in one session. Raises OtherPerson.

    A user of a national provider has no Subject of their own until a utility's proof gives them one.
    """
    one, other = living(first.subject), living(second.subject)
    subject = joined(one, other, now=now) if one and other else one or other
    if subject is None:
        raise OtherPerson("neither account is known to a utility")
    for user in (first, second):
        _set(user, subject)
    record(Action.SUBJECT_LINKED, actor=SYSTEM, at=now, object_type="subject", object_id=str(subject.pk))
    return subject


def joined(one: Subject, other: Subject, *, now: datetime) -> Subject:
    """Return the one Subject of two that are one person; the one that a utility has named lives on.

    Raises OtherPerson where both were named: two DIDs are two people.
    """
    if one == other:
        return one
    if _is_named(one) and _is_named(other):
        raise OtherPerson("the utilities name two people")
    lives, ends = (other, one) if _is_named(other) else (one, other)
    _merge(ends, lives, now)
    return lives


def living(subject: Subject | None) -> Subject | None:
    """Return the Subject that lives on of one that may have been merged."""
    return subject.merged_into if subject and subject.merged_into_id else subject


def _is_named(subject: Subject) -> bool:
    return bool(subject.did and subject.did.startswith("did:"))


def _set(user: User, subject: Subject) -> None:
    if user.subject_id != subject.pk:
        user.subject = subject
        user.save(update_fields=["subject"])


def _merge(ends: Subject, lives: Subject, now: datetime) -> None:
    # Both are locked in one order, so that two merges at once wait for each other and do not deadlock.
    ids = sorted((ends.pk, lives.pk))
    locked = {each.pk: each for each in Subject.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    if any(each.merged_into_id for each in locked.values()):
        raise OtherPerson("one of the two was merged meanwhile")
    Subject.objects.filter(merged_into=ends).update(merged_into=lives)
    User.objects.filter(subject=ends).update(subject=lives)
    Mandate.objects.filter(subject=ends).update(subject=lives)
    _move_links(ends, lives)
    Subject.objects.filter(pk=ends.pk).update(merged_into=lives)
    record(
        Action.SUBJECT_MERGED,
        actor=SYSTEM,
        at=now,
        object_type="subject",
        object_id=str(lives.pk),
        details={"merged": str(ends.pk)},
    )


def _move_links(ends: Subject, lives: Subject) -> None:
    known = set(lives.utility_links.filter(status="ACTIVE").values_list("utility_id", "customer_index"))
    for link in ends.utility_links.all():
        if link.customer_index is not None and (link.utility_id, link.customer_index) in known:
            link.status = SubjectUtilityLink.Status.ENDED  # the one that lives on has this account already
        link.subject = lives
        link.save(update_fields=["subject", "status"])


def _remember(subject: Subject, proven: Proven, now: datetime) -> None:
    """Keep the sign-in, and each account that the utility says is this person's."""
    said = {"acr": proven.acr, "amr": list(proven.amr), "auth_time": proven.auth_time, "status": "ACTIVE"}
    SubjectUtilityLink.objects.update_or_create(
        utility_id=proven.utility_id,
        iss=proven.issuer,
        sub=proven.sub,
        defaults={"subject": subject, **said},
        create_defaults={"subject": subject, "linked_at": now, **said},
    )
    _keep_accounts(subject, proven.utility_id, proven.utility_customer_ids, now)


def _keep_accounts(subject: Subject, utility_id: str, numbers: Sequence[str], now: datetime) -> None:
    for number in numbers:
        index = blind_index(number, purpose="utility_customer_id")
        named = {"utility_id": utility_id, "customer_index": index, "subject": subject, "status": "ACTIVE"}
        if not SubjectUtilityLink.objects.filter(**named).exists():
            SubjectUtilityLink.objects.create(**named, utility_customer_id=number, linked_at=now)
