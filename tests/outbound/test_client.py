"""The client against real servers that misbehave."""

import gzip
import socket
import ssl
import threading
import time
import zlib
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from outbound import client as outbound
from outbound.client import Client, Forbidden, TooLarge, Unreachable
from outbound.guard import Policy
from tests.outbound.servers import answering, serving

SANDBOX = Policy(sandbox=True, allowed=("127.0.0.1",))


@pytest.fixture
def client() -> Client:
    return Client(SANDBOX)


def get(client: Client, url: str, **options) -> outbound.Response:
    return client.request("GET", url, **options)


# -- what a well-behaved server gets


def test_an_answer_of_any_status_comes_back_with_lower_case_headers(client: Client) -> None:
    with serving(answering(b'{"no":1}', status="404 Not Found", headers="X-Thing: a\r\nX-Thing: b\r\n")) as server:
        response = get(client, server.url + "/x?y=1")
    assert (response.status, response.headers["x-thing"], response.json()) == (404, "a, b", {"no": 1})
    assert server.requests[0].startswith(b"GET /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")


def test_post_sends_exactly_the_bytes_that_were_signed(client: Client) -> None:
    body = '{"note": "Zoë pays ₹5"}\n'.encode()
    with serving(answering()) as server:
        client.request("POST", server.url, body=body, headers={"Content-Type": "application/json"})
    assert server.requests[0].endswith(b"\r\n\r\n" + body)


def test_a_connection_is_kept_for_the_next_call(client: Client) -> None:
    with serving(answering(b"x" * 5000)) as server:
        for _ in range(5):
            get(client, server.url)
    assert server.connections == 1


def test_an_empty_body_and_a_head_without_body_keep_the_connection(client: Client) -> None:
    with serving(answering(b"", status="204 No Content")) as server:
        assert get(client, server.url).body == get(client, server.url).body == b""
    assert server.connections == 1


