import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.test.utils import CaptureQueriesContext

from identity.models import Subject
from utility_systems.models import (
    Der,
    DerCertificate,
    DerMeterLink,
    DerSubjectLink,
    Meter,
    MeterNumber,
    MeterSubjectLink,
    Site,
)
from utility_systems.ports import (
    Certificate,
    CertificateKind,
    ConnectionType,
    DerFacts,
    Holder,
    MeterFacts,
    Phase,
    Role,
    Standing,
)
from utility_systems.records import remember

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
LONG_AGO = datetime(2021, 4, 1, tzinfo=UTC)
RAJESH = "did:example:user-12345"


def holder(did: str = RAJESH, role: Role = Role.HOLDER, since: datetime = LONG_AGO, until: Any = None) -> Holder:
    return Holder(did, "CUST-1", role, since, until)


def meter(umid: str = "umid-001", **changes: Any) -> MeterFacts:
    facts = MeterFacts(
        umid=umid,
        utility_id="utility-example-001",
        meter_number=f"MTR-{umid}",
        connection_type=ConnectionType.RESIDENTIAL,
        phase=Phase.SINGLE,
        sanctioned_load_kw=5.0,
        interval_capable=True,
        net_meter=False,
        site_id="site-1",
        grid_area="north",
        holders=(holder(),),
        account_standing=Standing.GOOD,
        as_of=NOW,
    )
    return replace(facts, **changes)


def der(der_id: str = "der-1", **changes: Any) -> DerFacts:
    facts = DerFacts(
        der_id=der_id,
        type="SOLAR_PV",
        rated_kw=10.0,
        energy_kwh=None,
        manufacturer="M",
        model="1",
        serial_digest="ab",
        commissioned_on=date(2022, 3, 15),
        umid="umid-001",
        bidirectional=False,
        owner_did=RAJESH,
        certificates=(Certificate(CertificateKind.INTERCONNECTION, "I", 10.0, LONG_AGO),),
        as_of=NOW,
    )
    return replace(facts, **changes)


@pytest.fixture
def rajesh(db) -> Subject:
    return Subject.objects.for_did(RAJESH)


def links(umid: str = "umid-001") -> list[tuple[str | None, str, datetime | None, datetime | None]]:
    rows = MeterSubjectLink.objects.filter(meter__umid=umid).order_by("valid", "pk").select_related("subject")
    return [(row.subject.did, row.role, row.valid.lower, row.valid.upper) for row in rows]


def test_what_the_utility_says_is_kept_with_its_relations(rajesh: Subject) -> None:
    meters, ders = remember([meter()], [der()], subject=rajesh, now=NOW)
    assert meters["umid-001"].pk == Meter.objects.get(umid="umid-001").pk
    assert ders["der-1"].pk == Der.objects.get(der_id="der-1").pk
    assert Meter.objects.get().site == Site.objects.get(site_ref="site-1", grid_area="north")
    assert links() == [(RAJESH, "HOLDER", LONG_AGO, None)]
    assert MeterNumber.objects.get().valid == DateTimeTZRange(None, None)
    assert DerMeterLink.objects.get().umid == "umid-001"
    assert DerMeterLink.objects.get().valid.lower == datetime(2022, 3, 15, tzinfo=UTC)
    assert DerSubjectLink.objects.get().role == "OWNER"
    assert DerCertificate.objects.get().capacity_kw == 10


def test_nothing_new_costs_one_select_for_the_meters_and_one_for_the_ders(rajesh: Subject) -> None:
    facts = [meter(f"umid-{number}") for number in range(20)], [der(f"der-{number}") for number in range(5)]
    remember(*facts, subject=rajesh, now=NOW)
    later = NOW + timedelta(days=1)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        meters, ders = remember(
            [replace(fact, as_of=later) for fact in facts[0]],
            [replace(fact, as_of=later) for fact in facts[1]],
            subject=rajesh,
            now=later,
        )
    assert len(queries) == 2
    assert (len(meters), len(ders)) == (20, 5)


def test_five_hundred_new_meters_take_a_handful_of_statements(rajesh: Subject) -> None:
    with CaptureQueriesContext(connection) as queries:
        remember([meter(f"umid-{number}") for number in range(500)], [], subject=rajesh, now=NOW)
    assert len(queries) <= 8
    assert MeterSubjectLink.objects.count() == 500


def test_a_changed_load_is_written_and_the_links_stay(rajesh: Subject) -> None:
    remember([meter()], [], subject=rajesh, now=NOW)
    before = MeterSubjectLink.objects.get().pk
    remember([meter(sanctioned_load_kw=8.0)], [], subject=rajesh, now=NOW)
    assert Meter.objects.get().sanctioned_load_kw == 8
    assert MeterSubjectLink.objects.get().pk == before


