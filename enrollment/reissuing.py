"""New credentials in place of old ones, where an enrolment goes on with other meters (R-P2.5, P7-5).

The old ones are revoked in the same transaction and named by `supersedes`: whoever looks at one of them learns that it
does not hold any more, and the holder has the one that does. Source: personas P2, spec credentials 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from audit.log import Actor
from credentials import services as credentials
from credentials.models import IssuedCredential
from enrollment import orders
from enrollment.enrolling import roles_of
from enrollment.models import Consent, ConsentEvent, Enrollment
from enrollment.results import IssuedLine, Order
from enrollment.states import EnrollmentState

SUPERSEDED = "SUPERSEDED"


def reissue(
    enrollment: Enrollment, meters_of: Mapping[Consent, Sequence[str]], actor: Actor, now: datetime
) -> dict[str, IssuedLine]:
    """Issue the enrolment's credential for the meters it has now, and those consents' for the meters given.

    Returns the new credentials as they are told, by the address of the one each replaces. The enrolment's and
    consents' rows are saved. Caller's transaction, with the enrolment locked and its meters written.
    """
    old = [enrollment.credential, *(consent.credential for consent in meters_of)]
    ders = set(enrollment.ders.values_list("der_ref", flat=True))
    of_enrollment = {
        "meters": list(enrollment.meters.order_by("pk").values_list("umid", flat=True)),
        "ders": sorted(ders),
        "roles": roles_of(enrollment.ders.values_list("der__type", flat=True)),
    }
    for consent in meters_of:
        consent.ders = [der for der in consent.ders if der in ders]
    new_claims = [of_enrollment, *({"meters": list(m), "ders": c.ders} for c, m in meters_of.items())]
    issued = credentials.issue(
        [_in_place_of(row, changed, enrollment, now) for row, changed in zip(old, new_claims, strict=True)],
        now=now,
        actor=actor,
    )
    credentials.revoke([row.pk for row in old], at=now, reason=SUPERSEDED, actor=actor)
    if enrollment.state == EnrollmentState.SUSPENDED:
        credentials.suspend([issued[0].id], at=now, actor=actor)
    enrollment.credential_id = issued[0].id
    enrollment.save(update_fields=["credential"])
    for (consent, umids), new in zip(meters_of.items(), issued[1:], strict=True):
        _move(consent, umids, new, actor, now)
    return {row.url: orders.just_issued(new, supersedes=row.url) for row, new in zip(old, issued, strict=True)}


def _in_place_of(
    row: IssuedCredential, changed: Mapping[str, Any], enrollment: Enrollment, now: datetime
) -> credentials.NewCredential:
    """The same statement with what has changed; a shape that does not name meters (DEG) stays as it is."""
    return credentials.NewCredential(
        kind="ENROLLMENT" if row.kind == "ENROLLMENT" else "CONSENT",
        subject_did=row.subject_did,
        claims={**row.claims, **{key: value for key, value in changed.items() if key in row.claims}},
        valid_from=max(row.valid_from, now),
        valid_until=row.valid_until,
        wire_valid_until=row.wire_valid_until or None,
        supersedes=row.pk,
        subject_pk=str(enrollment.subject_id),
        profile=row.profile,
        personal_claims=row.personal_claims,
    )


def _move(consent: Consent, umids: Sequence[str], new: credentials.Issued, actor: Actor, now: datetime) -> None:
    before = list(consent.meters)
    consent.meters, consent.credential_id = list(umids), new.id
    consent.save(update_fields=["meters", "ders", "credential"])
    ConsentEvent.objects.create(
        consent=consent,
        event="METERS_CHANGED",
        at=now,
        actor_kind=actor.kind,
        actor_id=actor.id,
        detail={"from": before, "to": list(umids), "credential": str(new.id)},
    )


def superseded_lines(fresh: Mapping[str, IssuedLine]) -> tuple[IssuedLine, ...]:
    """The credentials that were replaced, as they stand now: revoked."""
    rows = IssuedCredential.objects.filter(url__in=fresh).values_list("pk", flat=True)
    found = {entry.url: orders.issued_line(entry) for entry in credentials.entries(list(rows))}
    return tuple(found[url] for url in fresh)


def with_fresh(order: Order, fresh: Mapping[str, IssuedLine]) -> Order:
    """The order with its new credentials' links, whose tokens are known only now."""
    assert order.enrollment is not None
    by_id = {line.credential_id: line for line in fresh.values()}

    def told(line: IssuedLine) -> IssuedLine:
        new = by_id.get(line.credential_id)
        return line if new is None else replace(new, is_suspended=line.is_suspended)

    enrollment = order.enrollment
    consents = tuple(replace(c, credential=told(c.credential)) for c in enrollment.consents)
    return order.with_enrollment(replace(enrollment, credential=told(enrollment.credential), consents=consents))
