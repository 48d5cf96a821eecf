"""An order as it stands, read from its rows into the value that every answer is written from. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from credentials import addresses
from credentials import services as credentials
from enrollment.models import Consent, Enrollment, EnrollmentCase, UtilityNotice
from enrollment.results import (
    ConsentLine,
    DerLine,
    EnrollmentLine,
    IssuedLine,
    MeterLine,
    MeterState,
    Order,
    UtilityLine,
)
from enrollment.states import CaseState, ConsentState, EnrollmentState


def of_case(case: EnrollmentCase, *, transaction_id: str = "") -> Order:
    """The order with its enrolment, if it has one: three queries then, none otherwise."""
    enrollment = None
    if case.state == CaseState.CONFIRMED:
        enrollment = Enrollment.objects.select_related("subject", "credential").filter(case=case).first()
    return of_rows(case, enrollment, transaction_id=transaction_id)


def of_rows(case: EnrollmentCase, enrollment: Enrollment | None, *, transaction_id: str = "") -> Order:
    if enrollment is None:
        return bare(case, transaction_id=transaction_id)
    consents = list(Consent.objects.filter(enrollment=enrollment).order_by("granted_at", "pk"))
    entries = {
        entry.credential_id: entry
        for entry in credentials.entries([enrollment.credential_id, *(c.credential_id for c in consents)])
    }
    state = meter_state(EnrollmentState(enrollment.state))
    umids = enrollment.meters.values_list("umid", flat=True).order_by("pk")
    return bare(
        case,
        transaction_id=transaction_id,
        meters=[MeterLine(umid, is_proven=True, state=state) for umid in umids],
    ).with_enrollment(
        enrollment_line(
            enrollment,
            credential=issued_line(entries[enrollment.credential_id]),
            consents=[consent_line(c, issued_line(entries[c.credential_id])) for c in consents],
            utilities=_utilities(enrollment),
        )
    )


def _utilities(enrollment: Enrollment) -> tuple[UtilityLine, ...]:
    """What each utility was last to be told of the enrolment, and whether it has acknowledged all of it."""
    rows = UtilityNotice.objects.filter(enrollment=enrollment, kind="BILLING").order_by("pk")
    last, is_open = {row.utility_id: row for row in rows}, {row.utility_id for row in rows if not row.acknowledged_at}
    return tuple(
        UtilityLine(
            utility_id, row.event, row.effective_at, utility_id not in is_open, row.acknowledged_at, row.acknowledgement
        )
        for utility_id, row in sorted(last.items())
    )


def bare(
    case: EnrollmentCase,
    *,
    transaction_id: str = "",
    meters: Iterable[MeterLine] | None = None,
    ders: Iterable[DerLine] | None = None,
) -> Order:
    """The order's own fields, without what has to be looked up."""
    return Order(
        bap_id=case.bap_id,
        order_id=case.order_id,
        transaction_id=transaction_id or (case.transaction_ids[-1] if case.transaction_ids else ""),
        provider_id=case.provider_id,
        program_id=case.program_id,
        fulfillment_id=case.fulfillment_id,
        subject_did=(case.subject.did or "") if case.subject is not None else "",
        case_state=CaseState(case.state),
        waiting_utility=case.waiting_utility,
        batch_id=case.batch_id,
        stopped_at=case.frozen_at,
        meters=tuple(meters) if meters is not None else tuple(MeterLine(umid) for umid in case.meters),
        ders=tuple(ders) if ders is not None else tuple(DerLine(der_id, "") for der_id in case.ders),
    )


def meter_state(state: EnrollmentState) -> MeterState:
    ended = state in (EnrollmentState.CANCELLED, EnrollmentState.EXPIRED)
    return MeterState.CANCELLED if ended else MeterState.ENROLLED


def enrollment_line(
    enrollment: Enrollment,
    *,
    credential: IssuedLine,
    consents: Sequence[ConsentLine],
    utilities: tuple[UtilityLine, ...] = (),
) -> EnrollmentLine:
    return EnrollmentLine(
        enrollment_id=enrollment.enrollment_id,
        order_number=enrollment.order_number,
        state=EnrollmentState(enrollment.state),
        starts_at=enrollment.period.lower,
        ends_at=enrollment.period.upper,
        end_as_given=enrollment.end_as_given,
        enrolled_at=enrollment.enrolled_at,
        log_reference=enrollment.log_reference,
        credential=credential,
        consents=tuple(consents),
        end_scheduled_for=enrollment.end_scheduled_for,
        cancelled_at=enrollment.cancelled_at,
        end_log_reference=enrollment.end_log_reference,
        suspended_at=enrollment.suspended_at,
        suspension_reason=enrollment.suspension_reason,
        repair_until=enrollment.repair_until,
        utilities=utilities,
    )


def consent_line(consent: Consent, credential: IssuedLine) -> ConsentLine:
    return ConsentLine(
        consent_id=consent.consent_id,
        type=consent.consent_type,
        from_utility=consent.from_utility,
        to_utility=consent.to_utility,
        state=ConsentState(consent.state),
        granted_at=consent.granted_at,
        credential=credential,
        revoked_at=consent.revoked_at,
        revoke_scheduled_for=consent.revoke_scheduled_for,
    )


def issued_line(entry: credentials.StatusEntry) -> IssuedLine:
    """A credential issued earlier: its link comes without a token, of which only the digest was kept."""
    return IssuedLine(
        credential_id=str(entry.credential_id),
        url=entry.url,
        access_url=entry.url,
        verification_url=addresses.verification(entry.credential_id),
        jwt_ref=str(entry.credential_id),
        issued_at=entry.issued_at,
        supersedes=entry.supersedes,
        status_list_url=entry.status_list_url,
        status_list_index=entry.status_list_index,
        status_list_id=entry.status_list_id,
        is_revoked=entry.revoked,
        revoked_at=entry.revoked_at,
        is_suspended=entry.suspended,
    )


def just_issued(issued: credentials.Issued, *, supersedes: str = "") -> IssuedLine:
    return IssuedLine(
        credential_id=str(issued.id),
        url=issued.url,
        access_url=issued.access_url,
        offer_url=issued.offer_url,
        verification_url=issued.verification_url,
        jwt_ref=str(issued.id),
        supersedes=supersedes,
        issued_at=issued.issued_at,
        status_list_url=issued.status_list_url,
        status_list_index=issued.status_list_index,
        status_list_id=issued.status_list_id,
    )