def test_threads_share_the_pool_without_mixing_answers(client: Client) -> None:
    def echo(connection: socket.socket, request: bytes) -> bool:
        path = request.split(b" ")[1]
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))
        return True

    wrong: list[str] = []

    def ask(name: str) -> None:
        for number in range(50):
            if get(client, f"{server.url}/{name}/{number}").body.decode() != f"/{name}/{number}":
                wrong.append(name)

    with serving(echo) as server:
        threads = [threading.Thread(target=ask, args=(f"t{n}",)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
    assert server.connections <= 8


def test_a_chunked_answer_is_read_and_its_connection_kept(client: Client) -> None:
    def chunks(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        )
        return True

    with serving(chunks) as server:
        assert get(client, server.url).body == get(client, server.url).body == b"hello world"
    assert server.connections == 1


# -- kept connections that died


def test_a_kept_connection_that_the_server_closed_is_not_noticed_by_the_caller(client: Client) -> None:
    with serving(answering(keep=False)) as server:
        for _ in range(3):
            assert get(client, server.url).status == 200
            time.sleep(0.02)
    assert server.connections == 3


def test_a_post_is_not_sent_twice_unless_the_caller_says_that_it_may_be(client: Client) -> None:
    seen: list[bytes] = []

    def close_on_the_second(connection: socket.socket, request: bytes) -> bool:
        seen.append(request)
        if len(seen) == 2:
            return False
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        return True

    with serving(close_on_the_second) as server:
        client.request("POST", server.url, body=b"1")
        with pytest.raises(Unreachable) as error:
            client.request("POST", server.url, body=b"2")
        assert error.value.connected
        assert len(seen) == 2
        seen.clear()
        client.request("POST", server.url, body=b"3")
        assert client.request("POST", server.url, body=b"4", idempotent=True).status == 200
    assert len(seen) == 3


# -- limits


def test_a_body_longer_than_the_limit_is_refused_before_it_is_read(client: Client) -> None:
    with serving(answering(b"x" * 2000)) as server, pytest.raises(TooLarge):
        get(client, server.url, max_bytes=1999)


def test_a_body_that_never_says_its_length_is_cut_at_the_limit(client: Client) -> None:
    def endless(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with serving(endless) as server, pytest.raises(TooLarge):
        get(client, server.url)


def test_headers_without_end_are_refused(client: Client) -> None:
    headers = "".join(f"X-{number}: {'a' * 1000}\r\n" for number in range(50))
    with serving(answering(b"short", headers=headers)) as server, pytest.raises(TooLarge, match="headers"):
        get(client, server.url)


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_small_compressed_body_that_was_not_asked_for_is_read(client: Client, coding: str) -> None:
    body = gzip.compress(b"hello") if coding == "gzip" else zlib.compress(b"hello")
    with serving(answering(body, headers=f"Content-Encoding: {coding}\r\n")) as server:
        assert get(client, server.url).body == b"hello"
    assert b"Accept-Encoding: identity" in server.requests[0]


def test_a_decompression_bomb_is_cut_at_the_limit(client: Client) -> None:
    bomb = gzip.compress(b"\0" * (50 << 20))
    with serving(answering(bomb, headers="Content-Encoding: gzip\r\n")) as server, pytest.raises(TooLarge):
        get(client, server.url)


def test_an_unknown_encoding_is_no_answer(client: Client) -> None:
    with serving(answering(b"?", headers="Content-Encoding: br\r\n")) as server, pytest.raises(Unreachable):
        get(client, server.url)


# -- time


def slowly(data: bytes, pause: float):
    def talk(connection: socket.socket, request: bytes) -> None:
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(pause)

    return talk


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100,
        b"HTTP/1.1 200 OK\r\n" + b"X-Long: " + b"y" * 200,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
    ],
    ids=["body", "headers", "continue"],
)
def test_a_server_that_drips_its_answer_is_left_at_the_deadline(client: Client, data: bytes) -> None:
    started = time.monotonic()
    with serving(slowly(data, 0.05)) as server, pytest.raises(Unreachable, match="in time"):
        get(client, server.url, read_timeout=0.4)
    assert time.monotonic() - started < 0.8


def test_a_server_that_accepts_and_says_nothing_is_left_at_the_deadline(client: Client) -> None:
    def silent(connection: socket.socket, request: bytes) -> None:
        time.sleep(2)

    with serving(silent) as server, pytest.raises(Unreachable, match="in time"):
        get(client, server.url, read_timeout=0.2)


def test_nobody_listening_is_unreachable_and_nothing_was_sent(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable) as error:
        get(client, f"http://127.0.0.1:{port}/")
    assert not error.value.connected


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_unreachable(client: Client, answer: bytes) -> None:
    def talk(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer)

    with serving(talk) as server, pytest.raises(Unreachable):
        get(client, server.url)


# -- redirects


def test_a_redirect_within_the_origin_is_followed(client: Client) -> None:
    def talk(connection: socket.socket, request: bytes) -> bool:
        if request.startswith(b"GET /old"):
            connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /new\r\nContent-Length: 0\r\n\r\n")
        else:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew")
        return True

    with serving(talk) as server:
        assert get(client, server.url + "/old").body == b"new"


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/",
        "//internal.example/",
        "http://127.0.0.1:1/",
        "https://example.com/",
        "file:///etc/passwd",
        "",
    ],
)
def test_a_redirect_to_another_host_is_refused(client: Client, location: str) -> None:
    headers = f"Location: {location}\r\n"
    with serving(answering(b"", status="302 Found", headers=headers)) as server, pytest.raises(Forbidden):
        get(client, server.url)


def test_a_redirect_loop_ends(client: Client) -> None:
    with (
        serving(answering(b"", status="302 Found", headers="Location: /again\r\n")) as server,
        pytest.raises(Unreachable, match="redirects"),
    ):
        get(client, server.url)
    assert len(server.requests) == 4


def test_redirects_take_no_longer_together_than_one_answer_may(client: Client) -> None:
    def talk(connection: socket.socket, request: bytes) -> bool:
        time.sleep(0.4)
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")
        return True

    began = time.monotonic()
    with serving(talk) as server, pytest.raises(Unreachable, match="in time"):
        get(client, server.url, connect_timeout=0.1, read_timeout=0.5)
    assert time.monotonic() - began < 0.9
    assert len(server.requests) == 2


def test_a_post_never_follows(client: Client) -> None:
    with serving(answering(b"", status="307 Temporary Redirect", headers="Location: /x\r\n")) as server:
        assert client.request("POST", server.url, body=b"secret").status == 307
    assert len(server.requests) == 1


