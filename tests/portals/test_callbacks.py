"""What a provider answers: who is believed, for which journey, and what has to hold before anybody is enrolled."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction
from joserfc import jwt
from joserfc.jwk import ECKey

from audit import clock
from audit.models import Event
from beckn.models import Inbox, State
from credentials import services
from portals import asking, callbacks, reading
from portals.models import Application
from tests.credentials.conftest import enrollment
from tests.portals.conftest import DID, PROGRAM, Provider, begin, change, enrolled, order_with

pytestmark = pytest.mark.django_db


def test_a_confirmation_with_a_good_credential_makes_the_journey_an_enrolment(provider: Provider, journey: Application):
    found = provider.answers(journey, enrolled())

    assert (found.state, found.trouble, found.order_number) == ("ENROLLED", "", "ENR-2026-000001")
    held = found.credentials.get()
    assert held.kind == "ENROLLMENT" and held.data.count(".") == 2 and held.verified_at is not None
    assert found.asked_action == "" and Inbox.objects.get(action="on_confirm").state == State.DONE


def test_what_opens_a_credential_stands_nowhere_but_in_its_own_encrypted_columns(
    provider: Provider, journey: Application
):
    found = provider.answers(journey, enrolled())

    held = found.credentials.get()
    for told in (str(found.told), str(found.answers), str(Inbox.objects.values_list("body", "sealed"))):
        assert held.data not in told and "secret-of-the-link" not in told
    assert held.access_url.endswith("secret-of-the-link")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param({"subject": "did:example:somebody-else"}, id="another person's"),
        pytest.param({"meters": ("umid-002",), "said": ("umid-001",)}, id="another meter's"),
        pytest.param({"meters": ("umid-001", "umid-002")}, id="a meter more than asked for"),
        pytest.param({"programId": "program-flex-other-001"}, id="another program's"),
        pytest.param({"enrollmentId": "enrollment-2"}, id="another enrolment's"),
    ],
)
def test_a_good_credential_about_something_else_enrols_nobody(provider: Provider, journey: Application, made: dict):
    found = provider.answers(journey, enrolled(**made))

    assert (found.state, found.trouble) == ("CONFIRMING", callbacks.FORGED)
    assert not found.credentials.exists() and found.enrollment_id == ""
    assert Event.objects.filter(action="credential.disbelieved", object_id=str(journey.pk)).count() == 1


def test_a_credential_that_its_issuer_never_signed_enrols_nobody(provider: Provider, journey: Application):
    order = enrolled()
    good = order["beckn:orderAttributes"]["credential"]["credentialData"]
    header, claims = jwt_parts(good)
    forged = jwt.encode(header, claims, ECKey.generate_key("P-256"), algorithms=["ES256"])

    found = provider.answers(journey, order_with("http://127.0.0.1:8000/credentials/x", forged, ("umid-001",)))

    assert (found.state, found.trouble) == ("CONFIRMING", callbacks.FORGED)
    again = provider.answers(found, order, action="on_status")  # the right one comes later and counts
    assert (again.state, again.trouble) == ("ENROLLED", "")


def test_a_confirmation_without_a_credential_enrols_nobody(provider: Provider, journey: Application):
    order = enrolled()
    del order["beckn:orderAttributes"]["credential"]["credentialData"]

    assert provider.answers(journey, order).state == "CONFIRMING"


def test_only_the_journeys_own_provider_is_heard(provider: Provider, journey: Application, client):
    other = Provider(client, "other.example")
    try:
        context = {"message_id": journey.asked_message_id, "transaction_id": journey.transaction_id}
        order = {"order": {"beckn:id": journey.order_id, **enrolled()}}
        other.says("on_confirm", order, **context)
        unsigned = provider.posts("on_confirm", order, signer=other.peer, **context)
    finally:
        other.peer.stop()

    assert unsigned.status_code == 401
    journey.refresh_from_db()
    assert (journey.state, journey.asked_action) == ("CONFIRMING", "confirm")


def test_an_answer_about_another_order_changes_nothing(provider: Provider, journey: Application):
    second = begin(provider)
    context = {"message_id": journey.asked_message_id, "transaction_id": journey.transaction_id}

    provider.says("on_confirm", {"order": {"beckn:id": "order-of-nobody", **enrolled()}}, **context)

    for each in (journey, second):
        each.refresh_from_db()
        assert each.state == "CONFIRMING"


def test_a_late_no_to_an_older_question_does_not_undo_a_newer_one(provider: Provider, journey: Application):
    first = journey.asked_message_id
    change(journey, lambda row: asking.confirm(row, now=clock.now()))
    no = {"beckn:status": "REJECTED", "error": {"code": "ENROLLMENT_CONFLICT", "message": "Taken."}}

    provider.says("on_confirm", about(journey, no), message_id=first, transaction_id=journey.transaction_id)

    journey.refresh_from_db()
    assert (journey.asked_action, journey.state) == ("confirm", "CONFIRMING")


def test_that_somebody_is_enrolled_counts_whenever_it_is_told(provider: Provider, journey: Application):
    first = journey.asked_message_id
    change(journey, lambda row: asking.status(row, now=clock.now()))

    provider.says("on_confirm", about(journey, enrolled()), message_id=first, transaction_id=journey.transaction_id)

    journey.refresh_from_db()
    assert (journey.asked_action, journey.state) == ("", "ENROLLED")


@pytest.mark.parametrize("is_answered", [False, True])
def test_the_answer_to_an_older_init_changes_nothing_before_and_after_the_newer_ones(
    provider: Provider, is_answered: bool
):
    journey = change(begin(provider), draft)
    first = change(journey, init).asked_message_id
    change(journey, init)
    if is_answered:
        provider.answers(journey, NEEDS_INPUT)

    provider.says("on_init", about(journey, READY), message_id=first, transaction_id=journey.transaction_id)

    journey.refresh_from_db()
    assert reading.prepared(journey.told.get("on_init")).state == ("NEEDS_INPUT" if is_answered else None)
    assert journey.asked_action == ("" if is_answered else "init")


def test_news_of_an_application_do_not_bring_back_a_verdict_on_other_answers(provider: Provider):
    journey = begin(provider)
    change(journey, draft)
    change(journey, init)
    provider.answers(journey, NEEDS_INPUT)
    provider.says("on_status", about(journey, READY), transaction_id=journey.transaction_id)
    journey.refresh_from_db()
    assert reading.prepared(journey.told["on_init"]).state == "READY"

    def other_meters(row: Application) -> None:
        row.answers["meters"], row.told = ["umid-002"], {}

    change(journey, other_meters)
    provider.says("on_status", about(journey, READY), transaction_id=journey.transaction_id)

    journey.refresh_from_db()
    assert "on_init" not in journey.told


def test_unasked_news_leave_the_open_question_open(provider: Provider, journey: Application):
    provider.says("on_status", about(journey, READY), transaction_id=journey.transaction_id)
    news = enrolled()
    del news["beckn:orderAttributes"]["credential"]["credentialData"]
    provider.says("on_status", about(journey, news), transaction_id=journey.transaction_id)

    journey.refresh_from_db()
    assert (journey.asked_action, journey.state, journey.trouble) == ("confirm", "CONFIRMING", "")

    assert provider.answers(journey, enrolled()).state == "ENROLLED"


def test_a_refusal_that_is_final_ends_the_journey_and_another_leaves_it_open(provider: Provider, journey: Application):
    error = {"code": "CONSENT_REQUIRED", "message": "A consent is missing.", "type": "ENROLLMENT_ERROR"}
    pending = {"beckn:status": "PENDING", "error": error}
    found = provider.answers(journey, pending)
    assert (found.state, found.trouble) == ("DRAFT", "CONSENT_REQUIRED")

    change(found, lambda row: asking.confirm(row, now=clock.now()))
    rejected = {"beckn:status": "REJECTED", "error": {"code": "ENROLLMENT_CONFLICT", "message": "Taken meanwhile."}}
    found = provider.answers(found, rejected)
    assert (found.state, found.trouble) == ("REFUSED", "ENROLLMENT_CONFLICT")
    assert found.finished_at is not None


def test_the_same_confirmation_twice_is_one_enrolment(provider: Provider, journey: Application):
    order = enrolled()
    found = provider.answers(journey, order)
    again = provider.answers(found, order, action="on_confirm")

    assert again.state == "ENROLLED" and again.credentials.count() == 1


def test_an_enrolment_that_its_provider_ended_is_ended_here(provider: Provider, journey: Application):
    found = provider.answers(journey, enrolled())
    ended = {
        "beckn:status": "CANCELLED",
        "beckn:orderAttributes": {
            "enrollmentId": "enrollment-1",
            "status": "CANCELLED",
            "updateType": "UNENROLLMENT",
            "unenrollment": {"status": "CANCELLED", "cancelledAt": "2026-11-21T10:00:00Z"},
        },
    }
    found = provider.answers(found, ended, action="on_update")

    assert found.state == "ENDED"
    assert found.credentials.get().revoked_at is not None


def test_the_new_credential_of_more_meters_is_held_and_the_old_one_is_told_again_in_vain(
    provider: Provider, journey: Application
):
    first = enrolled()
    found = provider.answers(journey, first)
    change(found, lambda row: asking.add_meters(row, ["umid-002"], token="t", now=clock.now()))
    joined = enrolled(meters=("umid-001", "umid-002"))
    joined["beckn:orderAttributes"] |= {"updateType": "ADD_METER"}
    joined["beckn:orderAttributes"]["credential"]["issuedAt"] = "2026-11-21T01:00:00Z"

    found = provider.answers(found, joined)

    assert found.answers["meters"] == ["umid-001", "umid-002"] and found.asked_action == ""
    old, new = found.credentials.order_by("pk")
    assert old.replaced_at is not None and new.replaced_at is None

    provider.says("on_confirm", about(journey, first), transaction_id=journey.transaction_id)
    new.refresh_from_db()
    assert new.replaced_at is None


def test_meters_that_nobody_asked_to_add_bring_no_credential(provider: Provider, journey: Application):
    found = provider.answers(journey, enrolled())
    more = enrolled(meters=("umid-001", "umid-009"))
    more["beckn:orderAttributes"] |= {"updateType": "ADD_METER"}

    provider.says("on_update", about(journey, more), transaction_id=journey.transaction_id)

    assert found.credentials.count() == 1


def test_a_second_telling_takes_the_link_of_a_credential_not_away(provider: Provider, journey: Application):
    order = enrolled()
    found = provider.answers(journey, order)
    credential = order["beckn:orderAttributes"]["credential"]
    again = {**order["beckn:orderAttributes"], "credential": credential | {"credentialUrl": credential["credentialId"]}}

    provider.says("on_status", about(journey, order | {"beckn:orderAttributes": again}))

    assert found.credentials.get().access_url.endswith("secret-of-the-link")


def test_older_news_do_not_hide_newer_ones(provider: Provider, journey: Application):
    found = provider.answers(journey, enrolled())
    suspended = {"beckn:orderAttributes": {"enrollmentId": "enrollment-1", "status": "SUSPENDED"}}
    active = {"beckn:orderAttributes": {"enrollmentId": "enrollment-1", "status": "ACTIVE"}}
    early = (clock.now() - timedelta(seconds=9)).strftime("%Y-%m-%dT%H:%M:%SZ")

    provider.says("on_status", about(journey, suspended))
    provider.says("on_status", about(journey, active), timestamp=early)

    found.refresh_from_db()
    assert reading.enrollment(found.told["now"]).status == "SUSPENDED"
    provider.says("on_status", about(journey, active))
    found.refresh_from_db()
    assert [each["act"] for each in found.told["acts"]] == ["SUSPENDED", "RESUMED"]


def test_the_shape_of_the_deg_network_is_known_and_what_it_states_has_to_be_right(
    provider: Provider, journey: Application, settings
):
    assert provider.answers(journey, deg("program-of-somebody")).trouble == callbacks.FORGED
    assert provider.answers(journey, deg(PROGRAM), action="on_confirm").state == "ENROLLED"


def test_strange_answers_are_kept_and_harm_nothing(provider: Provider, journey: Application):
    for order in ({"beckn:fulfillments": "no list"}, {"beckn:orderAttributes": [1]}, {"beckn:status": 7}):
        provider.says("on_status", {"order": {"beckn:id": journey.order_id, **order}})
    provider.says("on_confirm", {"order": None})
    provider.says("on_search", {"catalogs": [{"beckn:items": [{"beckn:id": 7}, "x"]}, None]})

    assert not Inbox.objects.exclude(state=State.DONE).exists()


def jwt_parts(token: str) -> tuple[dict, dict]:
    import base64
    import json

    def part(text: str) -> dict:
        return dict(json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))))

    header, claims, _ = token.split(".")
    return part(header), part(claims)


READY = {"beckn:fulfillments": [{"beckn:state": {"beckn:descriptor": {"schema:name": "PENDING_CONFIRM"}}}]}
NEEDS_INPUT = {"beckn:fulfillments": [{"beckn:state": {"beckn:descriptor": {"schema:name": "NEEDS_INPUT"}}}]}


def about(journey: Application, order: dict) -> dict:
    return {"order": {"beckn:id": journey.order_id, **order}}


def draft(row: Application) -> None:
    row.state, row.asked_action, row.asked_message_id, row.asked_at = "DRAFT", "", "", None


def init(row: Application) -> None:
    asking.init(row, token="", credentials=(), now=clock.now())


def deg(program_id: str) -> dict:
    """An on_confirm with a credential that names the customer's number and the program, and no meters."""
    claims = {
        "programName": "Net metering",
        "programCode": program_id,
        "enrollmentDate": "2026-11-21",
        "validUntil": "2027-11-21",
    }
    made = enrollment(subject_did=DID, claims=claims, profile="DEG", personal_claims={"consumerNumber": "1234567890"})
    with transaction.atomic():
        issued = services.issue([made], now=clock.now())[0]
    return order_with(issued.url, issued.jwt, ("umid-001",))
