"""Enrolments and all they stand on: people, meters, cases, claims, consents, credentials, notices, documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import connection as django_connection

from credentials import lists
from credentials.models import IssuedCredential, StatusChange, StatusList
from credentials.permutation import permute
from enrollment.conflicts import resource_key
from enrollment.models import (
    CaseCheck,
    Claim,
    Consent,
    ConsentEvent,
    CustomerNotice,
    Document,
    Enrollment,
    EnrollmentCase,
    EnrollmentMeter,
    ProgramVersion,
    UtilityNotice,
)
from identity.encryption import blind_index, seal
from identity.models import Agency, Membership, Subject, SubjectUtilityLink, User
from tests.bench.population import plan as who
from tests.bench.population.copying import Connection, as_text, load, without_indexes
from tests.bench.population.plan import CONSENT_EACH, OFFSET, Plan
from utility_systems.models import Meter

LOADS_KW = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 15.0, 25.0)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Version:
    pk: int
    program_pk: int
    program_id: str
    provider_id: str
    group: str
    consent_type: str


def furnish(plan: Plan) -> None:
    """Agencies with their people, and staff whose ids stand in the journal. A few thousand rows, through the models."""
    certified = {"certified_from": plan.begin - DAY, "certified_until": plan.now + 200 * DAY}
    for number, name in enumerate(who.AGENCIES):
        suspended = {"suspended_at": plan.now - DAY, "suspended_by": "OWNER", "suspension_reason": "COMPLAINTS"}
        agency = Agency.objects.create(
            agency_id=name,
            name=f"Bench agency {number + 1}",
            certified_by=settings.UTILITIES[0].id,
            **certified,
            **(suspended if number == 0 else {}),
        )
        Membership.objects.bulk_create(
            Membership(agency=agency, operator_id=f"op-{each:02}", joined_at=plan.begin)
            for each in range(who.OPERATORS)
        )
    User.objects.bulk_create(
        User(pk=int(pk), username=f"bench-staff-{pk}", issuer="https://staff.bench.example", sub=pk, is_staff=True)
        for pk in who.STAFF
    )


def make_lists(plan: Plan) -> None:
    """Status lists of both kinds for a credential each per enrolment."""
    for kind in ("ENROLLMENT", "CONSENT"):
        present = list(StatusList.objects.filter(kind=kind))
        while sum(each.size for each in present) < plan.enrollments + 2 * present[0].size:
            present.append(lists._create(kind, now=plan.begin))


def load_enrollments(connection: Connection, plan: Plan) -> None:
    versions = _versions()
    _people(connection, plan)
    _cases(connection, plan, versions)
    _credentials(connection, plan, versions)
    with without_indexes(connection, Enrollment, EnrollmentMeter, Claim, Consent):
        load(
            connection,
            Enrollment,
            "id enrollment_id order_number case_id subject_id program_version_id state period enrolled_at"
            " log_reference credential_id suspended_at suspension_reason cancelled_at end_reason",
            _enrollments(plan, versions),
        )
        load(
            connection,
            EnrollmentMeter,
            "id enrollment_id meter_id umid",
            (f"{n}\t{n}\t{n}\tumid-bench-{n - OFFSET:07}" for n in _keys(plan)),
        )
        load(
            connection,
            Claim,
            "id resource conflict_group kind reference group_name period state case_id enrollment_id subject_id"
            " program_id",
            _claims(plan, versions),
        )
        load(
            connection,
            Consent,
            "id consent_id enrollment_id consent_type grantor_id state basis terms meters text_version locale"
            " granted_at valid_until revoked_at revocation_reason credential_id",
            _consents(plan, versions),
        )
    _told(connection, plan, versions)


def _keys(plan: Plan) -> range:
    return range(OFFSET + 1, OFFSET + plan.enrollments + 1)


def _versions() -> list[_Version]:
    found = []
    for each in ProgramVersion.objects.published().select_related("program").order_by("program__program_id"):
        consents = each.required_consents
        consent_type = str(consents[0]["type"]) if consents else "DATA_COLLECTION"
        program = each.program
        found.append(
            _Version(
                each.pk,
                program.pk,
                program.program_id,
                program.provider_id,
                each.conflict_group or "FLEX",
                consent_type,
            )
        )
    if not found:
        raise RuntimeError("there are no programs: run manage.py sandbox load first")
    return found


def _utility(number: int) -> str:
    return settings.UTILITIES[who.scattered(number, len(settings.UTILITIES))].id


def _people(connection: Connection, plan: Plan) -> None:
    numbers = range(1, plan.enrollments + 1)
    customer = as_text(seal("CUST-BENCH-0001234", context="identity.subjectutilitylink.utility_customer_id"))
    name = as_text(seal("Bench Person", context="identity.subject.name"))
    with without_indexes(connection, Subject, SubjectUtilityLink, Meter):
        load(
            connection,
            Subject,
            "id did kind name",
            (f"{who.subject(n)}\tdid:example:many-{n}\tPERSON\t{name}" for n in numbers),
        )
        load(
            connection,
            SubjectUtilityLink,
            "id subject_id utility_id utility_customer_id customer_index linked_at status",
            (
                f"{OFFSET + n}\t{who.subject(n)}\t{_utility(n)}\t{customer}"
                f"\t\\\\x{blind_index(f'CUST-BENCH-{n:07}', purpose='customer').hex()}\t{plan.enrolled_at(n)}\tACTIVE"
                for n in numbers
            ),
        )
        load(
            connection,
            Meter,
            "id umid utility_id connection_type sanctioned_load_kw changed_at",
            (
                f"{OFFSET + n}\tumid-bench-{n:07}\t{_utility(n)}\tRESIDENTIAL"
                f"\t{LOADS_KW[who.scattered(n, len(LOADS_KW))]}\t{plan.begin}"
                for n in numbers
            ),
        )


def _cases(connection: Connection, plan: Plan, versions: list[_Version]) -> None:
    columns = (
        "id order_id bap_id bap_uri domain transaction_ids channel agency_id operator_id subject_id program_version_id"
        " provider_id program_id meters state refusal_code deadline frozen_at created_at updated_at"
    )
    with without_indexes(connection, EnrollmentCase, CaseCheck):
        load(connection, EnrollmentCase, columns, _case_lines(plan, versions))
        load(
            connection,
            CaseCheck,
            "id case_id kind target result code at",
            (
                f"{n}\t{n}\tCONNECTION_TYPE\tumid-bench-{n - OFFSET:07}\tPASS\t\t{plan.enrolled_at(n - OFFSET)}"
                for n in range(OFFSET + 1, OFFSET + plan.enrollments + 1, 5)
            ),
        )


def _case_lines(plan: Plan, versions: list[_Version]) -> Iterator[str]:
    for n in range(1, plan.enrollments + plan.failed + 1):
        failed = n - plan.enrollments
        version = versions[who.scattered(n, len(versions))]
        channel = who.channel(n)
        agency, operator = (who.agency(n), who.operator(n)) if channel == "EA" else ("", "")
        if failed <= 0:
            ended, state = plan.enrolled_at(n), "CONFIRMED"
            began = ended - timedelta(seconds=90 + who.scattered(n, 40) ** 4)
        else:
            began, state = plan.failed_at(failed), plan.lost_state(failed)
            ended = began + timedelta(minutes=3)
        code = who.one_of(who.CODES, n) if state == "REJECTED" else ""
        frozen = str(plan.now - DAY) if state == "READY" and n % 500 == 3 else "\\N"
        person = who.subject(n if failed <= 0 else failed)
        number = n if failed <= 0 else failed
        yield (
            f"{OFFSET + n}\torder-{n}\t{who.one_of(who.BAPS, n)}\thttps://portal.bench.example\tenergy.enrollment"
            f"\t{{txn-{n}}}\t{channel}\t{agency}\t{operator}\t{person}\t{version.pk}\t{version.provider_id}"
            f"\t{version.program_id}\t{{umid-bench-{number:07}}}\t{state}\t{code}\t{began + 30 * DAY}\t{frozen}"
            f"\t{began}\t{ended}"
        )


def _credentials(connection: Connection, plan: Plan, versions: list[_Version]) -> None:
    status_lists = {
        kind: list(StatusList.objects.filter(kind=kind).order_by("number")) for kind in ("ENROLLMENT", "CONSENT")
    }
    with without_indexes(connection, IssuedCredential):
        for number, (kind, present) in enumerate(status_lists.items(), start=1):
            load(
                connection,
                IssuedCredential,
                "id url kind subject_did claims valid_from valid_until issued_at status_list_id status_index revoked_at"
                " revocation_reason suspended_at access_digest",
                _credential_lines(plan, versions, kind, number, present),
            )
    StatusChange.objects.bulk_create(
        StatusChange(status_list=each, purpose=purpose, at=plan.now)
        for present in status_lists.values()
        for each in present
        for purpose in ("revocation", "suspension")
    )


def _credential_lines(
    plan: Plan, versions: list[_Version], kind: str, number: int, present: list[StatusList]
) -> Iterator[str]:
    base = f"{settings.PUBLIC_URL}/credentials/"
    step = CONSENT_EACH if kind == "CONSENT" else 1
    n = 0
    for status_list in present:
        left = (plan.enrollments - n) // step
        if left <= 0:
            break
        taken = lists.taken(status_list)
        room = status_list.size - taken
        key = bytes(status_list.permutation_key)
        places: Iterator[int] = (
            permute(value, key=key, size=status_list.size) for value in range(taken, taken + min(left, room))
        )
        last = taken + min(left, room)
        _give_out(status_list, last)
        for place in places:
            n += step
            uuid, state, at = who.credential(n, number), plan.state(n), plan.enrolled_at(n)
            version = versions[who.scattered(n, len(versions))]
            is_over = state == "CANCELLED" or (number == 2 and state == "SUSPENDED")
            revoked = f"{_ended_at(plan, n)}\tCUSTOMER" if is_over else "\\N\t"
            suspended = str(_ended_at(plan, n)) if state == "SUSPENDED" and not is_over else "\\N"
            yield (
                f"{uuid}\t{base}{uuid}\t{kind}\tdid:example:many-{n}"
                f'\t{{"programId":"{version.program_id}","meters":["umid-bench-{n:07}"]}}'
                f"\t{at}\t{at + 365 * DAY}\t{at}\t{status_list.pk}\t{place}\t{revoked}\t{suspended}"
                f"\t\\\\x{n:064x}"
            )


def _give_out(status_list: StatusList, taken: int) -> None:
    """The list's counter stands after what was given out; a full list is closed."""
    with django_connection.cursor() as cursor:
        cursor.execute("SELECT setval(%s::regclass, %s)", [status_list.sequence, max(taken - 1, 0)])
    if taken >= status_list.size:
        status_list.closed_at = datetime.now(UTC)
        status_list.save(update_fields=["closed_at"])