def test_a_replaced_device_gives_the_meter_a_new_number_and_keeps_the_old_one_in_its_time(rajesh: Subject) -> None:
    remember([meter()], [], subject=rajesh, now=NOW)
    later = NOW + timedelta(days=30)
    remember([meter(meter_number="MTR-new")], [], subject=rajesh, now=later)
    assert list(MeterNumber.objects.order_by("pk").values_list("number", "valid")) == [
        ("MTR-umid-001", DateTimeTZRange(None, later)),
        ("MTR-new", DateTimeTZRange(later, None)),
    ]


def test_a_move_ends_the_predecessors_link_where_the_successors_begins(rajesh: Subject) -> None:
    remember([meter()], [], subject=rajesh, now=NOW)
    moved = NOW + timedelta(days=10)
    asha = Subject.objects.for_did("did:example:neighbour-asha")
    said = (holder("did:example:neighbour-asha", since=moved),)
    remember([meter(holders=said)], [], subject=asha, now=moved + timedelta(days=1))
    assert links() == [
        (RAJESH, "HOLDER", LONG_AGO, moved),
        ("did:example:neighbour-asha", "HOLDER", moved, None),
    ]


def test_an_end_the_utility_has_set_is_taken_over(rajesh: Subject) -> None:
    remember([meter()], [], subject=rajesh, now=NOW)
    end = NOW + timedelta(days=5)
    remember([meter(holders=(holder(until=end),))], [], subject=rajesh, now=NOW)
    assert links() == [(RAJESH, "HOLDER", LONG_AGO, end)]


def test_people_who_never_came_to_us_are_not_written_down(rajesh: Subject) -> None:
    said = (holder(), holder("did:example:stranger", Role.TENANT))
    remember([meter(holders=said)], [], subject=rajesh, now=NOW)
    assert links() == [(RAJESH, "HOLDER", LONG_AGO, None)]
    assert not Subject.objects.filter(did="did:example:stranger").exists()


def test_someone_who_comes_later_is_linked_although_the_meter_is_unchanged(rajesh: Subject) -> None:
    said = (holder(), holder("did:example:tenant", Role.TENANT))
    remember([meter(holders=said)], [], subject=rajesh, now=NOW)
    tenant = Subject.objects.for_did("did:example:tenant")
    remember([meter(holders=said)], [], subject=tenant, now=NOW)
    assert sorted(role for _, role, *_ in links()) == ["HOLDER", "TENANT"]


def test_a_relation_proven_by_a_credential_alone_is_kept_as_such(rajesh: Subject) -> None:
    remember([meter(holders=())], [], subject=rajesh, source="VC", now=NOW)
    remember([meter(holders=())], [], subject=rajesh, source="VC", now=NOW)
    link = MeterSubjectLink.objects.get()
    assert (link.role, link.source, link.valid.lower) == ("OWNER", "VC", NOW)


def test_a_utility_that_names_two_holders_of_record_does_not_make_us_fail(rajesh: Subject) -> None:
    Subject.objects.for_did("did:example:second")
    said = (holder(), holder("did:example:second"))
    remember([meter(holders=said)], [], subject=rajesh, now=NOW)
    assert len(links()) == 1


def test_a_der_that_moved_is_behind_one_meter_at_a_time(rajesh: Subject) -> None:
    remember([], [der()], subject=rajesh, now=NOW)
    later = NOW + timedelta(days=3)
    remember([], [der(umid="umid-002")], subject=rajesh, now=later)
    assert list(DerMeterLink.objects.order_by("pk").values_list("umid", "valid")) == [
        ("umid-001", DateTimeTZRange(datetime(2022, 3, 15, tzinfo=UTC), later)),
        ("umid-002", DateTimeTZRange(later, None)),
    ]


def test_a_sold_der_changes_its_owner_from_then_on(rajesh: Subject) -> None:
    remember([], [der()], subject=rajesh, now=NOW)
    asha = Subject.objects.for_did("did:example:neighbour-asha")
    later = NOW + timedelta(days=3)
    remember([], [der(owner_did="did:example:neighbour-asha")], subject=asha, now=later)
    rows = DerSubjectLink.objects.order_by("pk").values_list("subject__did", "valid")
    assert [(did, period.upper) for did, period in rows] == [(RAJESH, later), ("did:example:neighbour-asha", None)]


def test_a_declared_der_is_the_subjects_by_their_own_word(rajesh: Subject) -> None:
    declared = der(owner_did="", type="OTHER:FLYWHEEL", certificates=(), commissioned_on=None, source="DOCUMENT")
    remember([], [declared], subject=rajesh, now=NOW)
    assert Der.objects.get().type == "OTHER:FLYWHEEL"
    assert (DerSubjectLink.objects.get().role, DerSubjectLink.objects.get().source) == ("HOLDER", "DOCUMENT")


