"""Certifying agencies and their operators is a utility's act: whose word it is, for how long, on which document.

Only the utility that certifies an agency changes that, suspends it and lets it go on (issue 6 point 10). What ends is
said 60, 30 and 7 days before: a letter first, to the agency's address, its managers and the operator, each once.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from audit.log import SYSTEM, Action, Actor, record
from identity import agencies, letters
from identity.models import Agency, AgencyLetter, Membership

REMINDERS = (60, 30, 7)  # days before the end
DIGEST = re.compile(r"[0-9a-f]{64}")


class NotTheCertifier(Exception):
    """Another utility certifies this agency; the text names it."""


class UnknownOperator(LookupError):
    """The agency has no operator of this id."""


@dataclass(frozen=True)
class Document:
    """What a certificate is read from: the utility's reference, and the file's SHA-256 (hex). The file is not kept."""

    reference: str
    digest: str


@dataclass(frozen=True)
class Training:
    """An operator who may act: trained on a day, certified until an instant (exclusive), or as long as the agency."""

    operator_id: str
    trained_on: date
    certified_until: datetime | None = None


@dataclass(frozen=True)
class Ending:
    """A certificate that ends soon: the agency's own, or that of `member`."""

    agency: Agency
    ends_at: datetime
    days: int
    member: Membership | None = None


@transaction.atomic
def certify(
    agency_id: str,
    *,
    utility_id: str,
    document: Document,
    certified_from: datetime,
    certified_until: datetime | None,
    trainings: Sequence[Training] = (),
    actor: Actor,
    at: datetime,
) -> Agency:
    """Write a utility's certificate of an agency, and of the operators that are named.

    A suspension stays. Raises UnknownAgency, UnknownOperator, NotTheCertifier, ValueError (a digest that is none).
    """
    if not document.reference or not DIGEST.fullmatch(document.digest):
        raise ValueError("a certificate has a reference and the SHA-256 of its document, 64 characters of hex")
    agency = _locked(agency_id)
    if agency.certified_by and agency.certified_by != utility_id:
        raise NotTheCertifier(agency.certified_by)
    before = _facts(agency)
    agency.certified_by = utility_id
    agency.certificate_reference, agency.certificate_digest = document.reference, document.digest
    agency.certified_from, agency.certified_until = certified_from, certified_until
    agency.save(
        update_fields=[
            "certified_by",
            "certificate_reference",
            "certificate_digest",
            "certified_from",
            "certified_until",
        ]
    )
    record(
        Action.AGENCY_CERTIFIED,
        actor=actor,
        at=at,
        object_type="agency",
        object_id=agency.agency_id,
        before=before,
        after=_facts(agency),
        details={"utility": utility_id, "reference": document.reference},
    )
    for each in trainings:
        _certify_operator(agency, each, actor, at)
    return agency


@transaction.atomic
def certify_operator(agency_id: str, training: Training, *, utility_id: str, actor: Actor, at: datetime) -> Membership:
    """Write that an operator has been trained and may act. Raises UnknownAgency, UnknownOperator, NotTheCertifier."""
    agency = _locked(agency_id)
    _needs_certifier(agency, utility_id)
    return _certify_operator(agency, training, actor, at)


@transaction.atomic
def suspend(agency_id: str, *, utility_id: str, reason: str, actor: Actor, at: datetime) -> Agency:
    """Suspend an agency in the name of the utility that certifies it. Raises UnknownAgency, NotTheCertifier."""
    _needs_certifier(_locked(agency_id), utility_id)
    return agencies.suspend(agency_id, reason=reason, actor=actor, at=at, by="UTILITY")


@transaction.atomic
def resume(agency_id: str, *, utility_id: str, reason: str, actor: Actor, at: datetime) -> Agency:
    """Let an agency go on; not one that whoever runs this service suspended. Raises also NotTheCertifier."""
    agency = _locked(agency_id)
    _needs_certifier(agency, utility_id)
    if agency.suspended_by == "OWNER":
        raise NotTheCertifier(_("whoever runs this service has suspended it"))
    return agencies.resume(agency_id, reason=reason, actor=actor, at=at)


def ending(agency: Agency, now: datetime) -> list[Ending]:
    """Return what ends within sixty days at an agency, the soonest first: for its desk and for reminders."""
    last = now + timedelta(days=REMINDERS[0])
    found = []
    if agency.certified_until is not None and now < agency.certified_until <= last:
        found.append(Ending(agency, agency.certified_until, _days(agency.certified_until, now)))
    rows = agency.memberships.filter(active=True, certified_until__gt=now, certified_until__lte=last)
    found += [
        Ending(agency, each.certified_until, _days(each.certified_until, now), each)
        for each in rows.order_by("certified_until", "operator_id")
        if each.certified_until is not None
    ]
    return sorted(found, key=lambda each: each.ends_at)