def _ended_at(plan: Plan, number: int) -> datetime:
    """Some weeks after the enrolment, never in the future."""
    begun = plan.enrolled_at(number)
    return min(begun + timedelta(days=1 + who.scattered(number, 60)), plan.now - timedelta(minutes=5))


def _period(plan: Plan, number: int) -> tuple[datetime, datetime]:
    at, state = plan.enrolled_at(number), plan.state(number)
    if state == "SCHEDULED":
        return plan.now + 10 * DAY, plan.now + 375 * DAY
    if state in ("CANCELLED", "EXPIRED"):
        return at, max(_ended_at(plan, number), at + timedelta(minutes=1))
    return at, max(at, plan.now) + 365 * DAY


def _enrollments(plan: Plan, versions: list[_Version]) -> Iterator[str]:
    for n in range(1, plan.enrollments + 1):
        state, at = plan.state(n), plan.enrolled_at(n)
        start, end = _period(plan, n)
        suspended = f"{_ended_at(plan, n)}\tCONSENT_REVOKED" if state == "SUSPENDED" else "\\N\t"
        cancelled = f"{_ended_at(plan, n)}\tCUSTOMER" if state == "CANCELLED" else "\\N\t"
        yield (
            f"{OFFSET + n}\t{who.enrollment(n)}\t{who.order_number(plan, n)}\t{OFFSET + n}\t{who.subject(n)}"
            f"\t{versions[who.scattered(n, len(versions))].pk}\t{state}\t[{start},{end})\t{at}"
            f"\tlog-{who.line_id_text(n)}\t{who.credential(n, 1)}\t{suspended}\t{cancelled}"
        )