# -- names


def test_the_connection_goes_to_the_judged_address_whatever_the_name_says_afterwards() -> None:
    answers = [["127.0.0.1"], ["10.0.0.1"]]
    asked: list[str] = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked) - 1, 1)]

    client = Client(SANDBOX, resolver=rebinding)
    with serving(answering()) as server:
        for _ in range(3):
            get(client, f"http://rebind.example.com:{server.port}/")
        assert asked == ["rebind.example.com"]
        assert server.requests[0].split(b"\r\n")[1] == f"Host: rebind.example.com:{server.port}".encode()


def test_a_name_that_turns_internal_is_refused_when_it_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbound, "RESOLVED_SECONDS", 0.0)
    answers = iter([["127.0.0.1"], ["10.0.0.1"]])
    client = Client(SANDBOX, resolver=lambda host, port: next(answers))
    with serving(answering()) as server:
        url = f"http://rebind.example.com:{server.port}/"
        assert get(client, url).status == 200
        with pytest.raises(Forbidden):
            get(client, url)
    assert len(server.requests) == 1


def test_an_unknown_name_is_unreachable() -> None:
    def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(Unreachable, match="name"):
        get(Client(SANDBOX, resolver=unknown), "https://nowhere.example/")


def test_production_refuses_plain_http_and_loopback_before_it_connects() -> None:
    client = Client(Policy(sandbox=False))
    with serving(answering()) as server:
        for url in (server.url, f"https://127.0.0.1:{server.port}/", f"https://[::ffff:127.0.0.1]:{server.port}/"):
            with pytest.raises(Forbidden):
                get(client, url)
    assert server.connections == 0


# -- TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for issuer.example.com and 127.0.0.1, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer.example.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("issuer.example.com"), x509.IPAddress(ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(pem)
    return path


def server_context(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_https_checks_the_name_and_not_the_pinned_address(certificate: Path) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    client = Client(Policy(False, ("127.0.0.1",)), resolver=lambda host, port: ["127.0.0.1"], tls=trusting)
    with serving(answering(b"over tls"), tls=server_context(certificate)) as server:
        assert get(client, f"https://issuer.example.com:{server.port}/").body == b"over tls"
        with pytest.raises(Unreachable, match="certificate"):
            get(client, f"https://other.example.com:{server.port}/")


def test_a_certificate_nobody_vouches_for_is_refused(certificate: Path) -> None:
    client = Client(Policy(False, ("127.0.0.1",)))
    with (
        serving(answering(), tls=server_context(certificate)) as server,
        pytest.raises(Unreachable, match="certificate"),
    ):
        get(client, f"https://127.0.0.1:{server.port}/")


def test_a_tls_handshake_that_never_ends_is_left(certificate: Path) -> None:
    client = Client(Policy(False, ("127.0.0.1",)))
    started = time.monotonic()
    with serving(answering()) as server, pytest.raises(Unreachable):
        get(client, f"https://127.0.0.1:{server.port}/", connect_timeout=0.3)
    assert time.monotonic() - started < 1


# -- the process's own client


def test_a_call_inside_a_transaction_is_a_mistake_of_ours(settings, db) -> None:
    settings.TESTS_WRAP_IN_TRANSACTIONS = False
    with pytest.raises(RuntimeError, match="inside a transaction"):
        outbound.get("https://example.com/")
    with pytest.raises(RuntimeError, match="inside a transaction"):
        outbound.post("https://example.com/", body=b"{}")


def test_errors_do_not_repeat_what_was_sent(client: Client) -> None:
    with pytest.raises(Forbidden) as error:
        get(client, "https://10.0.0.1/callback?token=secret-token")
    assert "secret-token" not in str(error.value)


def test_the_deployments_policy_is_read_from_its_settings(settings) -> None:
    settings.DEPLOYMENT, settings.ALLOWED_OUTBOUND = "production", []
    with serving(answering()) as server:
        with pytest.raises(Forbidden):
            outbound.default_client().request("GET", server.url)
        settings.DEPLOYMENT, settings.ALLOWED_OUTBOUND = "sandbox", ["127.0.0.1"]
        assert outbound.default_client().request("GET", server.url).status == 200
