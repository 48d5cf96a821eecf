"""The web process's front over real HTTP: what Django is told of a request, and what the client hears back."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator

import pytest

from config import front
from tests.stack import Stack

pytestmark = pytest.mark.processes


@pytest.fixture
def line(stack: Stack) -> Iterator[http.client.HTTPConnection]:
    """One connection that is kept open."""
    connection = http.client.HTTPConnection("127.0.0.1", stack.port, timeout=30)
    yield connection
    connection.close()


def asked(
    line: http.client.HTTPConnection, method: str, path: str, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    line.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = line.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def test_one_connection_carries_many_requests(line: http.client.HTTPConnection):
    assert [asked(line, "GET", "/healthz")[0] for _ in range(3)] == [200] * 3


def test_head_tells_the_headers_of_get_and_no_body(line: http.client.HTTPConnection):
    status, headers, body = asked(line, "GET", "/.well-known/did.json")
    assert (status, body[:1]) == (200, b"{")
    alone = asked(line, "HEAD", "/.well-known/did.json")
    assert (alone[0], alone[2]) == (200, b"")
    assert alone[1].get("etag") == headers.get("etag")


def test_what_has_not_changed_is_not_sent_again(line: http.client.HTTPConnection):
    etag = asked(line, "GET", "/status/enrollment-list")[1]["etag"]
    assert asked(line, "GET", "/status/enrollment-list", If_None_Match=etag)[::2] == (304, b"")


def test_a_path_is_decoded_once_and_bytes_that_are_no_text_break_nothing(
    stack: Stack, line: http.client.HTTPConnection
):
    for path in ("/nothing/caf%C3%A9%2520x", "/nothing/%FF%00", "/verify/%2e%2e%2fadmin"):
        assert asked(line, "GET", path)[0] in (400, 404)
    paths = [json.loads(row)["path"] for row in stack.log_texts()["web"].splitlines() if '"/nothing/' in row]
    assert "/nothing/café%20x" in paths


def test_a_header_with_an_underscore_does_not_pass_for_another(stack: Stack):
    """`X_Forwarded_For` must not be read as `X-Forwarded-For`, nor `Content_Length` as the length."""
    sent = "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nHOST_: x\r\nContent_Length: 99\r\n\r\n"
    with socket.create_connection(("127.0.0.1", stack.port), timeout=30) as connection:
        connection.sendall(sent.encode())
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_a_host_we_are_not_is_refused(line: http.client.HTTPConnection):
    assert asked(line, "GET", "/healthz", Host="evil.example")[0] == 400


def test_a_file_longer_than_we_take_is_answered_when_all_of_it_was_sent(line: http.client.HTTPConnection):
    """Whoever is cut off in the middle never reads why."""
    for size in (11 << 20, 50 << 20):
        line.request("POST", "/documents/nobody-s", body=bytes(size))
        answer = line.getresponse()
        assert (answer.status, json.loads(answer.read())["code"]) == (404, "NOT_FOUND")


def test_only_where_files_come_in_they_may_be_long():
    journey = "/applications/6f6a2c0e-53a8-4b55-9a39-1d2f4f3d2c11"
    assert front.UPLOADS.match("/documents/token") and front.UPLOADS.match(f"{journey}/documents")
    assert not any(front.UPLOADS.match(each) for each in (f"{journey}/meters", "/beckn/init", f"{journey}/documents/x"))
    assert front.most_bytes("/agency/imports") > 24 << 20
    assert front.most_bytes("/agency/imports/template.csv") == front.most_bytes("/beckn/init") < 2 << 20