def _claims(plan: Plan, versions: list[_Version]) -> Iterator[str]:
    groups = {each.group: resource_key("GROUP", each.group) for each in versions}
    for n in range(1, plan.enrollments + 1):
        version = versions[who.scattered(n, len(versions))]
        start, end = _period(plan, n)
        state = "RELEASED" if plan.state(n) in ("CANCELLED", "EXPIRED") else "CLAIMED"
        umid = f"umid-bench-{n:07}"
        yield (
            f"{OFFSET + n}\t{resource_key('METER', umid)}\t{groups[version.group]}\tMETER\t{umid}\t{version.group}"
            f"\t[{start},{end})\t{state}\t{OFFSET + n}\t{OFFSET + n}\t{who.subject(n)}\t{version.program_pk}"
        )


def _consents(plan: Plan, versions: list[_Version]) -> Iterator[str]:
    for n in range(CONSENT_EACH, plan.enrollments + 1, CONSENT_EACH):
        version, state, at = versions[who.scattered(n, len(versions))], plan.state(n), plan.enrolled_at(n)
        is_over = state in ("CANCELLED", "SUSPENDED")
        ended = f"REVOKED\tEXPLICIT\t{{}}\t{{umid-bench-{n:07}}}\tv1\ten\t{at}\t{at + 365 * DAY}\t{_ended_at(plan, n)}"
        lives = f"GRANTED\tEXPLICIT\t{{}}\t{{umid-bench-{n:07}}}\tv1\ten\t{at}\t{at + 365 * DAY}\t\\N"
        yield (
            f"{OFFSET + n}\tconsent-bench-{n}\t{OFFSET + n}\t{version.consent_type}\t{who.subject(n)}"
            f"\t{ended if is_over else lives}\t{'CUSTOMER' if is_over else ''}\t{who.credential(n, 2)}"
        )


