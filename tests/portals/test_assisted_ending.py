"""Leaving, and taking a consent back, with an agency's help: the customer proves again and ends it themselves (A12).

And a case's own end: it comes with the journey's, told by the program owner or found by the worker.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import reverse

from audit import clock
from beckn import identities
from beckn.models import Outbox
from identity import mandates
from identity.models import Membership, Subject
from portals import asking, drafts
from portals.agency import cases
from portals.models import Application, AssistedCase, ConsentReceipt
from tests.agencies import a_member, signed_in_agent
from tests.portals.assisted import a_case, a_customer, answered
from tests.portals.assisting import Utility, a_utility, customer, fields, hand_over, sign_in_here
from tests.portals.conftest import Provider
from tests.portals.test_assisted_journey import attributes, heading, journey_of, sent, stop_asking, text

pytestmark = pytest.mark.django_db


@pytest.fixture
def member() -> Membership:
    return a_member()


@pytest.fixture
def agent(member: Membership) -> Client:
    return signed_in_agent(member)


@pytest.fixture
def utility() -> Iterator[Utility]:
    with a_utility() as found:
        yield found


@pytest.fixture
def case(member: Membership) -> AssistedCase:
    """Asha is enrolled, with the agency's help."""
    subject = customer().subject
    assert subject is not None
    found = answered(a_case(member, subject))
    row = journey_of(found)
    about = {"enrollmentId": "enrollment-1", "status": "ACTIVE", "consents": [{"type": "DATA_COLLECTION"}]}
    row.state, row.enrollment_id, row.order_number = "ENROLLED", "enrollment-1", "ENR-2026-000077"
    row.told = {**row.told, "on_confirm": {"message": {"order": {"beckn:orderAttributes": about}}}}
    yes = row.answers["consents"]["DATA_COLLECTION"]
    receipt = ConsentReceipt.objects.create(
        application=row,
        consent_type="DATA_COLLECTION",
        is_granted=True,
        text_version=yes["textVersion"],
        text_digest=yes["textDigest"],
        locale="en",
        record={},
        answered_at=clock.now(),
    )
    row.answers["consents"]["DATA_COLLECTION"] = {**yes, "receipt": str(receipt.pk)}
    row.save()
    cases.settle(row, now=clock.now())
    return AssistedCase.objects.get(pk=found.pk)


def handed(agent: Client, case: AssistedCase, asks: str, about: str = "") -> str:
    """The customer has the device, and has signed in."""
    answer = agent.post(f"/agency/cases/{case.pk}/hand-over", {"asks": asks, "about": about})
    assert answer.status_code == 303
    address = f"/hand-over/{case.handovers.latest('opened_at').pk}"
    sign_in_here(agent, Subject.objects.get(pk=str(case.subject_id)).users.get())
    assert agent.get(f"{address}/arrived")["Location"] == address
    return address


def test_the_customer_leaves_with_the_device_in_their_hand(agent: Client, case: AssistedCase, utility: Utility):
    address = handed(agent, case, "LEAVE")
    page = agent.get(address, follow=True)
    assert heading(page) == "Leave this program?" and "You are enrolling" not in text(page)
    done = agent.post(f"{address}/leave", {**fields(page), "when": "now", "sure": "on"})
    assert done["Location"] == f"{address}/ended"
    assert attributes(sent("update")[-1])["unenrollment"]["enrollmentId"] == "enrollment-1"
    assert heading(agent.get(done["Location"])) == "We are asking the program"
    assert case.handovers.get().answer == "YES"

    drafts.change(journey_of(case), None, lambda row: over(row), now=clock.now())
    assert heading(agent.get(f"{address}/ended")) == "You have left"
    assert agent.post(f"{address}/finish").status_code == 303
    assert agent.get(f"{address}/leave")["Location"] == f"{address}/back"
    assert "_auth_user_id" not in agent.session


def over(row: Application) -> None:
    stop_asking(row)
    row.state, row.finished_at = Application.State.ENDED, clock.now()


def test_the_customer_takes_one_consent_back_and_no_other(agent: Client, case: AssistedCase, utility: Utility):
    address = handed(agent, case, "WITHDRAW", "DATA_COLLECTION")
    page = agent.get(address, follow=True)
    assert heading(page) == "Withdraw this consent?"
    assert agent.get(f"{address}/leave").status_code == 404  # what was not asked for has no page
    assert agent.post(f"{address}/withdraw", {**fields(page), "answer": "yes"})["Location"] == f"{address}/ended"
    assert attributes(sent("update")[-1])["consentRevocation"]["consentType"] == "DATA_COLLECTION"


