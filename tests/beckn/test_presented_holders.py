"""What a message's proofs of the customer make of it: bound to their first use, and all of one person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from audit import clock
from beckn import handlers, participants, tasks
from beckn.models import Inbox, Outbox
from enrollment.commands import Authority
from identity import providers
from outbound.cache import default_cache
from sandbox.generated import OWNER
from tests.bap import Bap
from tests.beckn.conftest import Post, is_ack, message, nack
from tests.identity.idp import Client, IdentityProvider, ProviderSettings, running
from tests.wallet import Wallet, did_key, ed25519

GITA = did_key(ed25519("gita"))
Json = dict[str, Any]


@pytest.fixture
def shown(bap: Bap, monkeypatch: pytest.MonkeyPatch) -> list[Authority]:
    """What each init that is handled has shown about its customer."""
    found: list[Authority] = []

    def look(call: Any) -> None:
        found.append(call.authority())
        handlers._refuse(call, handlers.Refusal(handlers.Code.NOT_POSSIBLE_NOW, "seen"))

    monkeypatch.setitem(handlers._HANDLERS, "init", look)
    monkeypatch.setitem(handlers._HANDLERS, "confirm", look)
    return found


@pytest.fixture
def idp(settings: Any, bap: Bap) -> Iterator[IdentityProvider]:
    with running() as provider:
        default_cache().clear()
        providers._asked_again.clear()
        clients = (Client("portal-client", bap.subscriber_id),)
        settings.OIDC_PROVIDERS = [ProviderSettings(provider.issuer, clients=clients)]
        yield provider


def init(bap: Bap, order_id: str = "order-1", *, action: str = "init", **attributes: Any) -> Json:
    order = {
        "beckn:id": order_id,
        "beckn:items": [{"beckn:id": "p-1"}],
        "beckn:fulfillments": [{"beckn:id": "f-1"}],
        "beckn:orderAttributes": attributes,
    }
    return message(bap, action, {"order": order})


def vp(jwt: str) -> Json:
    return {"format": "VP-JWT", "presentationData": jwt}


def signed(order_id: str = "order-1", wallet: Wallet = GITA, **claims: Any) -> Json:
    return vp(wallet.present(**{"aud": OWNER, "nonce": order_id, "now": clock.now(), **claims}))


def outcome(authority: Authority) -> tuple[str, str]:
    """Who was proven, or the code and the field of the refusal."""
    if authority.refusal_code:
        return authority.refusal_code, authority.refusal_field
    return authority.proven_subject, ""


def test_who_signs_a_presentation_is_who_they_are(bap: Bap, post: Post, shown: list[Authority], settings: Any) -> None:
    for number, aud in enumerate((OWNER, settings.PUBLIC_URL)):
        assert is_ack(post(bap, init(bap, f"order-{number}", presentation=signed(f"order-{number}", aud=aud))))
    tasks.drain()
    assert [outcome(each) for each in shown] == [(GITA.did, "")] * 2
    assert (shown[0].acr, shown[0].proven_utility) == ("", "")


def test_a_presentation_counts_for_the_order_and_participant_of_its_first_use(
    bap: Bap, post: Post, shown: list[Authority]
) -> None:
    second = Bap("second.test.example")
    second.start()
    participants.add(
        subscriber_id=second.subscriber_id,
        url=second.uri,
        key_id=second.key_id,
        public_key=second.public_key,
        now=clock.now(),
    )
    once, twice = signed(), signed("order-2", jti="urn:uuid:1")
    sent = [
        (bap, init(bap, presentation=once)),
        (bap, init(bap, action="confirm", presentation=once)),
        (second, init(second, presentation=once)),
        (bap, init(bap, "order-2", presentation=once)),
        (bap, init(bap, "order-2", presentation=twice)),
        (bap, init(bap, "order-3", presentation=signed("order-3", jti="urn:uuid:1"))),
    ]
    for peer, body in sent:
        assert is_ack(post(peer, body))
        tasks.drain()
    second.stop()
    refused, proven = ("TOKEN_INVALID", "presentation"), (GITA.did, "")
    assert [outcome(each) for each in shown] == [proven, proven, refused, refused, proven, refused]
    assert "used for something else" in shown[2].refusal_sentence and "nonce" in shown[3].refusal_sentence
    assert "used for something else" in shown[5].refusal_sentence, "one id is one presentation"


def test_each_way_of_not_being_proven_has_its_code(bap: Bap, post: Post, shown: list[Authority]) -> None:
    now = int(clock.now().timestamp())
    nobody = Wallet(GITA.private, "did:example:user-12345", "")
    away = Wallet(GITA.private, "did:web:127.0.0.1%3A1", "")
    for presentation in (
        vp("garbage"),
        signed(aud="https://another.example"),
        signed(iat=now - 600, exp=now - 61),
        signed(wallet=nobody),
        signed(wallet=away),
    ):
        post(bap, init(bap, presentation=presentation))
    tasks.drain()
    codes = ["TOKEN_INVALID", "TOKEN_INVALID", "TOKEN_EXPIRED", "AUTH_REQUIRED", "IDP_UNAVAILABLE"]
    assert [outcome(each) for each in shown] == [(code, "presentation") for code in codes]
    assert shown[-1].refusal_details == {"retry_after": 60} and shown[0].refusal_details == {}
    assert not any(each.is_proven for each in shown)


def test_a_sign_in_and_a_presentation_have_to_be_one_persons_and_both_hold(
    bap: Bap, post: Post, shown: list[Authority], idp: IdentityProvider
) -> None:
    def sign_in(**claims: Any) -> Json:
        return {"authMethod": "OIDC", "idToken": idp.token(clock.now(), **claims)}

    hers, anothers, nameless = sign_in(did=GITA.did, jti="1"), sign_in(jti="2"), sign_in(did=None, jti="3")
    for user_auth, presentation in (
        (hers, signed()),
        (anothers, signed(jti="b")),
        (nameless, signed(jti="c")),
        (hers, signed(aud="https://another.example")),
        ({"authMethod": "OIDC", "idToken": "x.y.z"}, signed(jti="d")),
    ):
        post(bap, init(bap, userAuth=user_auth, presentation=presentation))
    tasks.drain()
    refused = ("TOKEN_INVALID", "presentation")
    expected = [(GITA.did, ""), refused, refused, refused, ("TOKEN_INVALID", "user_auth")]
    assert [outcome(each) for each in shown] == expected
    assert (shown[0].acr, shown[0].proven_utility) == ("2", "utility-example-001"), "the sign-in says more"
    assert not any(each.is_proven for each in shown[1:])


def test_a_presentation_is_kept_sealed_while_it_waits_and_not_at_all_afterwards(
    bap: Bap, post: Post, shown: list[Authority]
) -> None:
    given = signed()
    post(bap, init(bap, presentation=given))
    kept = Inbox.objects.get()
    assert kept.sealed is not None
    assert given["presentationData"] not in json.dumps(kept.body)
    tasks.drain()
    kept.refresh_from_db()
    assert kept.sealed is None and given["presentationData"] not in json.dumps(kept.body)


@pytest.mark.parametrize(
    ("presentation", "path"),
    [
        ("eyJ.a.b", "presentation"),
        ({}, "presentation"),
        ({"format": "VP-JWT"}, "presentation"),
        ({"presentationData": "a.b.c"}, "presentation"),
        ({"format": "LDP", "presentationData": "a.b.c"}, "presentation.format"),
        ({"format": "VP-JWT", "presentationData": ""}, "presentation.presentationData"),
        ({"format": "VP-JWT", "presentationData": {"a": 1}}, "presentation.presentationData"),
        ({"format": "VP-JWT", "presentationData": "x" * (64 * 1024 + 1)}, "presentation.presentationData"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_no_presentation_is_refused_at_the_door(bap: Bap, post: Post, presentation: Any, path: str) -> None:
    answer = nack(post(bap, init(bap, presentation=presentation)))
    assert answer == (400, "SCHEMA_INVALID", f"message.order.orderAttributes.{path}")


@pytest.mark.parametrize("action", ["select", "init", "confirm", "status", "update", "cancel"])
def test_every_message_about_an_order_may_carry_one(bap: Bap, post: Post, action: str) -> None:
    attributes: Json = {"presentation": vp("x" * 64 * 1024)} | ({"updateType": "ANY"} if action == "update" else {})
    assert is_ack(post(bap, init(bap, action=action, **attributes)))


@pytest.mark.parametrize("action", ["update", "cancel"])
def test_the_customers_proof_goes_with_what_changes_an_order(
    bap: Bap, post: Post, monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    proven: list[str] = []

    def look(command: Any, *, also_write: Any, **_: Any) -> None:
        proven.append(command.order.proven_subject)
        refusal = handlers.Refusal(handlers.Code.NOT_POSSIBLE_NOW, "seen")
        with transaction.atomic():
            order = handlers.Order(bap.subscriber_id, command.order.order_id, "", "", "")
            also_write(handlers.Refused(refusal, order, clock.now(), handlers.Stage.DOOR))

    monkeypatch.setitem(handlers._UPDATES, "EndEnrollment", look)  # type: ignore[arg-type]
    monkeypatch.setattr(handlers.services, "cancel", look)

    for attributes in ({}, {"presentation": signed()}, {"presentation": vp("garbage")}):
        post(bap, init(bap, action=action, updateType="UNENROLLMENT", **attributes))
    tasks.drain()
    assert proven == ["", GITA.did], "a proof that fails is refused before anything is asked"
    last = Outbox.objects.order_by("-pk")[0].body["message"]["order"]
    assert last["error"]["code"] == "TOKEN_INVALID"
