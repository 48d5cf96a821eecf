"""The door: what is taken, what is refused with which code and place, and that a refusal leaves nothing behind."""

import io
import json
import time
import tracemalloc

import pytest

from audit import clock
from beckn import parsing, participants
from beckn.models import Inbox
from beckn.nacks import Nack
from tests.bap import Bap
from tests.beckn.conftest import encode, is_ack, journalled, message, nack, nothing_kept, register


def test_a_signed_message_is_acknowledged_and_kept(bap, post):
    body = message(bap)
    assert is_ack(post(bap, body))
    row = Inbox.objects.get()
    assert (row.sender_id, row.action, row.message_id) == (bap.subscriber_id, "search", body["context"]["message_id"])
    assert row.state == "WAITING"
    assert (row.deadline - row.received_at).total_seconds() == 30


def test_a_message_without_signature_is_refused_with_a_challenge(bap, post):
    answer = post(bap, message(bap), authorization="")
    assert nack(answer) == (401, "SIGNATURE_MISSING", "Authorization")
    assert answer["WWW-Authenticate"].startswith('Signature realm="')
    assert nothing_kept()


def test_a_tampered_body_is_refused_and_journalled(bap, post):
    raw = encode(message(bap))
    answer = post(bap, raw.replace(b"intent", b"intend"), authorization=bap.authorization(raw))
    assert nack(answer) == (401, "SIGNATURE_INVALID", "Authorization")
    assert "our clock" in answer.json()["error"]["message"]
    assert nothing_kept()
    assert journalled("message.refused")[0]["code"] == "SIGNATURE_INVALID"


def test_another_key_under_a_known_name_is_refused(bap, post):
    thief = Bap(port=bap.port)
    assert nack(post(thief, message(thief)))[:2] == (401, "SIGNATURE_INVALID")
    assert nothing_kept()


def test_an_unknown_key_is_refused(bap, post):
    stranger = Bap(subscriber_id="stranger.example", port=bap.port)
    assert nack(post(stranger, message(stranger)))[:2] == (401, "KEY_UNKNOWN")


@pytest.mark.parametrize(("created", "check"), [(-400, "expires"), (30, "created")])
def test_a_signature_of_another_time_is_refused(bap, post, created, check):
    raw = encode(message(bap))
    answer = post(bap, raw, authorization=bap.authorization(raw, created=int(time.time()) + created))
    assert nack(answer)[0] == 401
    assert answer.json()["error"]["details"]["check"] == check


def test_a_message_in_another_participants_name_is_refused(bap, post):
    other = Bap(subscriber_id="other.example", port=bap.port)
    register(other)
    answer = post(bap, message(other))
    assert nack(answer) == (401, "SIGNATURE_INVALID", "context.bap_id")
    assert nothing_kept()


@pytest.mark.parametrize(
    ("context", "code", "path"),
    [
        ({"bpp_id": "somebody-else.example"}, "WRONG_ADDRESSEE", "context.bpp_id"),
        ({"bpp_id": None}, "CONTEXT_INVALID", "context.bpp_id"),
        ({"bap_uri": "https://evil.example/collect"}, "CONTEXT_INVALID", "context.bap_uri"),
        ({"domain": "energy.other"}, "CONTEXT_INVALID", "context.domain"),
        ({"domain": ["energy.enrollment"]}, "CONTEXT_INVALID", "context.domain"),
        ({"version": "9.9.9"}, "CONTEXT_INVALID", "context.version"),
        ({"message_id": ""}, "CONTEXT_INVALID", "context.message_id"),
        ({"message_id": 7}, "CONTEXT_INVALID", "context.message_id"),
        ({"message_id": "x" * 256}, "CONTEXT_INVALID", "context.message_id"),
        ({"transaction_id": None}, "CONTEXT_INVALID", "context.transaction_id"),
        ({"timestamp": "yesterday"}, "CONTEXT_INVALID", "context.timestamp"),
        ({"timestamp": "2024-10-15T10:30:00"}, "CONTEXT_INVALID", "context.timestamp"),
        ({"ttl": "30 seconds"}, "CONTEXT_INVALID", "context.ttl"),
        ({"ttl": "P"}, "CONTEXT_INVALID", "context.ttl"),
    ],
)
def test_a_context_that_is_wrong_is_refused_at_its_place(bap, post, context, code, path):
    answer = post(bap, message(bap, **context))
    assert nack(answer) == (400, code, path)
    assert nothing_kept()


def test_the_action_must_be_that_of_the_address(bap, post):
    assert nack(post(bap, message(bap, "search"), action="init")) == (400, "CONTEXT_INVALID", "context.action")


