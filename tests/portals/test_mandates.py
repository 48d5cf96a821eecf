"""A customer's control over who may act for them, and what the agency hears of it (EA-4, issue 6 points 4 and 5)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from audit import clock
from audit.models import Event
from beckn import participants
from beckn.models import Participant
from beckn.profiles.onboarding import write
from enrollment.results import Snapshot
from identity import mandates as given
from identity.models import Mandate, Membership, Subject, User
from portals import mandates, reading
from portals.agency import cases
from portals.models import Application, AssistedCase, CatalogProgram, MandateLink
from tests.agencies import a_member, an_agency, signed_in_agent
from tests.beckn.results import order
from tests.portals.conftest import Provider

pytestmark = pytest.mark.django_db
BACKEND = "identity.oidc.backend.Backend"
PAGE = "/my-data/mandates"


@pytest.fixture
def agent() -> Membership:
    return a_member("op-1", agency=an_agency("ea-001", name="Sahaya Enrolments"))


def a_person(name: str) -> tuple[Subject, Client]:
    subject = Subject.objects.create(did=f"did:example:{name}-{uuid4().hex}")
    client = Client()
    client.force_login(User.objects.create(username=uuid4().hex, sub=uuid4().hex, subject=subject), backend=BACKEND)
    return subject, client


def program(bpp: Participant | None = None) -> CatalogProgram:
    now = clock.now()
    bpp = (
        bpp
        or Participant.objects.get_or_create(
            subscriber_id="owner.example",
            defaults={"url": "https://owner.example/beckn", "type": "BPP", "created_at": now, "updated_at": now},
        )[0]
    )
    item = {"beckn:id": "program-flex", "beckn:descriptor": {"schema:name": "Flexible summer"}}
    found, _ = CatalogProgram.objects.get_or_create(
        bpp=bpp,
        provider_id="p-1",
        program_id="program-flex",
        defaults={"slug": uuid4().hex[:8], "item": item, "fetched_at": now},
    )
    return found


def allowed(subject: Subject, agent: Membership, **changes: Any) -> Mandate:
    now = clock.now()
    words = given.text(agent.agency, agent.name, "Flexible summer", now + given.LASTS, "en")
    said: dict[str, Any] = {
        "subject": subject,
        "agency": agent.agency,
        "operator_id": agent.operator_id,
        "utility_id": "utility-example-001",
        "program_id": "program-flex",
        "now": now,
        "evidence_kind": "OIDC",
        "evidence_digest": "0" * 64,
        "locale": "en",
        "words": words,
    }
    return given.give(**said | changes)


def a_case(subject: Subject, agent: Membership, mandate: Mandate, bpp: Participant | None = None) -> AssistedCase:
    now = clock.now()
    case = cases.open_case(
        agent, program(bpp), "utility-example-001", source="DESK", now=now, looked_up={"account": "CUST-1"}
    )
    cases.read(case, "en", by=agent, now=now)
    cases.proved(case, subject, mandate, now=now)
    return AssistedCase.objects.get(pk=case.pk)


def proves(mandate: Mandate) -> Any:
    return given.prove(
        mandate.mandate_id,
        agency_id=mandate.agency.agency_id,
        operator_id=mandate.operator_id,
        action="confirm",
        program_id="",
        utility_ids=[],
        at=clock.now(),
    )


def test_a_person_reads_what_they_have_allowed_word_for_word_and_takes_it_back_at_once(agent: Membership) -> None:
    program()
    subject, client = a_person("asha")
    mandate = allowed(subject, agent)
    case = a_case(subject, agent, mandate)
    page = client.get(PAGE).content.decode()
    for words in ("Sahaya Enrolments", "Flexible summer", "Operator op-1", "you signed in", "They may not agree"):
        assert words in page, words
    assert "Who may act for you" in client.get("/my-data").content.decode()

    asked = client.get(f"{PAGE}/{mandate.mandate_id}")
    assert asked.status_code == 200 and proves(mandate) == mandate, "asking ends nothing"
    done = client.post(f"{PAGE}/{mandate.mandate_id}", follow=True)

    assert "It is taken back" in done.content.decode() and "Nobody may act for you." in done.content.decode()
    assert proves(mandate) == "REVOKED"
    case.refresh_from_db()
    assert case.state == "PROVING" and case.application_id is not None, "it stands still until they agree anew"
    lines = Event.objects.filter(action="mandate.revoked")
    assert {(each.object_type, each.actor_kind) for each in lines} == {("mandate", "PERSON"), ("agency-case", "PERSON")}
    client.post(f"{PAGE}/{mandate.mandate_id}")
    assert lines.count() == 2, "twice is once"


def test_nobody_takes_back_what_somebody_else_has_allowed_or_sees_it(agent: Membership) -> None:
    program()
    subject, _ = a_person("asha")
    mandate = allowed(subject, agent)
    _, stranger = a_person("mallory")
    manager = signed_in_agent(a_member("op-2", role="MANAGER", agency=agent.agency))
    address = f"{PAGE}/{mandate.mandate_id}"

    assert stranger.get(address).status_code == stranger.post(address).status_code == 404
    assert "Sahaya" not in stranger.get(PAGE).content.decode()
    for browser in (manager, signed_in_agent(agent), Client()):
        for answer in (browser.get(address), browser.post(address), browser.get(PAGE)):
            assert answer.status_code in (302, 303, 403, 404) and b"Sahaya Enrolments</h2>" not in answer.content
    assert proves(mandate) == mandate and not Event.objects.filter(action="mandate.revoked").exists()


def test_an_agency_can_neither_make_a_mandate_longer_nor_its_own_by_any_address(agent: Membership) -> None:
    """What an agent may send anywhere, a mandate comes of the customer's own proof alone."""
    program()
    subject, _ = a_person("asha")
    mandate = allowed(subject, agent)
    mandates.take_back(mandate, now=clock.now())
    browser = signed_in_agent(agent)
    for address in (PAGE, f"{PAGE}/{mandate.mandate_id}", f"/mandates/{mandate.mandate_id}"):
        browser.post(address, {"state": "ACTIVE", "act": "give"})
    assert proves(mandate) == "REVOKED" and Mandate.objects.count() == 1