def test_a_no_changes_nothing(agent: Client, case: AssistedCase, utility: Utility):
    address = handed(agent, case, "WITHDRAW", "DATA_COLLECTION")
    page = agent.get(address, follow=True)
    assert heading(page) == "Withdraw this consent?"
    done = agent.post(f"{address}/withdraw", {**fields(page), "answer": "no"})
    assert heading(agent.get(done["Location"])) == "Nothing has changed" and not sent("update")
    assert case.handovers.get().answer == "NO"


def test_leaving_pressed_twice_is_asked_once(agent: Client, case: AssistedCase, utility: Utility):
    address = handed(agent, case, "LEAVE")
    form = {**fields(agent.get(address, follow=True)), "when": "now", "sure": "on"}
    for _ in range(2):
        assert agent.post(f"{address}/leave", form).status_code == 303
    assert len(sent("update")) == 1


def test_without_the_customers_sign_in_no_page_ends_anything(agent: Client, case: AssistedCase, utility: Utility):
    address = hand_over(agent, case, "LEAVE")
    for page in ("leave", "withdraw", "ended"):
        for method in (agent.get, agent.post):
            assert method(f"{address}/{page}", {"when": "now", "sure": "on"}).status_code == 303
    sign_in_here(agent, customer("did:example:other", "UTIL-CUST-2002", "Bela Sen"))
    agent.get(f"{address}/arrived")
    assert agent.post(f"{address}/leave", {"version": "1", "when": "now", "sure": "on"}).status_code == 303
    assert not sent("update")


def test_the_agent_has_no_address_that_ends_an_enrolment(agent: Client, case: AssistedCase):
    row = journey_of(case)
    form = {"version": str(row.version), "when": "now", "sure": "on", "answer": "yes", "asks": "LEAVE"}
    for name in ("agency-ending", "agency-enrolled", "agency-receipt", "agency-refused", "agency-check"):
        agent.post(reverse(name, args=[case.pk]), form)
    agent.post(reverse("agency-ask", args=[case.pk, "LEAVE"]), form)
    assert not sent("update") and not sent("cancel")


# --- the case's own end -----------------------------------------------------------------------------------------------


def test_a_refusal_that_is_final_closes_the_case_with_the_journey(provider: Provider, member: Membership):
    case = answered(a_case(member, a_customer()))
    row = drafts.change(journey_of(case), None, confirming, now=clock.now())
    no = {"beckn:status": "REJECTED", "error": {"code": "ENROLLMENT_CONFLICT", "message": "Taken."}}
    told = {"beckn:id": row.order_id, **no}
    portal = identities.by_id(row.portal)
    assert portal is not None
    context = {"bap_id": row.portal, "bap_uri": portal.uri, "message_id": row.asked_message_id}
    provider.says("on_confirm", {"order": told}, **context, transaction_id=row.transaction_id)
    case.refresh_from_db()
    assert (journey_of(case).state, case.state, case.outcome) == ("REFUSED", "CLOSED", "REFUSED")


def confirming(row: Application) -> None:
    asking.confirm(row, now=clock.now())


@pytest.mark.parametrize(
    ("state", "outcome"), [("ENROLLED", "ENROLLED"), ("REFUSED", "REFUSED"), ("ENDED", "ENDED"), ("DROPPED", "LEFT")]
)
def test_what_ended_while_nobody_looked_is_closed_by_the_worker_once(member: Membership, state: str, outcome: str):
    case = answered(a_case(member))
    assert cases.settle_all(clock.now()) == 0
    Application.objects.filter(pk=str(case.application_id)).update(state=state, enrollment_id="enrollment-1")
    assert (cases.settle_all(clock.now()), cases.settle_all(clock.now())) == (1, 0)
    case.refresh_from_db()
    assert (case.state, case.outcome) == ("CLOSED", outcome)


def test_an_enrolment_told_under_a_mandate_that_was_taken_back_is_still_the_cases(member: Membership):
    """The proof stood when the owner confirmed; that it was taken back meanwhile undoes no enrolment."""
    case = answered(a_case(member))
    assert case.mandate is not None
    mandates.revoke(case.mandate, by=mandates.CUSTOMER, now=clock.now())
    cases.stands_still(case, "REVOKED", now=clock.now())
    Application.objects.filter(pk=str(case.application_id)).update(state="ENROLLED", enrollment_id="enrollment-1")
    cases.settle_all(clock.now())
    case.refresh_from_db()
    assert (case.state, case.outcome) == ("CLOSED", "ENROLLED")
    agent = signed_in_agent(member)
    assert agent.get(reverse("agency-enrolled", args=[case.pk]))["Location"] == reverse("agency-case", args=[case.pk])
    assert Outbox.objects.filter(action="confirm").count() == 0
