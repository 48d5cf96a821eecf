"""A real name server that says what a test wants, and a resolver that asks it. Source: RFC 1035, 4."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class NameServer:
    """`answers` are the addresses of each further answer, the last one for ever; [] is silence. All with TTL 0."""

    port: int
    answers: list[list[str]]
    asked: list[str] = field(default_factory=list)

    def resolver(self) -> Callable[[str, int], Sequence[str]]:
        """A resolver for `outbound.client.Client`: one question over UDP at each call, nothing is kept."""

        def resolve(host: str, port: int) -> Sequence[str]:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
                line.settimeout(2)
                line.sendto(_question(host), ("127.0.0.1", self.port))
                return _addresses(line.recv(4096))

        return resolve


@contextmanager
def naming(*answers: list[str], address: str = "127.0.0.1", port: int = 0) -> Iterator[NameServer]:
    line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    line.bind((address, port))
    server = NameServer(line.getsockname()[1], list(answers))

    def serve() -> None:
        while True:
            try:
                question, sender = line.recvfrom(4096)
            except OSError:
                return
            if not question:
                return
            server.asked.append(_name(question))
            found = server.answers[min(len(server.asked), len(server.answers)) - 1]
            if found:
                line.sendto(_answer(question, found), sender)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", (address, server.port))  # closing alone does not wake who reads
        thread.join(2)
        line.close()


def _question(host: str) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split("."))
    return struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)


def _name(question: bytes) -> str:
    parts, at = [], 12
    while question[at]:
        parts.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    return ".".join(parts)


def _answer(question: bytes, addresses: Sequence[str]) -> bytes:
    end = question.index(b"\0", 12) + 5
    head = question[:2] + struct.pack(">HHHHH", 0x8180, 1, len(addresses), 0, 0)
    records = [struct.pack(">HHHIH", 0xC00C, 1, 1, 0, 4) + socket.inet_aton(each) for each in addresses]
    return head + question[12:end] + b"".join(records)


def _addresses(answer: bytes) -> list[str]:
    count = struct.unpack(">H", answer[6:8])[0]
    at = answer.index(b"\0", 12) + 5
    return [socket.inet_ntoa(answer[at + 16 * number + 12 : at + 16 * number + 16]) for number in range(count)]