def remind(now: datetime) -> int:
    """Write to those whose certificates end; return how many letters that are. Each end is told once at each of the
    three times; safe to run twice at once."""
    last = now + timedelta(days=REMINDERS[0])
    own = Agency.objects.filter(certified_until__gt=now, certified_until__lte=last)
    of_people = Agency.objects.filter(
        memberships__active=True, memberships__certified_until__gt=now, memberships__certified_until__lte=last
    )
    count = 0
    for agency in (own | of_people).distinct():
        with transaction.atomic():
            count += _remind(agency, now)
    return count


def _remind(agency: Agency, now: datetime) -> int:
    groups: dict[tuple[datetime, int, bool], list[Ending]] = {}
    for each in ending(agency, now):
        groups.setdefault((each.ends_at, _time_of(each.days), each.member is None), []).append(each)
    count = 0
    for (ends_at, days, is_agencys), told in groups.items():
        sent = _tell(agency, ends_at, days, told, is_agencys, now)
        if sent:
            record(
                Action.AGENCY_REMINDED,
                actor=SYSTEM,
                at=now,
                object_type="agency",
                object_id=agency.agency_id,
                details={
                    "days": days,
                    "ends": ends_at.isoformat(),
                    "operators": [each.member.operator_id for each in told if each.member][:50],
                    "letters": sent,
                },
            )
        count += sent
    return count


def _tell(agency: Agency, ends_at: datetime, days: int, told: Sequence[Ending], is_agencys: bool, now: datetime) -> int:
    day = (ends_at - timedelta(seconds=1)).date().isoformat()
    about = f"{'agency' if is_agencys else 'operators'}:{agency.pk}:{ends_at.isoformat()}:{days}"
    said = {"agency": agency.name, "day": day, "days": told[0].days}
    kind = AgencyLetter.Kind.CERTIFICATE
    if is_agencys:
        title = _("The certificate of %(agency)s ends on %(day)s") % said
        text = ngettext(
            "The certificate of %(agency)s ends on %(day)s, in %(days)d day. From then on nobody of the agency can"
            " enrol customers here. Ask the utility that certifies the agency to renew it.",
            "The certificate of %(agency)s ends on %(day)s, in %(days)d days. From then on nobody of the agency can"
            " enrol customers here. Ask the utility that certifies the agency to renew it.",
            told[0].days,
        )
        return letters.to_managers(agency, kind=kind, about=about, title=title, text=text % said, now=now)
    title = _("Certificates of operators of %(agency)s end on %(day)s") % said
    operators = ", ".join(each.member.operator_id for each in told if each.member)
    text = _(
        "These operators of %(agency)s can enrol nobody after %(day)s: %(operators)s. Ask the utility that certifies"
        " the agency what they need: most often a new training."
    ) % {**said, "operators": operators}
    count = letters.to_managers(agency, kind=kind, about=about, title=title, text=text, now=now)
    for each in told:
        if each.member is not None:
            count += letters.write(
                agency,
                membership=each.member,
                kind=kind,
                about=f"operator:{each.member.pk}:{ends_at.isoformat()}:{days}",
                to=each.member.email,
                title=_("Your certificate as an agent ends on %(day)s") % said,
                text=_(
                    "You can enrol nobody for %(agency)s after %(day)s, unless your certificate is renewed. Ask a"
                    " manager of your agency."
                )
                % said,
                now=now,
            )
    return count


def _certify_operator(agency: Agency, training: Training, actor: Actor, at: datetime) -> Membership:
    member = Membership.objects.select_for_update().filter(agency=agency, operator_id=training.operator_id).first()
    if member is None:
        raise UnknownOperator(training.operator_id)
    member.trained_on, member.certified_until = training.trained_on, training.certified_until
    member.save(update_fields=["trained_on", "certified_until"])
    until = training.certified_until.isoformat() if training.certified_until else None
    record(
        Action.MEMBER_CERTIFIED,
        actor=actor,
        at=at,
        object_type="membership",
        object_id=str(member.pk),
        details={
            "agency": agency.agency_id,
            "member": member.operator_id,
            "trained": training.trained_on.isoformat(),
            "until": until,
        },
    )
    return member


def _needs_certifier(agency: Agency, utility_id: str) -> None:
    if agency.certified_by != utility_id:
        raise NotTheCertifier(agency.certified_by or _("nobody"))


def _locked(agency_id: str) -> Agency:
    agency = Agency.objects.select_for_update().filter(agency_id=agency_id).first()
    if agency is None:
        raise agencies.UnknownAgency(agency_id)
    return agency


def _facts(agency: Agency) -> dict[str, str | None]:
    return {
        "certifiedBy": agency.certified_by,
        "reference": agency.certificate_reference,
        "digest": agency.certificate_digest,
        "from": agency.certified_from.isoformat(),
        "until": agency.certified_until.isoformat() if agency.certified_until else None,
    }


def _days(ends_at: datetime, now: datetime) -> int:
    """Whole days until the end, rounded up: what ends tomorrow morning ends in one day."""
    return -((now - ends_at) // timedelta(days=1))


def _time_of(days: int) -> int:
    """Which of the three times it is; who is late is told what is due now and not what was missed."""
    return min(each for each in REMINDERS if days <= each)
