"""Whoever speaks profile B is answered in it: news nobody asked for, our own failures, and no secret is kept."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import transaction

from beckn import sealing, tasks
from beckn.inbox import secret_paths_in
from beckn.models import Inbox, Outbox
from beckn.profiles import onboarding, pilot
from enrollment.models import EnrollmentCase
from enrollment.results import Snapshot
from enrollment.signals import enrollment_changed
from enrollment.states import CaseState
from tests.bap import Bap
from tests.beckn.conftest import message
from tests.beckn.results import enrolled_order
from tests.beckn.test_profile_pilot import CREDENTIAL, OIDC, OTP, an_order
from tests.factories import NOON
from tests.pilot import DOMAIN

Json = dict[str, Any]


def a_case(bap: Bap, *, domain: str, profile: str) -> EnrollmentCase:
    return EnrollmentCase.objects.create(
        order_id="order-1",
        bap_id=bap.subscriber_id,
        bap_uri=bap.uri,
        domain=domain,
        profile=profile,
        transaction_ids=["tx-1"],
        channel="PORTAL",
        state=CaseState.WITHDRAWN,
        deadline=NOON + timedelta(days=1),
        created_at=NOON,
        updated_at=NOON,
    )


@pytest.mark.parametrize(
    ("domain", "profile", "key"),
    [
        (DOMAIN, "B", "beckn:orderStatus"),
        ("energy.enrollment", "B", "beckn:orderStatus"),
        ("energy.enrollment", "A", "beckn:status"),
        ("energy.enrollment", "", "beckn:status"),  # a case from before this was kept
        (DOMAIN, "", "beckn:orderStatus"),
    ],
)
def test_news_goes_out_in_the_words_the_order_came_in(bap: Bap, domain: str, profile: str, key: str) -> None:
    case = a_case(bap, domain=domain, profile=profile)
    with transaction.atomic():
        enrollment_changed.send(
            EnrollmentCase, result=Snapshot(enrolled_order(), NOON, "SUSPENDED"), case=case, action="on_status"
        )
    row = Outbox.objects.get()
    assert (row.body["context"]["domain"], row.body["context"]["action"]) == (domain, "on_status")
    assert key in row.body["message"]["order"]


def test_what_we_could_not_handle_is_told_beside_a_complete_order(bap: Bap, post: Any, monkeypatch: Any) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("beckn.handlers.handle", broken)
    monkeypatch.setattr(tasks, "MAX_ATTEMPTS", 0)
    body = message(bap, "select", an_order()["message"], domain=DOMAIN)
    assert post(bap, body, action="select").status_code == 200
    tasks.drain()
    told = Outbox.objects.get().body
    assert told["error"]["code"] == "SYS_INTERNAL"
    assert told["error"]["details"]["incidentId"] == Inbox.objects.get().incident_id
    order = told["message"]["order"]
    assert (order["beckn:orderStatus"], order["beckn:seller"]) == ("FAILED", "provider-1")
    assert order["beckn:orderItems"] == [{"beckn:orderedItem": "program-1"}]


SECRETS = {
    "mobile": "+919876500001",
    "account": "CUST-SECRET-1",
    "nguid": "session-of-the-utility",
    "otp": "493817",
    "access": "eyJ-access",
    "id": "eyJ-id",
    "refresh": "eyJ-refresh",
    "name": "Somebody Real",
    "email": "somebody@example.com",
    "phone": "+919876500002",
    "bytes": "eyJ-credential",
}


def test_nothing_that_is_secret_stays_in_a_kept_message_of_the_pilot() -> None:
    otp = {**OTP, "mobile": SECRETS["mobile"], "utilityCustomerId": SECRETS["account"]}
    otp |= {"nguid": SECRETS["nguid"], "otp": SECRETS["otp"]}
    oidc = {**OIDC, "accessToken": SECRETS["access"], "idToken": SECRETS["id"], "refreshToken": SECRETS["refresh"]}
    person = {"name": SECRETS["name"], "email": SECRETS["email"], "phone": SECRETS["phone"]}
    credential = {**CREDENTIAL, "credentialData": SECRETS["bytes"]}
    for given in (
        an_order(userAuth=otp, customer=person, meterOwnershipCredential=credential),
        an_order(userAuth=oidc, delivery={"customer": person, "credentials": [credential]}),
    ):
        given["message"]["order"]["beckn:buyer"]["beckn:telephone"] = SECRETS["phone"]
        assert pilot.validate("init", given) is None
        whole = orjson.loads(orjson.dumps(given))
        taken = sealing.take_out(given, secret_paths_in(pilot))
        kept = orjson.dumps(given).decode()
        assert [name for name, secret in SECRETS.items() if secret in kept] == []
        assert sealing.put_back(given, taken) == whole


@pytest.mark.parametrize("profile", [onboarding, pilot])
def test_what_an_answer_tells_of_a_code_is_sealed_too(profile: Any) -> None:
    assert {"nguid", "utilityCustomerId", "credentialUrl", "offerUrl"} <= set(profile.SECRET_KEYS_OUT)
