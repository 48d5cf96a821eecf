"""What a confirm writes: the enrolment with its meters and DERs, its claims, consents, credentials and journal lines.

Called inside the confirm's transaction, with the resources locked and the chosen meters free.
Source: onboarding guide 9, spec credentials 1, decisions 6, 19, 44, 49.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

from audit import log
from audit.log import Action, Actor, Line
from credentials import services as credentials
from enrollment import claims, conflicts, deg, notices, orders, relying, told
from enrollment.claiming import wanted_of
from enrollment.commands import ConfirmEnrollment, PrepareEnrollment
from enrollment.consents import RecordedConsent, consent_claims
from enrollment.dates import Period
from enrollment.facts import Decision, Facts
from enrollment.models import (
    Consent,
    ConsentEvent,
    Enrollment,
    EnrollmentCase,
    EnrollmentDer,
    EnrollmentMeter,
    ProgramVersion,
)
from enrollment.results import Confirmed, ConsentLine, MeterLine, MeterState
from enrollment.states import CaseState, ConsentState, EnrollmentState
from enrollment.waiting import stop_waiting
from identity.models import Subject
from utility_systems.models import Der, Meter


@dataclass(frozen=True)
class Checked:
    """All that a confirm found out, on the way to being written."""

    command: ConfirmEnrollment
    init: PrepareEnrollment
    version: ProgramVersion
    period: Period
    consents: tuple[RecordedConsent, ...]
    facts: Facts
    decision: Decision
    now: datetime
    status_entries: tuple[Mapping[str, Any] | None, ...] = ()  # of facts.evidence, in the same order


#: The meters' and DERs' rows by their wire ids.
Rows = tuple[dict[str, Meter], dict[str, Der]]


def enrol(
    case: EnrollmentCase,
    checked: Checked,
    umids: tuple[str, ...],
    found: tuple[conflicts.Conflict, ...],
    rows: Rows,
    actor: Actor,
) -> Confirmed:
    """Write the enrolment, its claims, consents and credentials. The locks are held and the meters are free."""
    checked = replace(checked, consents=consents_for(checked.consents, umids))
    now, version, period = checked.now, checked.version, checked.period
    subject = case.subject
    assert subject is not None
    meters, ders = rows
    enrollment = Enrollment(
        enrollment_id=f"enrollment-{uuid.uuid4()}",
        order_number=next_order_number(now),
        case=case,
        subject=subject,
        program_version=version,
        state=EnrollmentState.SCHEDULED if period.starts_at > now else EnrollmentState.ACTIVE,
        period=DateTimeTZRange(period.starts_at, period.ends_at, "[)"),
        end_as_given=period.end_as_given,
        enrolled_at=now,
    )
    der_types = {d.der_id: d.type for d in checked.facts.ders.values()}
    issued = credentials.issue(
        [_enrollment_credential(enrollment, checked, umids, der_types), *_consent_credentials(enrollment, checked)],
        now=now,
        actor=actor,
    )
    enrollment.credential_id = issued[0].id
    confirmed = Line(
        Action.ENROLLMENT_CONFIRMED,
        actor,
        now,
        subject=str(subject.pk),
        object_type="enrollment",
        object_id=enrollment.enrollment_id,
        before={"case": case.state},
        after={"state": enrollment.state, "meters": sorted(umids), "ders": sorted(der_types)},
        details={
            "order_number": enrollment.order_number,
            "program": case.program_id,
            "version": version.number,
            "credentials": [str(i.id) for i in issued],
            "consents": [c.type for c in checked.consents],
            "refused_meters": len(checked.decision.refused) + len({c.reference for c in found}),
        },
    )
    granted = replace(
        confirmed,
        action=Action.CONSENT_GRANTED,
        before=None,
        after={"state": enrollment.state},
        details={"types": [c.type for c in checked.consents], "bases": [c.basis for c in checked.consents]},
    )
    event, *_ = log.record_all([confirmed, granted] if checked.consents else [confirmed])
    enrollment.log_reference = event.reference
    enrollment.save(force_insert=True)
    EnrollmentMeter.objects.bulk_create(EnrollmentMeter(enrollment=enrollment, meter=meters[u], umid=u) for u in umids)
    if ders:
        EnrollmentDer.objects.bulk_create(
            EnrollmentDer(enrollment=enrollment, der=ders[d.der_id], der_ref=d.der_id) for d in checked.init.ders
        )
    claims.claim(
        wanted_of(version, umids, [d.der_id for d in checked.init.ders]),
        enrollment,
        case,
        period.starts_at,
        period.ends_at,
    )
    if checked.init.ders:
        found_certificates = relying.certificates_of(
            checked.init.ders, checked.facts, checked.decision, checked.status_entries
        )
        relying.rely(enrollment, found_certificates, now)
    of_utilities: dict[str, list[str]] = defaultdict(list)
    for umid in umids:
        of_utilities[meters[umid].utility_id].append(umid)
    told.note(enrollment, told.STARTED, period.starts_at, now, meters={enrollment.pk: of_utilities})
    at_home = next(iter(of_utilities.items()))
    notices.tell(case, notices.CONFIRMED, now, whose=at_home, at=period.starts_at.isoformat())
    consent_lines = write_consents(enrollment, checked.consents, issued[1:], actor, now)
    case.state, case.updated_at, case.payload = CaseState.CONFIRMED, now, None
    stop_waiting(case)
    case.save()
    return _confirmed(case, enrollment, checked, umids, found, issued[0], consent_lines)


def _confirmed(
    case: EnrollmentCase,
    enrollment: Enrollment,
    checked: Checked,
    umids: tuple[str, ...],
    found: tuple[conflicts.Conflict, ...],
    credential: credentials.Issued,
    consent_lines: Sequence[ConsentLine],
) -> Confirmed:
    refused = [MeterLine(r.umid, True, MeterState.REJECTED, r.refusal) for r in checked.decision.refused]
    refused += [
        MeterLine(c.reference, True, MeterState.REJECTED, conflicts.refusal([c])) for c in found if c.kind == "METER"
    ]
    order = orders.bare(
        case,
        transaction_id=checked.command.order.transaction_id,
        meters=[*(MeterLine(u, True, MeterState.ENROLLED) for u in umids), *refused],
    ).with_enrollment(
        orders.enrollment_line(enrollment, credential=orders.just_issued(credential), consents=consent_lines)
    )
    return Confirmed(order, checked.now, tuple(refused), found)


_ROLES = {"V2G_EV": "v2g-participant"}
_GENERATING = {"SOLAR_PV", "WIND", "BATTERY_STORAGE", "V2G_EV"}


def roles_of(der_types: Iterable[str]) -> list[str]:
    """What somebody with these kinds of devices is in a program."""
    types = set(der_types)
    return ["consumer", *(["prosumer"] if types & _GENERATING else []), *sorted(_ROLES[t] for t in types & set(_ROLES))]


def consents_for(consents: Sequence[RecordedConsent], umids: Sequence[str]) -> tuple[RecordedConsent, ...]:
    """The consents with the meters that are enrolled: nobody consents for one that was asked for and refused."""
    kept = (replace(c, meters=tuple(umid for umid in c.meters if umid in umids)) for c in consents)
    return tuple(consent for consent in kept if consent.meters)


def _enrollment_credential(
    enrollment: Enrollment, checked: Checked, umids: Sequence[str], der_types: Mapping[str, str]
) -> credentials.NewCredential:
    """The ProgramEnrollmentCredential's claims: no name, address, mobile or number of the person (credentials 1)."""
    subject = enrollment.subject
    end = checked.period.end_as_given or wire_instant(checked.period.ends_at)
    own = credentials.NewCredential(
        kind="ENROLLMENT",
        subject_did=subject_uri(subject),
        claims={
            "enrollmentId": enrollment.enrollment_id,
            "programId": checked.version.program.program_id,
            "programName": checked.version.name,
            "meters": list(umids),
            "ders": sorted(der_types),
            "roles": roles_of(der_types.values()),
            "constraints": {},
            "status": "ACTIVE",
            "startDate": wire_instant(checked.period.starts_at),
            **({"endDate": end} if end else {}),
        },
        valid_from=checked.period.starts_at,
        valid_until=checked.period.ends_at,
        wire_valid_until=checked.period.end_as_given or None,
        subject_pk=str(subject.pk),
    )
    return deg.shaped(own, checked, umids, subject) if checked.version.credential_profile == deg.PROFILE else own