def test_the_callback_address_may_lie_below_the_registered_one_but_not_beside_it(bap, post):
    assert is_ack(post(bap, message(bap, bap_uri=f"{bap.uri}/inner")))
    for uri in (f"{bap.uri}-evil", f"{bap.uri}/../x", f"{bap.uri}?x=1", bap.uri.replace("http://", "http://u@")):
        assert nack(post(bap, message(bap, bap_uri=uri)))[2] == "context.bap_uri"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        b"[]",
        b'"text"',
        b"null",
        b"{",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"context":{"a":"\xe9"}}',
        b'{"context":{"a":"\\ud800"}}',
        b'{"context":{"a":NaN}}',
        b'{"context":{"a":1e999}}',
        b"[" * 100_000,
        b'{"a":' * 40 + b"1" + b"}" * 40,
        b"{}",
        b'{"context":null,"message":{}}',
        b'{"context":[],"message":{}}',
        b'{"context":{},"message":{}}',
        b'{"context":{"action":"search"},"message":[]}',
    ],
    ids=lambda raw: repr(raw[:24]),
)
def test_whatever_is_no_message_gets_a_clear_refusal(bap, post, raw):
    status, code, _ = nack(post(bap, raw))
    assert status == 400
    assert code in ("MALFORMED", "CONTEXT_INVALID", "SCHEMA_INVALID")
    assert nothing_kept()


def test_null_characters_are_refused_where_they_stand(bap, post):
    raw = encode(message(bap, content={"intent": {"descriptor": {"name": "MARK"}}})).replace(b"MARK", b"a\\u0000b")
    assert nack(post(bap, raw)) == (400, "MALFORMED", "message.intent.descriptor.name")
    assert nothing_kept()


def test_an_escaped_backslash_before_u0000_is_ordinary_text(bap, post):
    raw = encode(message(bap, content={"intent": {"descriptor": {"name": "MARK"}}})).replace(b"MARK", b"a\\\\u0000b")
    assert is_ack(post(bap, raw))


def test_a_key_that_stands_twice_is_refused(bap, post):
    raw = encode(message(bap)).replace(b'"action":"search"', b'"action":"init","action":"search"')
    assert nack(post(bap, raw)) == (400, "MALFORMED", "action")


@pytest.mark.parametrize(
    "kind", ["application/json; charset=latin-1", "text/html", "application/x-www-form-urlencoded"]
)
def test_another_charset_or_content_type_is_refused(bap, post, kind):
    assert nack(post(bap, message(bap), content_type=kind)) == (400, "MALFORMED", "Content-Type")


@pytest.mark.parametrize("kind", ["application/json; charset=UTF-8", "application/json", "application/ld+json"])
def test_json_content_types_are_taken(bap, post, kind):
    assert is_ack(post(bap, message(bap), content_type=kind))


def test_five_megabytes_are_refused_before_they_are_read(bap, post):
    assert nack(post(bap, b" " * 5_000_000))[:2] == (413, "TOO_LARGE")


def test_a_chunked_body_is_read_up_to_the_limit(bap, client):
    raw = encode(message(bap))
    for body, status in ((raw, 200), (b" " * ((1 << 20) + 1), 413)):
        answer = client.generic(
            "POST",
            "/beckn/search",
            body,
            content_type="application/json",
            HTTP_AUTHORIZATION=bap.authorization(body),
            HTTP_TRANSFER_ENCODING="chunked",
            CONTENT_LENGTH="",
            **{"wsgi.input": io.BytesIO(body)},
        )
        assert answer.status_code == status


def test_a_megabyte_of_zeros_in_the_depth_costs_no_hundred_megabytes():
    raw = b'{"a":' * 30 + b"[" + b"0," * 500_000 + b"0]" + b"}" * 30
    tracemalloc.start()
    try:
        with pytest.raises(Nack, match="more than") as refused:
            parsing.parse(raw, "application/json")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.code == "TOO_LARGE"
    assert peak < 40_000_000


def test_an_unknown_action_and_another_method_are_refused(bap, post, client):
    assert nack(post(bap, message(bap), action="frobnicate"))[:2] == (404, "ACTION_UNKNOWN")
    assert nack(post(bap, message(bap), action="search/more"))[:2] == (404, "ACTION_UNKNOWN")
    answer = client.get("/beckn/search")
    assert nack(answer)[:2] == (405, "METHOD_NOT_ALLOWED")
    assert answer["Allow"] == "POST"


def test_a_wrong_type_deep_inside_is_refused_by_the_profile(bap, post):
    assert nack(post(bap, message(bap, "init", {"order": {"beckn:id": 5}})))[:2] == (400, "SCHEMA_INVALID")
    assert nothing_kept()


@pytest.mark.parametrize(
    ("order", "path"),
    [
        ({"credentials": [{"credentialId": "c"}] * 21}, "message.order.credentials"),
        ({"credentials": [{"credentialData": "x" * 16_385}]}, "message.order.credentials[0].credentialData"),
        ({"meters": [{"beckn:id": "m"}] * 501}, "message.order.meters"),
    ],
)
def test_more_than_is_sensible_is_refused(bap, post, order, path):
    assert nack(post(bap, message(bap, "init", {"order": order}))) == (400, "TOO_LARGE", path)