def _told(connection: Connection, plan: Plan, versions: list[_Version]) -> None:
    """What customers and utilities were told, consents' events, and the files that wait for a review."""
    every_third = range(1, plan.enrollments + 1, 3)
    with without_indexes(connection, CustomerNotice, UtilityNotice, ConsentEvent, Document):
        load(
            connection,
            CustomerNotice,
            "id notice_id case_id template utility_id state created_at next_attempt_at sent_at sent_by locale",
            (
                f"{OFFSET + n}\t{who.credential(n, 4)}\t{OFFSET + n}\tconfirmed\t{_utility(n)}"
                + (
                    f"\tSTUCK\t{at}\t{at}\t\\N\t\ten"
                    if n % 30_000 == 1
                    else f"\tSENT\t{at}\t{at}\t{at}\tbench-gateway\ten"
                )
                for n in every_third
                for at in [plan.enrolled_at(n)]
            ),
        )
        load(
            connection,
            UtilityNotice,
            "id notice_id enrollment_id utility_id kind event effective_at state created_at next_attempt_at"
            " acknowledged_at",
            (
                f"{OFFSET + n}\t{who.credential(n, 5)}\t{OFFSET + n}\t{_utility(n)}\tBILLING\tSTARTED\t{at}"
                + (f"\tSTUCK\t{at}\t{at}\t\\N" if n % 30_000 == 1 else f"\tACKNOWLEDGED\t{at}\t{at}\t{at}")
                for n in every_third
                for at in [plan.enrolled_at(n)]
            ),
        )
        load(
            connection,
            ConsentEvent,
            "id consent_id event at actor_kind actor_id",
            (
                f"{OFFSET + n}\t{OFFSET + n}\tGRANTED\t{plan.enrolled_at(n)}\tPARTICIPANT\t{who.one_of(who.BAPS, n)}"
                for n in range(10, plan.enrollments + 1, 10)
            ),
        )
        load(
            connection,
            Document,
            "id document_id case_id kind max_bytes state asked_at token_digest token_expires_at uploaded_at"
            " uploaded_by sha256 media_type size storage_key scan",
            _documents(plan),
        )


def _documents(plan: Plan) -> Iterator[str]:
    """A file each for the cases that are in review."""
    for failed in range(plan.failed - plan.still_open + 1, plan.failed + 1):
        if plan.lost_state(failed) == "IN_REVIEW":
            n, at = plan.enrollments + failed, plan.failed_at(failed)
            yield (
                f"{OFFSET + n}\tdocument-bench-{n}\t{OFFSET + n}\tDER_CERTIFICATE\t5000000\tUPLOADED\t{at}\t{n:064x}"
                f"\t{at + DAY}\t{at + timedelta(minutes=2)}\tsubject:{who.subject(failed)}\t{n:064x}"
                f"\tapplication/pdf\t120000\tbench/{n}\tCLEAN"
            )