def _consent_credentials(enrollment: Enrollment, checked: Checked) -> list[credentials.NewCredential]:
    return [
        credentials.NewCredential(
            kind="CONSENT",
            subject_did=subject_uri(enrollment.subject),
            claims=consent_claims(consent, valid_from=checked.now, valid_until=checked.period.ends_at),
            valid_from=checked.now,
            valid_until=checked.period.ends_at,
            wire_valid_until=checked.period.end_as_given or None,
            subject_pk=str(enrollment.subject.pk),
        )
        for consent in checked.consents
    ]


def write_consents(
    enrollment: Enrollment,
    recorded: Sequence[RecordedConsent],
    issued: Sequence[credentials.Issued],
    actor: Actor,
    now: datetime,
) -> list[ConsentLine]:
    """Insert granted consents with their credentials and their first event. Caller's transaction."""
    rows = [
        Consent(
            consent_id=c.consent_id,
            enrollment=enrollment,
            consent_type=c.type,
            from_utility=c.from_utility,
            to_utility=c.to_utility,
            grantor_id=enrollment.subject_id,
            state=ConsentState.GRANTED,
            is_required=c.is_required,
            outlives_enrollment=c.outlives_enrollment,
            basis=c.basis,
            terms=dict(c.terms),
            meters=list(c.meters),
            ders=list(c.ders),
            text_version=c.text_version,
            text_digest=c.text_digest,
            locale=c.locale,
            granted_at=now,
            valid_until=enrollment.period.upper,
            credential_id=i.id,
        )
        for c, i in zip(recorded, issued, strict=True)
    ]
    if rows:
        Consent.objects.bulk_create(rows)
        ConsentEvent.objects.bulk_create(
            ConsentEvent(
                consent=row,
                event="GRANTED",
                at=now,
                actor_kind=actor.kind,
                actor_id=actor.id,
                detail={"basis": row.basis, "textDigest": row.text_digest},
            )
            for row in rows
        )
    return [orders.consent_line(row, orders.just_issued(i)) for row, i in zip(rows, issued, strict=True)]


def subject_uri(subject: Subject) -> str:
    """The credential subject's id: its DID, or a name of ours that is a URI all the same."""
    return subject.did or f"urn:uuid:{subject.pk}"


def wire_instant(instant: datetime | None) -> str | None:
    """`2024-11-01T00:00:00Z`; None stays None."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if instant else None


def next_order_number(now: datetime) -> str:
    """`ENR-<year>-<six or more digits>` from the year's sequence, made when its first order comes (decision 19)."""
    sequence = f"enrollment_numbers_{now.year:d}"
    next_of_existing = "SELECT nextval(to_regclass(%s))"  # NULL where there is no such sequence yet
    with connection.cursor() as cursor:
        cursor.execute(next_of_existing, [sequence])
        (number,) = cursor.fetchone()
        if number is None:
            # IF NOT EXISTS alone races: two creators can both pass it and one then fails on the catalogue.
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [sequence])
            cursor.execute(f"CREATE SEQUENCE IF NOT EXISTS {sequence}")
            cursor.execute(next_of_existing, [sequence])
            (number,) = cursor.fetchone()
    return f"ENR-{now.year}-{number:06d}"