def test_the_same_message_again_is_acknowledged_and_kept_once(bap, post):
    raw = encode(message(bap))
    for _ in range(3):
        assert is_ack(post(bap, raw))
    assert Inbox.objects.count() == 1


def test_the_same_id_with_other_content_is_refused(bap, post):
    body = message(bap)
    assert is_ack(post(bap, body))
    other = {**body, "message": {"intent": {"descriptor": {"name": "another"}}}}
    assert nack(post(bap, other)) == (400, "DUPLICATE_MESSAGE_ID", "context.message_id")
    assert Inbox.objects.count() == 1


def test_the_same_id_under_another_action_is_another_message(bap, post):
    body = message(bap, "search", {"intent": {}})
    assert is_ack(post(bap, body))
    again = message(bap, "support", {"support": {"refId": "o-1", "refType": "ORDER"}})
    again["context"]["message_id"] = body["context"]["message_id"]
    assert is_ack(post(bap, again))


def test_a_message_out_of_time_is_refused_only_where_the_policy_says_so(bap, post, settings):
    old = {"timestamp": "2024-10-15T10:30:00Z"}
    settings.BECKN_TTL_POLICY = "off"
    assert is_ack(post(bap, message(bap, **old)))
    settings.BECKN_TTL_POLICY = "log"
    assert is_ack(post(bap, message(bap, **old)))
    settings.BECKN_TTL_POLICY = "nack"
    assert nack(post(bap, message(bap, **old))) == (400, "EXPIRED", "context.timestamp")
    assert nack(post(bap, message(bap, timestamp="2094-10-15T10:30:00Z"))) == (400, "EXPIRED", "context.timestamp")
    assert is_ack(post(bap, message(bap)))


def test_a_suspended_participant_is_refused_within_a_second(bap, post):
    assert is_ack(post(bap, message(bap)))
    row = participants.registered(bap.subscriber_id)
    row.suspended_at = clock.now()
    row.save()  # by another process: ours still remembers the row
    time.sleep(1)
    assert nack(post(bap, message(bap)))[:2] == (403, "PARTICIPANT_SUSPENDED")
    participants.resume(bap.subscriber_id, now=clock.now())
    assert is_ack(post(bap, message(bap)))


def test_a_gateway_signs_too_and_is_verified_like_the_sender(bap, post):
    gateway = Bap(subscriber_id="gateway.example", port=bap.port)
    register(gateway, type="BG")
    raw = encode(message(bap, bpp_id=None))
    assert is_ack(post(bap, raw, HTTP_X_GATEWAY_AUTHORIZATION=gateway.authorization(raw)))
    answer = post(bap, raw, HTTP_X_GATEWAY_AUTHORIZATION=gateway.authorization(raw + b" "))
    assert nack(answer) == (401, "SIGNATURE_INVALID", "X-Gateway-Authorization")
    assert "Proxy-Authenticate" in answer
    answer = post(bap, raw, HTTP_X_GATEWAY_AUTHORIZATION=bap.authorization(raw))
    assert nack(answer) == (401, "SIGNATURE_INVALID", "X-Gateway-Authorization")


def test_secrets_are_kept_apart_encrypted(bap, post):
    person = {"schema:name": "Rajesh Kumar", "schema:email": "rajesh.kumar@example.com"}
    order = {
        "beckn:id": "o-1",
        "beckn:items": [{"beckn:id": "p-1"}],
        "beckn:fulfillments": [{"beckn:customer": {"beckn:id": "did:example:user-12345", "beckn:person": person}}],
        "beckn:orderAttributes": {"userAuth": {"authMethod": "OIDC", "accessToken": "eyJhbGciOi.secret"}},
    }
    assert is_ack(post(bap, message(bap, "init", {"order": order})))
    row = Inbox.objects.get()
    kept = json.dumps(row.body)
    for secret in ("Rajesh", "rajesh.kumar", "eyJhbGciOi"):
        assert secret not in kept
    assert person in [value for _, value in row.sealed]


def test_the_agencys_header_is_kept_and_no_other(bap, post):
    post(bap, message(bap), HTTP_X_ENROLLMENT_AGENCY_ID="agency-1", HTTP_X_SECRET="no")
    assert Inbox.objects.get().headers == {"x-enrollment-agency-id": "agency-1"}


def test_unsigned_messages_are_taken_only_where_a_sandbox_says_so(bap, post, settings):
    settings.BECKN_REQUIRE_SIGNATURE = False
    assert is_ack(post(bap, message(bap), authorization=""))
    settings.DEPLOYMENT = "production"
    assert nack(post(bap, message(bap), authorization=""))[:2] == (401, "SIGNATURE_MISSING")
