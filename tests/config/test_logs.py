"""No secret and no contact leaves through a log line, whoever wrote it."""

import json
import logging

import pytest

from beckn import tasks
from config import logs
from tests.console.messages.rows import came, peer

SECRETS = [
    ("GET /credentials/8f6e?t=s3cr3t-token-value HTTP/1.1", "s3cr3t-token-value"),
    ("https://x.example/verify/1?a=b&t=s3cr3tvalue&c=d", "s3cr3tvalue"),
    ("POST /documents/upl0ad-t0ken-value", "upl0ad-t0ken-value"),
    ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
    ("got eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl back", "eyJzdWIiOiIxIn0"),
    ("connect postgresql://user:pa55word@db/x failed", "pa55word"),
    ("mail to rajesh.kumar@example.com failed", "rajesh.kumar@example.com"),
    ("sms to +91 98765 43210 failed", "98765"),
    ('Signature keyId="a|b|ed25519",signature="c2lnbmVkYnl0ZXM="', "c2lnbmVkYnl0ZXM="),
]


@pytest.fixture
def written(monkeypatch):
    """Log through the real configuration into a list of lines."""
    lines: list[str] = []
    logs.configure({"level": "DEBUG", "format": "json"})
    handler = logging.getLogger().handlers[0]
    monkeypatch.setattr(handler, "emit", lambda record: lines.append(handler.format(record)))
    return lines


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_in_a_message_is_masked(written, text: str, secret: str):
    logging.getLogger("any.library").warning(text)
    assert secret not in written[-1]
    assert logs.MASK in written[-1]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_in_an_argument_or_an_extra_is_masked(written, text: str, secret: str):
    logging.getLogger("any.library").warning("it was %s", text, extra={"where": {"deep": [text]}})
    assert secret not in written[-1]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_in_an_exception_is_masked(written, text: str, secret: str):
    try:
        raise ValueError(text)
    except ValueError:
        logging.getLogger("any.library").exception("it broke")
    assert secret not in written[-1]
    assert "ValueError" in written[-1]


@pytest.mark.parametrize(
    "name", ["authorization", "Cookie", "mobile", "name", "email", "userAuth", "credentialData", "presentationData"]
)
def test_a_field_with_a_secrets_name_is_masked_whole(written, name: str):
    logging.getLogger("beckn").info("taken", extra={"body_was": {name: "anything at all"}})
    assert "anything at all" not in written[-1]


def test_what_is_no_secret_stays_readable(written):
    logging.getLogger("beckn").info(
        "delivered", extra={"status": 200, "path": "/beckn/init", "subject": "8f6ed5ad-6d4a-4f0e-9c1b-b6a07c3a3b5b"}
    )
    line = json.loads(written[-1])
    assert (line["event"], line["status"], line["path"]) == ("delivered", 200, "/beckn/init")
    assert line["subject"] == "8f6ed5ad-6d4a-4f0e-9c1b-b6a07c3a3b5b"
    assert line["timestamp"].endswith("Z")


@pytest.mark.django_db
def test_every_line_of_a_request_and_of_a_worker_names_the_message_it_is_about(written, client):
    someone = peer("one.example")
    row = came(someone, state="WAITING", message_id="message-7", transaction_id="transaction-7", action="nonsense")
    tasks.drain()  # no handler knows the action
    of_row = [line for line in map(json.loads, written) if line.get("inbox") == row.pk]
    assert {(line["message_id"], line["transaction_id"]) for line in of_row} == {("message-7", "transaction-7")}
    assert any(line["event"] == "a handler failed" for line in of_row)

    written.clear()
    body = {"context": {"message_id": "message-8", "transaction_id": "transaction-8"}, "message": {}}
    client.post("/beckn/search", body, content_type="application/json", HTTP_X_ADAPTER_SECRET="none")
    client.get("/")
    lines = {line["path"]: line for line in map(json.loads, written) if line["event"] == "request"}
    assert lines["/beckn/search"]["request"] != lines["/"]["request"]
    assert "message_id" not in lines["/"]  # what one request named is not the next one's
