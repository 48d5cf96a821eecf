"""The load's BAP in a process of its own: raw asyncio, so that it takes little of the machine it shares with us.

    python -m tests.bench.bap STORIES HOST PORT CALLBACK_PORT

Reads one JSON command per line on stdin ({"phase": "fixed", "count", "rate"} or {"phase": "closed", "at_once",
"seconds"} or {"phase": "get", "path", "at_once", "seconds"}) and answers each with one JSON line. Ends with stdin.
"""

import asyncio
import json
import pickle
import re
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from tests.bench.messages import Story

PATIENCE = 20.0  # seconds for one callback
_ID = re.compile(rb'"message_id":\s*"([^"]+)"')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)
_ACK = b'{"message":{"ack":{"status":"ACK"}}}'
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(_ACK), _ACK)


class Callbacks:
    """Who waits for which callback; each is told when it came and its bytes."""

    def __init__(self) -> None:
        self.waiting: dict[str, asyncio.Future[tuple[float, bytes]]] = {}
        self.repeated = 0

    def expect(self, message_id: str) -> "asyncio.Future[tuple[float, bytes]]":
        future: asyncio.Future[tuple[float, bytes]] = asyncio.get_running_loop().create_future()
        self.waiting[message_id] = future
        return future

    def came(self, body: bytes) -> None:
        found = _ID.search(body)
        future = self.waiting.pop(found[1].decode(), None) if found else None
        if future is None or future.done():
            self.repeated += 1
        else:
            future.set_result((time.perf_counter(), body))


class Receiver(asyncio.Protocol):
    """One connection of a sender; keeps it open."""

    def __init__(self, callbacks: Callbacks) -> None:
        self.callbacks = callbacks
        self.data = bytearray()
        self.transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self.data, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.data) < whole:
                return
            body = bytes(self.data[end + 4 : whole])
            del self.data[:whole]
            assert self.transport
            self.transport.write(_ANSWER)
            self.callbacks.came(body)


class Client:
    """Connections that are kept open and used by one request at a time."""

    def __init__(self, host: str, port: int) -> None:
        self.address = host, port
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        reader, writer = self.idle.pop() if self.idle else await asyncio.open_connection(*self.address)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length[1]) if length else 0)
        except BaseException:
            writer.close()
            raise
        if b"connection: close" in head.lower():
            writer.close()
        else:
            self.idle.append((reader, writer))
        return int(head[9:12]), body


class Load:
    """The customers that are left, and what happened to those who went."""

    def __init__(self, stories: list[Story], client: Client, callbacks: Callbacks) -> None:
        self.stories = stories[::-1]
        self.client, self.callbacks = client, callbacks
        self.reset()

    def reset(self) -> None:
        self.ack_ms: list[float] = []
        self.init_ms: list[float] = []
        self.confirm_ms: list[float] = []
        self.done_at: list[float] = []
        self.failures: list[str] = []

    async def enrol(self, story: Story) -> None:
        """Init, wait for on_init, confirm, wait for on_confirm."""
        try:
            self.init_ms.append(await self._ask(story.init_id, story.init, b"PENDING_CONFIRM"))
            self.confirm_ms.append(await self._ask(story.confirm_id, story.confirm, b'"credentialData"'))
            self.done_at.append(time.perf_counter())
        except (OSError, asyncio.IncompleteReadError, TimeoutError, Unexpected) as problem:
            self.failures.append(f"{type(problem).__name__} {problem}"[:600])

    async def _ask(self, message_id: str, request: bytes, mark: bytes) -> float:
        """Return the milliseconds from sending to the callback; the callback must hold `mark`."""
        future = self.callbacks.expect(message_id)
        begun = time.perf_counter()
        status, answer = await self.client.send(request)
        self.ack_ms.append((time.perf_counter() - begun) * 1000)
        if status != 200:
            raise Unexpected(f"{status} {answer[:400]!r}")
        at, body = await asyncio.wait_for(future, PATIENCE)
        if mark not in body:
            raise Unexpected(body[-500:].decode(errors="replace"))
        return (at - begun) * 1000

    async def fixed(self, count: int, rate: float) -> dict[str, Any]:
        """Let `count` customers come, `rate` in a second, whether those before them are served or not."""
        begun = time.perf_counter()
        tasks = []
        for number in range(count):
            await asyncio.sleep(max(0.0, begun + number / rate - time.perf_counter()))
            tasks.append(asyncio.create_task(self.enrol(self.stories.pop())))
        await asyncio.gather(*tasks)
        return {"seconds": time.perf_counter() - begun, "in_time": len(self.done_at)}

    async def closed(self, at_once: int, seconds: float) -> dict[str, Any]:
        """Keep `at_once` customers under way for so long; `in_time` counts those done until then."""
        begun = time.perf_counter()

        async def one_after_another() -> None:
            while self.stories and time.perf_counter() - begun < seconds:
                await self.enrol(self.stories.pop())

        await asyncio.gather(*(one_after_another() for _ in range(at_once)))
        in_time = sum(at - begun <= seconds for at in self.done_at)
        return {"seconds": min(seconds, time.perf_counter() - begun), "in_time": in_time}

    async def get(self, path: str, at_once: int, seconds: float) -> dict[str, Any]:
        """Ask one address again and again over `at_once` connections."""
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
        begun = time.perf_counter()
        counts = [0] * at_once

        async def ask(number: int) -> None:
            while time.perf_counter() - begun < seconds:
                status, _ = await self.client.send(request)
                counts[number] += status == 200

        await asyncio.gather(*(ask(number) for number in range(at_once)))
        return {"seconds": time.perf_counter() - begun, "in_time": sum(counts)}

    def account(self) -> dict[str, Any]:
        return {
            "ack_ms": self.ack_ms,
            "init_ms": self.init_ms,
            "confirm_ms": self.confirm_ms,
            "done": len(self.done_at),
            "failed": len(self.failures),
            "failures": self.failures[:3],
            "repeated": self.callbacks.repeated,
            "left": len(self.stories),
        }


class Unexpected(Exception):
    """An answer or callback that is not what the story expects."""


async def serve(path: Path, host: str, port: int, callback_port: int) -> None:
    stories: list[Story] = pickle.loads(path.read_bytes())
    callbacks = Callbacks()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Receiver(callbacks), "127.0.0.1", callback_port, backlog=256)
    load = Load(stories, Client(host, port), callbacks)
    commands: dict[str, Callable[..., Coroutine[Any, Any, dict[str, Any]]]] = {
        "fixed": load.fixed,
        "closed": load.closed,
        "get": load.get,
    }
    print(json.dumps({"ready": len(stories)}), flush=True)
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        load.reset()
        said = await commands[command.pop("phase")](**command)
        print(json.dumps({**load.account(), **said}), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
