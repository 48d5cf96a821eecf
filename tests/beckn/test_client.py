"""Our portals are BAPs like any other: they send through the Outbox and receive at /bap/{on_action}."""

from datetime import timedelta

import pytest
from django.db import transaction

from audit import clock
from beckn import client, identities, participants, tasks
from beckn.models import Inbox, Outbox
from sandbox.generated import OWNER, PORTAL
from tests.bap import Bap, is_signed_by
from tests.beckn.conftest import encode, is_ack, message, nack, register


@pytest.fixture
def bpp(db) -> Bap:
    """A provider that listens."""
    peer = Bap(subscriber_id="provider.example")
    peer.start()
    register(peer, type="BPP")
    yield peer
    peer.stop()


def ask(peer: Bap, **more) -> Outbox:
    with transaction.atomic():
        return client.send(
            sender_id=PORTAL,
            to=participants.registered(peer.subscriber_id),
            action="search",
            message={"intent": {}, "userAuth": {"accessToken": "eyJ.secret"}},
            domain="energy.enrollment",
            now=clock.now(),
            **more,
        )


def callback(peer: Bap, **context) -> dict:
    """A callback of the provider to our portal."""
    body = message(peer, "on_search", {"catalogs": []})
    given = {"bap_id": PORTAL, "bap_uri": identities.by_id(PORTAL).uri, "bpp_id": peer.subscriber_id}
    body["context"] |= given | {"bpp_uri": peer.uri} | context
    return body


def test_a_portals_request_is_signed_by_the_portal_and_posted_by_the_worker(bpp):
    row = ask(bpp)
    assert bpp.callbacks == []
    row.refresh_from_db()
    assert row.body["message"]["userAuth"] == "sealed:0"
    tasks.drain()
    sent = bpp.wait_for("search")
    assert is_signed_by(sent, identities.by_id(PORTAL).keys[0].public_key)
    assert sent.message["userAuth"] == {"accessToken": "eyJ.secret"}
    assert (sent.context["bap_id"], sent.context["bpp_id"]) == (PORTAL, bpp.subscriber_id)


def test_a_callback_is_joined_to_its_request_by_message_id(bpp, post):
    first, second = ask(bpp), ask(bpp)
    assert is_ack(post(bpp, callback(bpp, message_id=first.message_id), door="bap"))
    assert [row.our_request_id for row in client.callbacks_to(first)] == [first.pk]
    assert client.callbacks_to(second) == []


def test_a_callback_under_a_new_message_id_is_joined_by_transaction_and_action(bpp, post):
    row = ask(bpp, transaction_id="txn-7")
    assert is_ack(post(bpp, callback(bpp, transaction_id="txn-7"), door="bap"))
    assert len(client.callbacks_to(row)) == 1


def test_an_unsolicited_callback_is_kept_without_a_request(bpp, post):
    assert is_ack(post(bpp, callback(bpp), door="bap"))
    assert Inbox.objects.get().our_request is None


def test_a_callback_is_proven_like_a_request(bpp, post):
    thief = Bap(subscriber_id=bpp.subscriber_id, port=bpp.port)
    assert nack(post(thief, callback(bpp), door="bap"))[:2] == (401, "SIGNATURE_INVALID")
    assert nack(post(bpp, callback(bpp, bpp_id="else.example"), door="bap"))[2] == "context.bpp_id"
    assert nack(post(bpp, callback(bpp, bap_id=OWNER), door="bap"))[:2] == (400, "WRONG_ADDRESSEE")
    assert nack(post(bpp, callback(bpp, bpp_uri="https://x.example"), door="bap"))[2] == "context.bpp_uri"
    assert nack(post(bpp, callback(bpp), door="bap", action="search"))[0] == 404
    assert not Inbox.objects.exists()


def test_a_callback_that_comes_twice_is_kept_once(bpp, post):
    raw = encode(callback(bpp))
    for _ in range(2):
        assert is_ack(post(bpp, raw, action="on_search", door="bap"))
    assert Inbox.objects.count() == 1


def test_only_a_portal_of_ours_may_send(bpp):
    with pytest.raises(ValueError, match="none of our portals"):
        client.send(
            sender_id=OWNER,
            to=participants.registered(bpp.subscriber_id),
            action="search",
            message={},
            domain="energy.enrollment",
            now=clock.now(),
        )


def test_the_newest_valid_key_of_ours_signs(settings):
    now = clock.now()
    first, *_ = settings.BECKN_IDENTITIES[0].keys
    hour = timedelta(hours=1)
    old = first.model_copy(update={"key_id": "old", "valid_until": now + hour})
    new = first.model_copy(update={"key_id": "new", "valid_from": now})
    coming = first.model_copy(update={"key_id": "coming", "valid_from": now + hour})
    settings.BECKN_IDENTITIES = [settings.BECKN_IDENTITIES[0].model_copy(update={"keys": (old, new, coming)})]
    assert identities.signing_key(OWNER, now - timedelta(seconds=1)).key_id == "old"
    assert identities.signing_key(OWNER, now).key_id == "new"
    assert identities.signing_key(OWNER, now + hour).key_id == "coming"
    settings.BECKN_IDENTITIES = [settings.BECKN_IDENTITIES[0].model_copy(update={"keys": (old,)})]
    with pytest.raises(identities.NoSigningKey):
        identities.signing_key(OWNER, now + hour)
