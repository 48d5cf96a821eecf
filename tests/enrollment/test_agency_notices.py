"""What customers hear of an agency that acts for them, and how they end it: everything, or only its mandate (EA-4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.test import Client

from audit.log import SYSTEM
from audit.models import Event
from beckn.profiles import contents
from enrollment import reviews
from enrollment.commands import Assistance, Authority, ConsentGrant
from enrollment.models import CustomerNotice, Document, EnrollmentCase
from enrollment.results import Confirmed, Prepared, Snapshot
from enrollment.reviews import NotYours, Reading, Reviewer
from enrollment.signals import enrollment_changed
from enrollment.states import DocumentState
from identity import agencies, mandates
from identity.models import Agency, Mandate, Subject
from tests.enrollment.test_notices import SUPPORT, link_in, written
from tests.enrollment.utility import Utility, as_configured
from tests.enrollment.world import World, at, code
from tests.factories import FLEX, LONG_AGO, NOON, RAJESH, SIGNED_IN, UTILITY_A, a_program, criterion

pytestmark = pytest.mark.django_db
EA, BY = "ea-portal.example.com", "op-1"
AGREED = (ConsentGrant("DATA_COLLECTION", granted=True),)
FOR_EA = Authority(EA, ("*",))
DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit.clock.now", lambda: NOON)


@pytest.fixture
def world(bare_world: World, running_utility: Utility, settings: Any) -> World:
    settings.UTILITIES = as_configured(running_utility, uuid4().hex, with_news=True)
    bare_world.version = a_program(criteria=[criterion("ACCOUNT_STANDING", anyOf=["GOOD"])], support=SUPPORT)
    return bare_world


@pytest.fixture
def agency() -> Agency:
    details = agencies.Details(
        name="Sahaya Enrolments",
        certified_from=LONG_AGO,
        certified_until=at(2027, 6, 1),
        utilities=(UTILITY_A,),
        programs=(FLEX,),
        participants=(EA,),
        operators=(agencies.Operator(BY), agencies.Operator("op-2")),
    )
    return agencies.add("ea-001", details, actor=SYSTEM, at=NOON)


@pytest.fixture
def told() -> Any:
    """What the BAP of record is told without asking, as it stands in `on_status`."""
    heard: list[Any] = []

    def hear(sender: Any, *, result: Any, **_: Any) -> None:
        heard.append(result)

    enrollment_changed.connect(hear)
    yield heard
    enrollment_changed.disconnect(hear)


def allowed(world: World, agency: Agency, **changes: Any) -> Mandate:
    """The customer's word, as the agency's portal keeps it."""
    said: dict[str, Any] = {
        "subject": Subject.objects.for_did(RAJESH),
        "agency": agency,
        "operator_id": BY,
        "utility_id": UTILITY_A,
        "program_id": FLEX,
        "now": NOON,
        "evidence_kind": "OIDC",
        "evidence_digest": "0" * 64,
    }
    return mandates.give(**said | changes)


def assisted(world: World, mandate: Mandate | None, order: str = "") -> Any:
    by = Assistance("ea-001", BY, mandate.mandate_id if mandate else "")
    named = {"order_id": order} if order else {}
    authority = FOR_EA if mandate else replace(SIGNED_IN, participant_id=EA)
    return world.prepare(world.application(bap_id=EA, assisted_by=by, **named), authority=authority)


def confirmed(world: World, mandate: Mandate) -> Any:
    by = Assistance("ea-001", BY, mandate.mandate_id)
    return world.confirm(bap_id=EA, assisted_by=by, authority=FOR_EA, consents=AGREED)


def test_the_customer_hears_from_the_platform_that_an_agency_acts_and_again_when_it_has_enrolled_them(
    world: World, agency: Agency
) -> None:
    mandate = allowed(world, agency)
    assert isinstance(assisted(world, mandate), Prepared)
    assert isinstance(confirmed(world, mandate), Confirmed)

    assert written(world) == ["agency-started", "enrollment-confirmed"]
    first, second = world.utility.notices
    assert first["utilityCustomerId"] == "CUST-123456", "at the contact that the utility has, not one the agency typed"
    assert "Sahaya Enrolments made an application" in first["text"] and "until 13 January 2027" in first["text"]
    assert "the agency Sahaya Enrolments acted for you" in second["text"]
    assert first["parameters"]["agency"] == "ea-001" and first["parameters"]["notMeUrl"] in first["text"]
    assert "shall the agency no longer act for you" in first["text"] and SUPPORT["phone"] in first["text"]
    assert BY not in first["text"] + second["text"] + str(CustomerNotice.objects.values_list("parameters"))


def test_an_application_without_an_agency_is_told_as_before(world: World) -> None:
    world.prepare(world.application())
    assert written(world) == ["application-started"]
    assert "agency" not in world.utility.notices[0]["text"]


def test_an_outside_agency_that_brings_the_customers_own_proof_is_named_without_a_mandate(
    world: World, agency: Agency
) -> None:
    assisted(world, None)
    assert written(world) == ["agency-started"]
    text = world.utility.notices[0]["text"]
    assert "Sahaya Enrolments made an application" in text and "until" not in text.partition("Was this not you")[0]


def test_ea_4_not_me_freezes_the_case_ends_the_mandates_and_tells_the_agencys_portal_and_the_journal(
    world: World, agency: Agency, client: Client, told: list[Any]
) -> None:
    mandate = allowed(world, agency)
    allowed(world, agency, operator_id="op-2")
    assisted(world, mandate)
    written(world)
    address = f"/not-me/{link_in(world)}"

    assert client.get(address).status_code == 200
    assert not EnrollmentCase.objects.get().is_frozen and mandates_of(world) == {"ACTIVE"}, "looking changes nothing"
    client.post(address)

    case = EnrollmentCase.objects.get()
    assert case.is_frozen and mandates_of(world) == {"REVOKED"}
    assert set(Mandate.objects.values_list("operator_id", "revoked_by")) == {(BY, "CUSTOMER"), ("op-2", "CUSTOMER")}
    (news,) = [each for each in told if isinstance(each, Snapshot)]
    assert contents.of(news, str)["stopped"]["reason"] == "NOT_ME"
    frozen = Event.objects.get(action="case.frozen")
    assert frozen.details == {"agency": "ea-001", "operator": BY}
    assert code(assisted(world, mandate)) == "NOT_POSSIBLE_NOW"
    assert "not-me-received" in written(world)


def test_the_notices_address_ends_the_mandate_alone_and_the_agencys_next_act_finds_none(
    world: World, agency: Agency, client: Client, told: list[Any]
) -> None:
    mandate = allowed(world, agency)
    assisted(world, mandate)
    written(world)
    address = f"/not-me/{link_in(world)}"
    assert "Sahaya Enrolments" in client.get(address).content.decode()

    page = client.post(address, {"act": "mandate"})

    assert page.status_code == 200 and "may not act for you any more" in page.content.decode()
    assert not EnrollmentCase.objects.get().is_frozen and mandates_of(world) == {"REVOKED"}
    why = mandates.prove(
        mandate.mandate_id,
        agency_id="ea-001",
        operator_id=BY,
        action="confirm",
        program_id=FLEX,
        utility_ids=[UTILITY_A],
        at=NOON,
    )
    assert why == "REVOKED"
    assert "taken the agency's mandate back" in told[-1].reason
    assert written(world)[-1] == "mandate-taken-back"
    again = client.post(address, {"act": "mandate"})
    assert again.status_code == 200 and Event.objects.filter(action="mandate.revoked").count() == 1
    assert client.post(address).status_code == 200 and EnrollmentCase.objects.get().is_frozen, "it still stops all"


def test_nothing_of_the_mandate_is_told_or_ended_by_an_address_that_has_run_out_or_was_made_up(
    world: World, agency: Agency, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assisted(world, allowed(world, agency))
    written(world)
    token = link_in(world)
    monkeypatch.setattr("audit.clock.now", lambda: NOON + 31 * DAY)

    gone = client.post(f"/not-me/{token}", {"act": "mandate"})
    made_up = client.post(f"/not-me/{token[:-1]}x", {"act": "mandate"})

    assert (gone.status_code, made_up.status_code) == (410, 404)
    assert mandates_of(world) == {"ACTIVE"} and "Sahaya" not in gone.content.decode() + made_up.content.decode()


def test_ea_5_an_agency_cannot_review_what_its_own_people_uploaded_and_asks_for_another_file_work(
    world: World, agency: Agency
) -> None:
    """Also where its reviewer is another person; and the database says so, whoever writes."""
    assisted(world, allowed(world, agency))
    row = Document.objects.create(
        document_id="document-1",
        case=EnrollmentCase.objects.get(),
        kind="DER_CERTIFICATE",
        max_bytes=1000,
        state=DocumentState.UPLOADED,
        asked_at=NOON,
        token_digest="t",
        token_expires_at=NOON,
        uploaded_at=NOON,
        uploaded_by=f"operator:{BY}",
        uploaded_by_agency="ea-001",
        sha256="0" * 64,
        storage_key="k",
    )
    for who in (BY, "op-2"):
        with pytest.raises(NotYours):
            reviews.approve("document-1", Reviewer(f"operator:{who}", "ea-001"), Reading(), actor=SYSTEM, now=NOON)
        with pytest.raises(NotYours):
            reviews.refuse("document-1", Reviewer(f"operator:{who}", "ea-001"), "X", actor=SYSTEM, now=NOON)
    with pytest.raises(IntegrityError, match="no_agency_reviews_its_own_uploads"), transaction.atomic():
        Document.objects.filter(pk=row.pk).update(first_reviewer="operator:op-2", first_reviewer_agency="ea-001")

    reviews.refuse("document-1", Reviewer("staff:meera"), "UNREADABLE", actor=SYSTEM, now=NOON)

    row.refresh_from_db()
    assert (row.state, row.first_reviewer, row.refusal_reason) == ("REFUSED", "staff:meera", "UNREADABLE")


def mandates_of(world: World) -> set[str]:
    return set(Mandate.objects.values_list("state", flat=True))