def test_a_device_that_is_only_declared_changes_nothing_a_register_has_said_of_it(rajesh: Subject) -> None:
    _, before = remember([], [der()], subject=rajesh, now=NOW)
    stranger = Subject.objects.for_did("did:example:stranger")

    declared = der(type="HEAT_PUMP", rated_kw=1.0, umid="", owner_did="", certificates=(), is_registered=False)
    _, after = remember([], [declared], subject=stranger, now=NOW)

    assert after["der-1"].pk == before["der-1"].pk
    assert (Der.objects.get().type, Der.objects.get().rated_kw, Der.objects.get().primary_umid) == (
        "SOLAR_PV",
        10,
        "umid-001",
    )
    assert DerCertificate.objects.count() == 1
    assert [link.subject_id for link in DerSubjectLink.objects.all()] == [rajesh.pk]


def test_certificates_follow_the_register(rajesh: Subject) -> None:
    remember([], [der()], subject=rajesh, now=NOW)
    now_said = (
        Certificate(CertificateKind.INTERCONNECTION, "I", 8.0, LONG_AGO),
        Certificate(CertificateKind.EQUIPMENT, "I", None, LONG_AGO, NOW),
    )
    remember([], [der(certificates=now_said)], subject=rajesh, now=NOW)
    assert sorted(DerCertificate.objects.values_list("kind", "capacity_kw")) == [
        ("EQUIPMENT", None),
        ("INTERCONNECTION", 8.0),
    ]


# -- the database's own promises


def a_row(**changes: Any) -> Meter:
    return Meter.objects.create(**{"umid": "umid-001", "utility_id": "u", "changed_at": NOW} | changes)


def test_a_meter_has_one_holder_of_record_per_instant_and_any_number_of_joint_ones(rajesh: Subject) -> None:
    other, row = Subject.objects.for_did("did:example:other"), a_row()
    first, second = (DateTimeTZRange(LONG_AGO, NOW), DateTimeTZRange(NOW, None))
    MeterSubjectLink.objects.create(meter=row, subject=rajesh, role="HOLDER", valid=first, source="UTILITY_API")
    MeterSubjectLink.objects.create(meter=row, subject=other, role="HOLDER", valid=second, source="UTILITY_API")
    for subject in (rajesh, other):
        MeterSubjectLink.objects.create(meter=row, subject=subject, role="JOINT", valid=second, source="UTILITY_API")
    overlapping = DateTimeTZRange(NOW - timedelta(seconds=1), None)
    with pytest.raises(IntegrityError, match="one_holder_of_record"), transaction.atomic():
        MeterSubjectLink.objects.create(meter=row, subject=rajesh, role="HOLDER", valid=overlapping, source="VC")


def test_a_der_is_behind_one_meter_per_instant(db) -> None:
    row = Der.objects.create(der_id="d", type="EV", changed_at=NOW)
    DerMeterLink.objects.create(der=row, umid="a", valid=DateTimeTZRange(LONG_AGO, None), source="VC")
    with pytest.raises(IntegrityError, match="one_meter_per_der"), transaction.atomic():
        DerMeterLink.objects.create(der=row, umid="b", valid=DateTimeTZRange(NOW, None), source="VC")


def test_an_empty_period_and_a_negative_load_are_refused(rajesh: Subject) -> None:
    row = a_row()
    with pytest.raises(IntegrityError, match="meter_link_has_a_duration"), transaction.atomic():
        MeterSubjectLink.objects.create(
            meter=row, subject=rajesh, role="JOINT", valid=DateTimeTZRange(NOW, NOW), source="VC"
        )
    with pytest.raises(IntegrityError, match="meter_load_is_not_negative"), transaction.atomic():
        a_row(umid="umid-002", sanctioned_load_kw=-1)


# -- many at once


@pytest.mark.django_db(transaction=True)
def test_many_remember_the_same_new_meters_at_once_without_failing_or_deadlock() -> None:
    subjects = [Subject.objects.for_did(f"did:example:person-{number}") for number in range(8)]
    said = tuple(holder(str(subject.did), Role.JOINT) for subject in subjects)
    umids = [f"umid-{number}" for number in range(10)]
    failures: list[BaseException] = []
    together = threading.Barrier(len(subjects))

    def run(position: int) -> None:
        order = umids[position:] + umids[:position]
        if position % 2:
            order.reverse()
        try:
            for turn in range(5):
                together.wait()
                with transaction.atomic():
                    meters, ders = remember(
                        [meter(umid, holders=said, sanctioned_load_kw=5.0 + (turn + position) % 3) for umid in order],
                        [der(f"der-{umid}", owner_did="") for umid in order],
                        subject=subjects[position],
                        now=NOW,
                    )
                    assert len(meters) == len(ders) == 10
                    assert all(row.pk for row in meters.values())
        except BaseException as failure:
            failures.append(failure)
            together.abort()
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(position,)) for position in range(len(subjects))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []
    assert MeterSubjectLink.objects.count() == 80
    assert MeterNumber.objects.count() == 10
