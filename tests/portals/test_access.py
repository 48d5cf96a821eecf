"""Nobody sees or changes anything of somebody else's, by any address of the portal (issue 5, "How it is shown").

The addresses are those of the access table: one that is added and takes a journey's id is walked from then on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import NoReverseMatch, get_resolver, reverse

from audit import clock
from audit.log import SYSTEM
from identity import mandates, people_requests
from identity.access import TABLE, Who
from identity.models import Mandate, Membership, Subject, User
from portals.models import Application, ConsentReceipt, HeldCredential
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.portals.consent_journeys import READINGS, journey

pytestmark = pytest.mark.django_db
BACKEND = "identity.oidc.backend.Backend"
SECRET_WORDS = ("Rajesh", "umid-001", "MTR-7788", "ENR-2026-000077", "secret-bytes")


@pytest.fixture
def theirs() -> Application:
    """Rajesh's enrolment, with a credential, a receipt and a basket."""
    row = journey(READINGS)
    row.batch_id = uuid4().hex
    row.state, row.enrollment_id, row.order_number = Application.State.ENROLLED, "enrollment-77", "ENR-2026-000077"
    row.save()
    now = clock.now()
    HeldCredential.objects.create(
        application=row,
        kind="ENROLLMENT",
        credential_id="http://provider.example/credentials/1",
        data="secret-bytes",
        issued_at=now,
        verified_at=now,
    )
    ConsentReceipt.objects.create(
        application=row,
        consent_type="DATA_COLLECTION",
        is_granted=True,
        text_version="1",
        text_digest="sha256:1",
        locale="en",
        record={},
        answered_at=now,
    )
    mandates.give(
        subject=row.subject,
        agency=an_agency(),
        operator_id="op-1",
        utility_id="utility-example-001",
        program_id="p",
        now=now,
        evidence_kind=Mandate.Evidence.CODE,
        evidence_digest="0" * 64,
    )
    people_requests.ask(row.subject, "EXPORT", actor=SYSTEM, now=now)
    return row


def addresses(row: Application) -> Iterator[tuple[str, str]]:
    """(name, address) of everything in the portal that is about one journey, one basket or one receipt."""
    values: dict[str, Any] = {
        "application_id": row.pk,
        "place": 1,
        "receipt_id": row.receipts.get().pk,
        "batch_id": row.batch_id,
        "pk": row.pk,
        "mandate_id": row.subject.mandates.get().mandate_id,
        "public_id": row.subject.requests.get().public_id,
    }
    for name, who in TABLE.items():
        if not name.startswith("portal-") or who is not Who.PERSON:
            continue
        wanted = parameters(name)
        if not wanted or {"slug", "what"} & set(wanted):  # a program, a question: nobody's own
            continue
        yield name, reverse(name, kwargs={each: values[each] for each in wanted})


def parameters(name: str) -> list[str]:
    possibilities = get_resolver().reverse_dict.getlist(name)
    if not possibilities:
        raise NoReverseMatch(name)
    return list(possibilities[0][0][0][1])


def nobody() -> Client:
    return Client()


def another_customer() -> Client:
    subject = Subject.objects.create(did=f"did:example:{uuid4().hex}")
    return signed_in(User.objects.create(username=uuid4().hex, sub=uuid4().hex, subject=subject))


def an_agent() -> Client:
    """One who works for the agency that has a mandate, but has come as a customer."""
    user = User.objects.create(username=uuid4().hex, sub=uuid4().hex)
    Membership.objects.create(agency=an_agency(), operator_id="op-1", user=user)
    return signed_in(user)


def staff() -> Client:
    return signed_in(User.objects.create_superuser("operator", "a long enough password"))


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def test_the_walk_meets_every_personal_page_of_the_portal(theirs: Application):
    assert len(dict(addresses(theirs))) >= 25


def test_the_one_whose_it_is_sees_it(theirs: Application):
    client = signed_in(theirs.started_by)

    assert client.get(reverse("portal-enrolment", args=[theirs.pk])).status_code == 200
    assert client.get(reverse("portal-receipt", args=[theirs.pk, theirs.receipts.get().pk])).status_code == 200


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("stranger", [another_customer, an_agent, staff])
def test_anybody_elses_is_like_one_that_is_not_there(theirs: Application, stranger: Any, method: str):
    client, before = stranger(), state_of(theirs)

    for name, address in addresses(theirs):
        answer = getattr(client, method)(address, {"version": "0", "answer": "yes"})
        assert answer.status_code == 404, (name, answer.status_code)
        there_is_none = address.replace(str(theirs.pk), str(uuid4())).replace(theirs.batch_id, uuid4().hex)
        there_is_none = there_is_none.replace(theirs.subject.mandates.get().mandate_id, "mandate-none")
        assert getattr(client, method)(there_is_none, {"version": "0"}).status_code == 404, name
        assert not any(word in answer.content.decode() for word in SECRET_WORDS), name
    assert state_of(theirs) == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_has_not_signed_in_is_asked_to_and_changes_nothing(theirs: Application, method: str):
    client, before = nobody(), state_of(theirs)

    for name, address in addresses(theirs):
        answer = getattr(client, method)(address, {"version": "0"})
        assert answer.status_code == 302 and answer["Location"].startswith("/oidc/sign-in"), name
    assert state_of(theirs) == before


@pytest.mark.parametrize("method", ["get", "post"])
def test_who_is_signed_in_at_an_agencys_provider_is_no_customer_whoever_they_are(theirs: Application, method: str):
    member = a_member("op-2")
    User.objects.filter(pk=member.user.pk).update(subject=theirs.subject)  # type: ignore[union-attr]
    client, before = signed_in_agent(member), state_of(theirs)

    for name, address in addresses(theirs):
        answer = getattr(client, method)(address, {"version": "0"})
        assert answer.status_code == 302 and answer["Location"].startswith("/oidc/sign-in"), name
    assert state_of(theirs) == before


def test_nothing_personal_is_kept_by_browsers_or_framed_by_others(theirs: Application):
    client = signed_in(theirs.started_by)

    for name, address in addresses(theirs):
        answer = client.get(address)
        assert "no-store" in answer.headers.get("Cache-Control", ""), name
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"], name
        assert answer.headers["X-Content-Type-Options"] == "nosniff", name


def test_looking_changes_nothing(theirs: Application):
    client, before = signed_in(theirs.started_by), state_of(theirs)

    for _, address in addresses(theirs):
        client.get(address)

    assert state_of(theirs) == before


def state_of(row: Application) -> tuple[Any, ...]:
    fresh = Application.objects.get(pk=row.pk)
    return (
        fresh.version,
        fresh.state,
        fresh.answers,
        fresh.told,
        fresh.asked_action,
        list(fresh.receipts.values_list("withdrawn_at", flat=True)),
        fresh.credentials.count(),
        fresh.help_codes.count(),
        [each.state for each in fresh.subject.mandates.all()],
        [each.state for each in fresh.subject.requests.all()],
    )
