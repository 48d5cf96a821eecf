"""Keep what a utility said about meters and DERs: who stands to them how, and when.

Called inside the caller's transaction, before any other lock is taken there. When nothing is new it costs one SELECT
for the meters and one for the DERs; otherwise rows are locked in sorted order (sites, meters, DERs), so that many may
remember the same meter at once without failing or waiting for each other in a circle.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from typing import Any
from uuid import UUID

from django.db.backends.postgresql.psycopg_any import DateTimeTZRange
from django.db.models import Exists, OuterRef, Q

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
    Source,
)
from utility_systems.ports import DerFacts, EarlierNumber, MeterFacts, Role

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def remember(
    meters: Sequence[MeterFacts],
    ders: Sequence[DerFacts],
    *,
    subject: Subject,
    source: str = Source.UTILITY_API,
    now: datetime,
) -> tuple[dict[str, Meter], dict[str, Der]]:
    """The rows of these meters and DERs by their wire ids, brought up to date with the facts.

    Relations are kept for people we know: the `subject` and others who have come to us before. `source` says how the
    subject's relation was proven where the utility itself names none.
    """
    return (
        _remember_meters({facts.umid: facts for facts in meters}, subject, source, now),
        _remember_ders({facts.der_id: facts for facts in ders}, subject, source, now),
    )


# -- meters


def _remember_meters(facts: dict[str, MeterFacts], subject: Subject, source: str, now: datetime) -> dict[str, Meter]:
    if not facts:
        return {}
    linked = Exists(MeterSubjectLink.objects.filter(meter=OuterRef("pk"), subject=subject))
    found: dict[str, Meter] = {row.umid: row for row in Meter.objects.filter(umid__in=facts).annotate(is_linked=linked)}
    digests = {umid: _digest(fact) for umid, fact in facts.items()}
    stale = [
        umid
        for umid in sorted(facts)
        if umid not in found
        or bytes(found[umid].facts_digest) != digests[umid]
        or (not found[umid].is_linked and _is_ours(facts[umid], subject, source))  # type: ignore[attr-defined]
    ]
    if not stale:
        return found
    sites = _upsert_sites([facts[umid] for umid in stale])
    rows = [_meter_row(facts[umid], digests[umid], sites, now) for umid in stale]
    Meter.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["umid"],
        update_fields=[
            "utility_id",
            "site",
            "connection_type",
            "phase",
            "sanctioned_load_kw",
            "interval_capable",
            "net_meter",
            "facts_digest",
            "changed_at",
        ],
    )
    # From here on these meters' rows are locked: nobody else writes their numbers and links.
    before = [row for row in rows if row.umid in found]
    _renumber(rows, before, facts, now)
    _relink_meters(rows, before, facts, subject, source, now)
    return found | {row.umid: row for row in rows}


def _is_ours(facts: MeterFacts, subject: Subject, source: str) -> bool:
    return source != Source.UTILITY_API or any(holder.subject_did == subject.did for holder in facts.holders)


def _upsert_sites(facts: Iterable[MeterFacts]) -> dict[tuple[str, str], Site]:
    wanted = {(fact.utility_id, fact.site_id): fact for fact in facts if fact.site_id}
    rows = [
        Site(utility_id=utility_id, site_ref=site_ref, grid_area=wanted[utility_id, site_ref].grid_area)
        for utility_id, site_ref in sorted(wanted)
    ]
    if rows:
        Site.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["utility_id", "site_ref"], update_fields=["grid_area"]
        )
    return {(row.utility_id, row.site_ref): row for row in rows}


def _meter_row(facts: MeterFacts, digest: bytes, sites: dict[tuple[str, str], Site], now: datetime) -> Meter:
    return Meter(
        umid=facts.umid,
        utility_id=facts.utility_id,
        site=sites.get((facts.utility_id, facts.site_id)),
        connection_type=facts.connection_type.value,
        phase=facts.phase.value,
        sanctioned_load_kw=facts.sanctioned_load_kw,
        interval_capable=facts.interval_capable,
        net_meter=facts.net_meter,
        facts_digest=digest,
        changed_at=now,
    )


def _renumber(rows: list[Meter], before: list[Meter], facts: dict[str, MeterFacts], now: datetime) -> None:
    """Give each meter its number from now on. The first one we hear of counts for all the time before."""
    current = {
        number.meter_id: number
        for number in (MeterNumber.objects.filter(meter__in=before, valid__upper_inf=True) if before else ())
    }
    new = []
    for row in rows:
        old, number = current.get(row.pk), facts[row.umid].meter_number
        if old is not None and old.number == number:
            continue
        if old is not None and not _end(old, now):
            continue
        new.append(MeterNumber(meter=row, number=number, valid=DateTimeTZRange(now if old else None, None)))
    MeterNumber.objects.bulk_create(new, ignore_conflicts=True)


def _relink_meters(
    rows: list[Meter],
    before: list[Meter],
    facts: dict[str, MeterFacts],
    subject: Subject,
    source: str,
    now: datetime,
) -> None:
    """Make the links say what the utility says, for everyone we know; what it no longer says has ended."""
    known = _known_subjects((holder.subject_did for row in rows for holder in facts[row.umid].holders), subject)
    kept: dict[int, list[MeterSubjectLink]] = {}
    for link in MeterSubjectLink.objects.filter(meter__in=before) if before else ():
        kept.setdefault(link.meter_id, []).append(link)
    new: list[MeterSubjectLink] = []
    for row in rows:
        said: set[_Link] = {
            (known[holder.subject_did], holder.role.value, holder.since, holder.until)
            for holder in facts[row.umid].holders
            if holder.subject_did in known
        }
        there = kept.get(row.pk, [])
        for link in there:
            if link.source == Source.UTILITY_API and _key(link) not in said:
                _take_back(link, said, facts[row.umid], now)
        new += [_meter_link(row, key, Source.UTILITY_API) for key in said - {_key(link) for link in there}]
        if source != Source.UTILITY_API and not any(
            entry[0] == subject.pk for entry in said | {_key(link) for link in there}
        ):
            new.append(_meter_link(row, (subject.pk, Role.OWNER.value, now, None), source))
    # A utility that names two holders of record at once contradicts itself: the first one stays, nothing fails.
    MeterSubjectLink.objects.bulk_create(new, ignore_conflicts=True)


_Link = tuple[UUID, str, datetime | None, datetime | None]


def _key(link: MeterSubjectLink) -> _Link:
    return link.subject_id, link.role, link.valid.lower, link.valid.upper


def _meter_link(row: Meter, key: _Link, source: str) -> MeterSubjectLink:
    subject_id, role, since, until = key
    return MeterSubjectLink(
        meter=row, subject_id=subject_id, role=role, valid=DateTimeTZRange(since, until), source=source
    )


def _take_back(link: MeterSubjectLink, said: set[_Link], facts: MeterFacts, now: datetime) -> None:
    """End a link that the utility no longer states as it is; restated ones make room for their new wording."""
    if any(entry[:3] == _key(link)[:3] for entry in said):
        link.delete()
        return
    successor = [
        holder.since for holder in facts.holders if holder.role == Role.HOLDER and holder.since > link.valid.lower
    ]
    moment = min(successor) if link.role == Role.HOLDER and successor else now
    _end(link, moment)


# -- DERs


def _remember_ders(facts: dict[str, DerFacts], subject: Subject, source: str, now: datetime) -> dict[str, Der]:
    if not facts:
        return {}
    linked = Exists(DerSubjectLink.objects.filter(der=OuterRef("pk"), subject=subject))
    found: dict[str, Der] = {row.der_id: row for row in Der.objects.filter(der_id__in=facts).annotate(is_linked=linked)}
    digests = {der_id: _digest(fact) for der_id, fact in facts.items()}
    _better_shown([found[d] for d in found if not facts[d].is_registered], facts, subject)
    # What is only declared adds a device nobody knows; it never changes what a register has said of one.
    stale = [
        der_id
        for der_id in sorted(facts)
        if der_id not in found
        or (
            facts[der_id].is_registered
            and (
                bytes(found[der_id].facts_digest) != digests[der_id]
                or (not found[der_id].is_linked and facts[der_id].owner_did in ("", subject.did))  # type: ignore[attr-defined]
            )
        )
    ]
    if not stale:
        return found
    rows = [_der_row(facts[der_id], digests[der_id], now) for der_id in stale]
    Der.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["der_id"],
        update_fields=[
            "type",
            "rated_kw",
            "energy_kwh",
            "manufacturer",
            "model",
            "serial_digest",
            "commissioned_on",
            "primary_umid",
            "bidirectional",
            "facts_digest",
            "changed_at",
        ],
    )
    _place(rows, facts, source, now)
    _relink_ders(rows, facts, subject, now)
    _certify(rows, facts)
    return found | {row.der_id: row for row in rows}


def _der_row(facts: DerFacts, digest: bytes, now: datetime) -> Der:
    return Der(
        der_id=facts.der_id,
        type=facts.type,
        rated_kw=facts.rated_kw,
        energy_kwh=facts.energy_kwh,
        manufacturer=facts.manufacturer[:128],
        model=facts.model[:128],
        serial_digest=facts.serial_digest[:128],
        commissioned_on=facts.commissioned_on,
        primary_umid=facts.umid,
        bidirectional=facts.bidirectional,
        facts_digest=digest,
        changed_at=now,
    )


def _place(rows: list[Der], facts: dict[str, DerFacts], source: str, now: datetime) -> None:
    """Each DER behind the meter the register names, from its commissioning or, when it moved, from now on."""
    current = {link.der_id: link for link in DerMeterLink.objects.filter(der__in=rows, valid__upper_inf=True)}
    new = []
    for row in rows:
        fact, old = facts[row.der_id], current.get(row.pk)
        if not fact.umid or (old is not None and (old.umid == fact.umid or not _end(old, now))):
            continue
        since = now if old else _since(fact, now)
        new.append(DerMeterLink(der=row, umid=fact.umid, valid=DateTimeTZRange(since, None), source=source))
    DerMeterLink.objects.bulk_create(new, ignore_conflicts=True)


def _better_shown(rows: list[Der], facts: dict[str, DerFacts], subject: Subject) -> None:
    """A device that was only declared once and is now shown by a credential or a file is known as such."""
    for row in rows:
        if facts[row.der_id].source in (Source.VC, Source.DOCUMENT):
            mine = DerSubjectLink.objects.filter(der=row, subject=subject, source=Source.DECLARED)
            mine.update(source=facts[row.der_id].source)


def _relink_ders(rows: list[Der], facts: dict[str, DerFacts], subject: Subject, now: datetime) -> None:
    """The owner the register names; where it names none, the subject holds the device by their own word."""
    known = _known_subjects((facts[row.der_id].owner_did for row in rows), subject)
    there: dict[int, list[DerSubjectLink]] = {}
    for link in DerSubjectLink.objects.filter(der__in=rows, valid__upper_inf=True):
        there.setdefault(link.der_id, []).append(link)
    new = []
    for row in rows:
        fact, links = facts[row.der_id], there.get(row.pk, [])
        role = Role.OWNER if fact.owner_did else Role.HOLDER
        person = known.get(fact.owner_did) if fact.owner_did else subject.pk
        if fact.owner_did:
            for link in links:
                if link.role == Role.OWNER and link.subject_id != person:
                    _end(link, now)
        if person is not None and not any(link.subject_id == person and link.role == role for link in links):
            since = now if links else _since(fact, now)
            new.append(
                DerSubjectLink(
                    der=row, subject_id=person, role=role.value, valid=DateTimeTZRange(since, None), source=fact.source
                )
            )
    DerSubjectLink.objects.bulk_create(new, ignore_conflicts=True)


def _certify(rows: list[Der], facts: dict[str, DerFacts]) -> None:
    """The certificates as the register states them now."""
    by_key = {row.pk: row for row in rows}
    said = {
        (
            row.pk,
            certificate.issuer[:255],
            certificate.kind.value,
            certificate.valid_from,
            certificate.valid_until,
        ): certificate.capacity_kw
        for row in rows
        for certificate in facts[row.der_id].certificates
    }
    gone = Q(pk__in=[])
    for row in DerCertificate.objects.filter(der__in=rows):
        key = (row.der_id, row.issuer, row.kind, row.valid.lower, row.valid.upper)
        if key in said and said[key] == row.capacity_kw:
            del said[key]
        else:
            gone |= Q(pk=row.pk)
    DerCertificate.objects.filter(gone).delete()
    DerCertificate.objects.bulk_create(
        [
            DerCertificate(
                der=by_key[der_pk], issuer=issuer, kind=kind, valid=DateTimeTZRange(since, until), capacity_kw=capacity
            )
            for (der_pk, issuer, kind, since, until), capacity in said.items()
        ],
        ignore_conflicts=True,
    )


def numbers_of(umids: Iterable[str]) -> dict[str, tuple[EarlierNumber, ...]]:
    """The numbers that hung at these metering points before the present one, as far as we have heard of them."""
    found: dict[str, list[EarlierNumber]] = {}
    rows = MeterNumber.objects.filter(meter__umid__in=list(umids), valid__upper_inf=False).order_by("pk")
    for umid, number, valid in rows.values_list("meter__umid", "number", "valid"):
        found.setdefault(umid, []).append(EarlierNumber(number, valid.lower or _NO_TIME, valid.upper))
    return {umid: tuple(numbers) for umid, numbers in found.items()}


def owners_of(der_ids: Iterable[str], *, at: datetime) -> dict[str, str]:
    """DIDs of the owners whom a register has named to us, by DER id; nothing for devices without one."""
    links = DerSubjectLink.objects.filter(der__der_id__in=list(der_ids), role=Role.OWNER.value, valid__contains=at)
    return {der_id: did or "" for der_id, did in links.values_list("der__der_id", "subject__did")}


# -- both


def _known_subjects(dids: Iterable[str], subject: Subject) -> dict[str, UUID]:
    """Those of the DIDs that are people we know, merged ones as whom they live on."""
    others = {did for did in dids if did and did != subject.did}
    known = {
        str(did): merged or pk
        for did, pk, merged in (
            Subject.objects.filter(did__in=others).values_list("did", "pk", "merged_into_id") if others else ()
        )
    }
    return known | ({subject.did: subject.pk} if subject.did else {})


def _since(facts: DerFacts, now: datetime) -> datetime:
    if facts.commissioned_on is None:
        return now
    return min(now, datetime.combine(facts.commissioned_on, time(), tzinfo=UTC))


def _end(row: Any, moment: datetime) -> bool:
    """End a row's period at the moment; one that would begin at or after it is deleted. False: nothing to end."""
    lower, upper = row.valid.lower, row.valid.upper
    if upper is not None and upper <= moment:
        return False
    if lower is not None and lower >= moment:
        row.delete()
        return True
    row.valid = DateTimeTZRange(lower, moment)
    row.save(update_fields=["valid"])
    return True


def _digest(facts: MeterFacts | DerFacts) -> bytes:
    """Of everything that is said except when it was said."""
    return hashlib.sha256(repr(replace(facts, as_of=_NO_TIME)).encode()).digest()
