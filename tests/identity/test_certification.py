"""Certifying an agency is a utility's act: whose word, on which document, told in time before it ends."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from audit import clock
from audit.log import Actor, ActorKind
from audit.models import Event
from identity import agencies, certification
from identity.certification import Document, NotTheCertifier, Training, UnknownOperator
from identity.models import Agency, AgencyLetter, Membership
from tests.agencies import a_member, an_agency

pytestmark = pytest.mark.django_db
A, B = "utility-example-001", "utility-example-002"
OFFICER = Actor(ActorKind.STAFF, "officer")
NOW = datetime(2026, 11, 1, 9, tzinfo=UTC)
PAPER = Document("CERT-7", hashlib.sha256(b"a certificate").hexdigest())


def certify(agency_id="ea-001", utility=A, document=PAPER, until=None, trainings=()):
    return certification.certify(
        agency_id,
        utility_id=utility,
        document=document,
        certified_from=NOW,
        certified_until=until,
        trainings=trainings,
        actor=OFFICER,
        at=NOW,
    )


def says(*words):
    """What `agencies.check` says to a message of this agency now."""
    found = agencies.check(
        "ea-001",
        operator_id="op-9",
        participant_id="agency-portal.sandbox.example",
        utility_ids=[A],
        program_id="p",
        at=clock.now(),
    )
    return getattr(found, "reason", "certified")


def test_an_agency_and_its_operators_may_act_from_the_utilitys_certificate_on():
    agency = an_agency(certified_by="", certified_until=clock.now())
    a_member("op-9", certified_until=clock.now())
    assert says() == "NOT_CERTIFIED"
    certify(until=clock.now() + timedelta(days=365))
    assert says() == "OPERATOR_NOT_CERTIFIED", "the agency's certificate is not its operators'"
    training = Training("op-9", date(2026, 9, 1))
    certification.certify_operator("ea-001", training, utility_id=A, actor=OFFICER, at=NOW)
    assert says() == "certified"
    agency.refresh_from_db()
    assert (agency.certified_by, agency.certificate_reference, agency.certificate_digest) == (A, "CERT-7", PAPER.digest)
    assert Membership.objects.get().trained_on == date(2026, 9, 1)
    lines = Event.objects.filter(action__in=["agency.certified", "member.certified"]).order_by("pk")
    assert [(each.action, (each.details or {}).get("utility", "")) for each in lines] == [
        ("agency.certified", A),
        ("member.certified", ""),
    ]


def test_another_utility_changes_nothing():
    an_agency()
    a_member("op-9")
    training = Training("op-9", date(2026, 9, 1))
    for act in (
        lambda: certify(utility=B),
        lambda: certification.certify_operator("ea-001", training, utility_id=B, actor=OFFICER, at=NOW),
        lambda: certification.suspend("ea-001", utility_id=B, reason="x", actor=OFFICER, at=NOW),
        lambda: certification.resume("ea-001", utility_id=B, reason="x", actor=OFFICER, at=NOW),
    ):
        with pytest.raises(NotTheCertifier):
            act()
    assert Agency.objects.get().suspended_at is None and says() == "certified"
    assert not Event.objects.exists()


def test_a_certificate_needs_a_reference_and_the_digest_of_its_document():
    an_agency()
    for document in (Document("", PAPER.digest), Document("CERT-7", ""), Document("CERT-7", "abc")):
        with pytest.raises(ValueError, match="SHA-256"):
            certify(document=document)


def test_one_operator_who_is_not_there_leaves_all_as_it_was():
    an_agency(certificate_reference="before")
    with pytest.raises(UnknownOperator):
        certify(trainings=[Training("op-77", date(2026, 9, 1))])
    assert Agency.objects.get().certificate_reference == "before"


def test_the_certifying_utility_suspends_and_lets_go_on():
    an_agency()
    a_member("op-9")
    certification.suspend("ea-001", utility_id=A, reason="complaints", actor=OFFICER, at=clock.now())
    assert says() == "SUSPENDED"
    assert Agency.objects.get().suspended_by == "UTILITY"
    certification.resume("ea-001", utility_id=A, reason="looked into", actor=OFFICER, at=clock.now())
    assert says() == "certified"


def test_the_utility_does_not_lift_what_who_runs_the_service_has_suspended():
    an_agency()
    agencies.suspend("ea-001", reason="fraud", actor=OFFICER, at=NOW)
    with pytest.raises(NotTheCertifier):
        certification.resume("ea-001", utility_id=A, reason="x", actor=OFFICER, at=NOW)
    assert Agency.objects.get().suspended_at is not None


# reminders


def letters_of(kind=AgencyLetter.Kind.CERTIFICATE):
    return list(AgencyLetter.objects.filter(kind=kind).order_by("pk"))


def test_an_agency_is_told_sixty_thirty_and_seven_days_before_its_end_each_once():
    ends = NOW + timedelta(days=100)
    an_agency(certified_until=ends, contact_email="help@agency.example")
    told = []
    for hours in range(0, 24 * 101, 12):
        now = NOW + timedelta(hours=hours)
        if certification.remind(now):
            told.append((ends - now).days)
        assert certification.remind(now) == 0, "a second beat says nothing"
    assert told == [60, 30, 7]
    assert {each.to for each in letters_of()} == {"help@agency.example"}
    assert Event.objects.filter(action="agency.reminded").count() == 3
    assert "2027-02-08" in letters_of()[0].title or "2027-02-09" in letters_of()[0].title


def test_who_is_looked_at_late_is_told_once_what_is_due_now():
    an_agency(certified_until=NOW + timedelta(days=5), contact_email="help@agency.example")
    assert certification.remind(NOW) == 1
    assert "in 5 days" in letters_of()[0].text


def test_operators_and_their_managers_are_told_of_operators_ends():
    an_agency(contact_email="help@agency.example", certified_until=None)
    a_member("m-1", role="MANAGER", email="manager@agency.example")
    ends = NOW + timedelta(days=30)
    a_member("op-8", email="op-8@agency.example", certified_until=ends)
    a_member("op-9", email="op-9@agency.example", certified_until=ends)
    a_member("op-off", email="off@agency.example", certified_until=ends, active=False)
    assert certification.remind(NOW) == 4
    assert sorted(each.to for each in letters_of()) == [
        "help@agency.example",
        "manager@agency.example",
        "op-8@agency.example",
        "op-9@agency.example",
    ]
    [to_manager] = [each for each in letters_of() if each.to == "manager@agency.example"]
    assert "op-8, op-9" in to_manager.text
    assert certification.remind(NOW) == 0


def test_a_renewed_certificate_is_reminded_of_anew():
    an_agency(certified_until=NOW + timedelta(days=30), contact_email="help@agency.example")
    certification.remind(NOW)
    certify(until=NOW + timedelta(days=50))
    assert certification.remind(NOW) == 1
    assert certification.remind(NOW) == 0


def test_what_ends_is_shown_the_soonest_first():
    agency = an_agency(certified_until=NOW + timedelta(days=40))
    a_member("op-8", certified_until=NOW + timedelta(days=50))
    a_member("op-9", certified_until=NOW + timedelta(days=6, hours=1))
    a_member("op-10", certified_until=NOW + timedelta(days=61))
    found = certification.ending(agency, NOW)
    assert [(each.member.operator_id if each.member else "", each.days) for each in found] == [
        ("op-9", 7),
        ("", 40),
        ("op-8", 50),
    ]


# manage.py agency


def run(*words):
    from io import StringIO

    out = StringIO()
    call_command("agency", *words, "--json", stdout=out)
    return json.loads(out.getvalue())


def test_an_agency_is_set_up_by_commands_alone(tmp_path, settings):
    paper = tmp_path / "certificate.pdf"
    paper.write_bytes(b"a certificate")
    told = run(
        *("add", "--agency-id", "ea-7", "--name", "Seven", "--email", "help@seven.example", "--operator", "op-1"),
        *("--portal-id", "agency-portal.sandbox.example", "--sign-in", "agencies", "--daily-invitations", "20"),
    )
    assert told["participants"] == ["agency-portal.sandbox.example"], "its portal may send for it"
    told = run(
        *("certify", "ea-7", "--utility", A, "--reference", "CERT-7", "--document", str(paper)),
        *("--until", "2028-01-01", "--operator", "op-1=2026-09-01..2027-09-01"),
    )
    assert told["certifiedBy"] == A and told["operators"][0]["certifiedUntil"].startswith("2027-09-01")
    run("invite", "ea-7", "--operator-id", "m-1", "--name", "Mina", "--email", "mina@seven.example")
    agency = Agency.objects.get(agency_id="ea-7")
    assert agency.sign_in_issuer == next(each.issuer for each in settings.OIDC_PROVIDERS if each.kind == "AGENCY")
    assert (agency.certificate_digest, agency.daily_invitations) == (PAPER.digest, 20)
    assert agency.memberships.get(operator_id="m-1").role == "MANAGER"
    assert [each.to for each in letters_of(AgencyLetter.Kind.INVITATION)] == ["mina@seven.example"]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("suspend", "ea-001", "--utility", B), "certified by utility-example-001"),
        (("certify", "ea-001", "--utility", B, "--reference", "r", "--digest", PAPER.digest), "certified by"),
        (("certify", "ea-001", "--utility", "u-9", "--reference", "r", "--digest", PAPER.digest), "no utility u-9"),
        (("certify", "ea-001", "--utility", A, "--reference", "r"), "--document, or its SHA-256"),
        (("certify", "ea-001", "--utility", A, "--reference", "r", "--digest", "abc"), "64 characters"),
        (("suspend-member", "ea-001", "op-1", "--utility", B, "--reason", "x"), "certified by"),
        (("suspend-member", "ea-001", "op-77", "--reason", "x"), "no operator op-77"),
        (("add", "--agency-id", "ea-001", "--name", "x", "--certified-until", "2030-01-01"), "certifies this agency"),
        (("add", "--agency-id", "ea-8", "--name", "x", "--portal-id", "portal.sandbox.example"), "role agency"),
        (("add", "--agency-id", "ea-8", "--name", "x", "--portal-id", "agency-portal.sandbox.example"), "ea-001's"),
        (("add", "--agency-id", "ea-8", "--name", "x", "--sign-in", "utility-example-001"), "kind AGENCY"),
        (("invite", "ea-001", "--operator-id", "op-1", "--name", "x", "--email", "x@e.example"), "this id already"),
        (("resume", "ea-77"), "no agency ea-77"),
    ],
)
def test_a_command_that_cannot_be_done_says_why_and_changes_nothing(words, why):
    an_agency()
    a_member("op-1")
    before = agencies.facts(Agency.objects.get())
    with pytest.raises(CommandError, match=why):
        call_command("agency", *words)
    assert agencies.facts(Agency.objects.get()) == before


def test_writing_an_agency_anew_leaves_roles_and_the_utilitys_certificate_alone():
    agency = an_agency()
    ends = agency.certified_until
    a_member("m-1", role="MANAGER")
    a_member("op-2")
    run("add", "--agency-id", "ea-001", "--name", "Renamed", "--operator", "m-1")
    agency.refresh_from_db()
    assert (agency.name, agency.certified_until) == ("Renamed", ends)
    assert agency.memberships.get(operator_id="m-1").role == "MANAGER"
    off = agency.memberships.get(operator_id="op-2")
    assert not off.active and off.switched_off_at is not None
