"""What a provider answers: who is believed, for which journey, and what has to hold before anybody is enrolled."""

from __future__ import annotations

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from audit import clock
from audit.models import Event
from beckn.models import Inbox, State
from portals import asking, callbacks
from portals.models import Application
from tests.portals.conftest import Provider, begin, change, enrolled, order_with

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


def test_a_late_answer_to_an_older_question_does_not_undo_a_newer_one(provider: Provider, journey: Application):
    first = journey.asked_message_id
    change(journey, lambda row: asking.init(row, token="", credentials=(), now=clock.now()))

    provider.says(
        "on_confirm",
        {"order": {"beckn:id": journey.order_id, **enrolled()}},
        message_id=first,
        transaction_id=journey.transaction_id,
    )

    journey.refresh_from_db()
    assert (journey.asked_action, journey.state) == ("init", "CONFIRMING")


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
