"""Small real servers that misbehave on purpose."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

Talk = Callable[[socket.socket, bytes], bool | None]


@dataclass
class Server:
    """A listening server; `requests` are the heads and bodies it received, `connections` how many were opened."""

    port: int
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(
    talk: Talk, *, tls: ssl.SSLContext | None = None, address: str = "127.0.0.1", port: int = 0
) -> Iterator[Server]:
    """Serve on a free port, or on this one; `talk` answers one request and returns True to keep the connection."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=64)
    server = Server(listener.getsockname()[1])
    closing = threading.Event()

    def converse(connection: socket.socket) -> None:
        with connection:
            try:
                conversation = tls.wrap_socket(connection, server_side=True) if tls else connection
                with conversation:
                    while request := _read(conversation):
                        server.requests.append(request)
                        if not talk(conversation, request):
                            return
            except OSError:
                return

    def accept() -> None:
        while not closing.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.connections += 1
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield server
    finally:
        closing.set()
        listener.close()


def _read(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    wanted = next((int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0)
    while len(body) < wanted:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def answering(body: bytes = b"{}", *, status: str = "200 OK", headers: str = "", keep: bool = True) -> Talk:
    """Answer every request with the same bytes."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode()

    def talk(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(head + body)
        return keep

    return talk