def test_a_mandate_that_is_over_is_shown_so_and_cannot_be_pressed(agent: Membership) -> None:
    program()
    subject, client = a_person("asha")
    mandate = allowed(subject, agent, lasts=timedelta(seconds=1))
    Mandate.objects.filter(pk=mandate.pk).update(
        valid_from=clock.now() - timedelta(days=2), valid_until=clock.now() - timedelta(days=1)
    )
    page = client.get(PAGE).content.decode()
    assert "ended by itself" in page and "Take it back" not in page
    assert client.get(f"{PAGE}/{mandate.mandate_id}").status_code == 302


def test_an_address_ends_its_own_mandate_only_and_runs_out(agent: Membership, client: Client) -> None:
    program()
    subject, _ = a_person("asha")
    mandate, other = allowed(subject, agent), allowed(subject, agent)
    path = "/mandates/" + mandates.make_link(mandate, clock.now()).rpartition("/")[2]
    late = "/mandates/" + mandates.make_link(other, clock.now()).rpartition("/")[2]
    MandateLink.objects.filter(mandate=other).update(expires_at=clock.now())

    assert client.get(late).status_code == client.post(late).status_code == 404
    client.get(path)
    assert proves(mandate) == mandate
    assert client.post(path).status_code == 200
    assert proves(mandate) == "REVOKED" and proves(other) == other
    assert MandateLink.objects.filter(token_digest__contains=path.rpartition("/")[2]).count() == 0, "only its digest"
    assert mandates.make_link(mandate, clock.now()).endswith(path), "a message sent again has the same address"
    assert MandateLink.objects.count() == 2 and mandates.forget_links(clock.now() + timedelta(seconds=1)) == 1


def test_ea_4_a_customer_who_said_not_me_to_the_program_owner_closes_the_agencys_case(
    provider: Provider, agent: Membership
) -> None:
    """The program owner's word alone does it; whatever else comes, the case stays as it is."""
    subject, _ = a_person("asha")
    mandate = allowed(subject, agent)
    case = a_case(subject, agent, mandate, participants.registered(provider.peer.subscriber_id))
    application = case.application
    assert application is not None
    to_us = {"bap_id": application.portal, "transaction_id": application.transaction_id}
    order = {"beckn:id": application.order_id, "beckn:status": "PENDING"}
    provider.says("on_status", {"order": order}, **to_us)
    case.refresh_from_db()
    assert case.not_me_at is None and case.state == "OPEN"

    stopped = {**order, "beckn:orderAttributes": {"stopped": {"reason": "NOT_ME", "at": "2026-11-21T12:00:00Z"}}}
    for _ in range(2):
        provider.says("on_status", {"order": stopped}, **to_us)

    case.refresh_from_db()
    assert case.not_me_at is not None and (case.state, case.outcome) == ("CLOSED", "NOT_ME")
    assert Event.objects.filter(action="assisted.not_me").count() == 1
    with pytest.raises(cases.NotPossible, match="FROZEN"):
        cases.proved(case, subject, allowed(subject, agent), now=clock.now())


def test_ea_4_not_me_after_the_enrolment_marks_the_case_that_was_finished(
    provider: Provider, agent: Membership
) -> None:
    subject, _ = a_person("asha")
    case = a_case(subject, agent, allowed(subject, agent), participants.registered(provider.peer.subscriber_id))
    application = case.application
    assert application is not None
    cases.close(case, "ENROLLED", clock.now())
    stopped = {
        "beckn:id": application.order_id,
        "beckn:status": "ACTIVE",
        "beckn:orderAttributes": {
            "status": "SUSPENDED",
            "suspension": {"reason": "NOT_ME"},
            "stopped": {"reason": "NOT_ME", "at": "2026-11-21T12:00:00Z"},
        },
    }
    provider.says("on_status", {"order": stopped}, bap_id=application.portal, transaction_id=application.transaction_id)
    case.refresh_from_db()
    assert case.not_me_at is not None and (case.state, case.outcome) == ("CLOSED", "ENROLLED")


def test_a_mandate_taken_back_at_the_program_owners_is_seen_when_its_news_come(
    provider: Provider, agent: Membership
) -> None:
    subject, _ = a_person("asha")
    mandate = allowed(subject, agent)
    case = a_case(subject, agent, mandate, participants.registered(provider.peer.subscriber_id))
    application = case.application
    assert application is not None
    given.revoke(mandate, by=given.CUSTOMER, now=clock.now())
    order = {"beckn:id": application.order_id, "beckn:status": "PENDING"}
    provider.says("on_status", {"order": order}, bap_id=application.portal, transaction_id=application.transaction_id)
    case.refresh_from_db()
    assert case.state == "PROVING" and Application.objects.get(pk=application.pk).state == "DRAFT"


def test_the_portal_reads_what_the_program_owner_writes_of_a_stopped_order() -> None:
    written = write("on_status", Snapshot(order(stopped_at=clock.now()), clock.now()))
    assert reading.is_stopped({"message": written})
    assert not reading.is_stopped({"message": write("on_status", Snapshot(order(), clock.now()))})


def test_only_that_reason_stops_a_case() -> None:
    for said in (None, {}, {"message": {"order": {"beckn:orderAttributes": {"stopped": {"reason": "OTHER"}}}}}):
        assert not reading.is_stopped(said)
