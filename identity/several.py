"""Sign-ins at several utilities that one message carries, and whether they are one person's (personas P5).

Each is proven like the only one of a message is; besides, it must be the sign-in of the utility it is said to be of
(mix-up), at most ten minutes old, and the same person's as the first. A link reference stands for sign-ins that our
own portal has seen in one session. No name, number or address is compared.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from identity import links, people, tokens
from identity.models import SubjectUtilityLink
from identity.providers import Provider, ProviderUnavailable, keys_of
from identity.tokens import TOKEN_INVALID, Proven, Unproven

FRESH = timedelta(minutes=10)
SUBJECT_MISMATCH = "SUBJECT_MISMATCH"
SECONDARY = "SECONDARY"


@dataclass(frozen=True)
class NotProven:
    """Which of the sign-ins failed (its utility, as the message named it), and why."""

    utility_id: str
    why: Unproven


def prove(
    entries: Sequence[Mapping[str, Any]], first: Proven | None, *, participant_id: str, order_id: str, now: datetime
) -> list[Proven] | NotProven:
    """Return all sign-ins, the primary one first, or the one that is not proven.

    `entries` are `{utilityId, role, authMethod, accessToken, idToken?}`; `first` is the one of `userAuth`, which is
    then the primary. Asks providers for keys: no transaction open.
    """
    _warm([str(each.get("utilityId", "")) for each in entries])
    ordered = sorted(entries, key=lambda each: each.get("role") == SECONDARY)
    found = [first] if first is not None else []
    for entry in ordered:
        utility_id = str(entry.get("utilityId", ""))
        proof = tokens.prove(entry, participant_id=participant_id, order_id=order_id, now=now)
        problem = proof if isinstance(proof, Unproven) else _problem(proof, utility_id, now)
        if isinstance(proof, Unproven) or problem is not None:
            return NotProven(utility_id, problem or proof)  # type: ignore[arg-type]
        if not any(proof.utility_id == each.utility_id and proof.sub == each.sub for each in found):
            found.append(proof)
    return _one_person(found)


def redeem(
    reference: str, first: Proven | None, *, participant_id: str, order_id: str, now: datetime
) -> list[Proven] | NotProven:
    """The sign-ins a link reference stands for; it counts once. `first`, that of `userAuth`, must be theirs, too."""
    found = links.redeem(reference, participant_id, order_id, now)
    if isinstance(found, Unproven):
        return NotProven("", found)
    if first is None:
        return found
    others = [each for each in found if (each.utility_id, each.sub) != (first.utility_id, first.sub)]
    return _one_person([first, *others])


def _problem(proof: Proven, utility_id: str, now: datetime) -> Unproven | None:
    if proof.utility_id != utility_id:
        return Unproven(TOKEN_INVALID, "A token was not issued for the utility that it was sent for.")
    if proof.auth_time is None or now - proof.auth_time > FRESH:
        return Unproven(TOKEN_INVALID, "A sign-in is older than ten minutes; sign in again.")
    return None


def _one_person(found: list[Proven]) -> list[Proven] | NotProven:
    first = found[0]
    for other in found[1:]:
        if not _is_same(first, other):
            # No word about whose the other one is.
            return NotProven(other.utility_id, Unproven(SUBJECT_MISMATCH, "The sign-ins are not of the same customer."))
    return found


def _is_same(one: Proven, other: Proven) -> bool:
    """By the DID that both utilities name, else by what we have linked after both had signed in."""
    if one.subject_did and other.subject_did:
        return one.subject_did == other.subject_did
    subjects = [_subject_of(each) for each in (one, other)]
    return subjects[0] is not None and subjects[0] == subjects[1]


def _subject_of(proven: Proven) -> Any:
    link = (
        SubjectUtilityLink.objects.filter(utility_id=proven.utility_id, iss=proven.issuer, sub=proven.sub)
        .select_related("subject__merged_into")
        .first()
    )
    living = people.living(link.subject) if link is not None else None
    return living.pk if living is not None else None


def _warm(utility_ids: Sequence[str]) -> None:
    """Have the keys of all the providers fetched at the same time; the proofs then find them here."""
    providers = [each for each in settings.OIDC_PROVIDERS if set(each.utilities) & set(utility_ids)]
    if len(providers) > 1:
        with ThreadPoolExecutor(len(providers)) as pool:
            list(pool.map(_fetch, providers))


def _fetch(provider: Provider) -> None:
    with suppress(ProviderUnavailable):
        keys_of(provider)
