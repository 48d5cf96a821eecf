"""Somebody who only reads, in a process of its own: `python -m tests.bench.getter HOST PORT`.

Reads one JSON command per line on stdin and answers each with one JSON line.
{"phase": "closed", "path", "headers", "at_once", "seconds"} asks again as soon as it is answered.
{"phase": "paced", "path", "headers", "rate", "seconds"} asks at fixed moments, whether those before are answered or
not, and measures from those moments.
"""

import asyncio
import json
import sys
import time
from typing import Any

from tests.bench.bap import Client


class Getter:
    def __init__(self, client: Client) -> None:
        self.client = client

    async def closed(self, *, path: str, headers: dict[str, str], at_once: int, seconds: float) -> dict[str, Any]:
        request, begun = _request(path, headers), time.perf_counter()
        statuses: dict[int, int] = {}

        async def ask() -> None:
            while time.perf_counter() - begun < seconds:
                status, _ = await self.client.send(request)
                statuses[status] = statuses.get(status, 0) + 1

        await asyncio.gather(*(ask() for _ in range(at_once)))
        return {"seconds": time.perf_counter() - begun, "statuses": statuses}

    async def paced(self, *, path: str, headers: dict[str, str], rate: float, seconds: float) -> dict[str, Any]:
        request, begun = _request(path, headers), time.perf_counter()
        taken: list[float] = []
        statuses: dict[int, int] = {}

        async def ask(due: float) -> None:
            status, _ = await self.client.send(request)
            taken.append((time.perf_counter() - due) * 1000)
            statuses[status] = statuses.get(status, 0) + 1

        tasks = []
        for number in range(int(rate * seconds)):
            due = begun + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(ask(due)))
        await asyncio.gather(*tasks)
        return {"seconds": time.perf_counter() - begun, "statuses": statuses, "ms": taken}


def _request(path: str, headers: dict[str, str]) -> bytes:
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def serve(host: str, port: int) -> None:
    getter, loop = Getter(Client(host, port)), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        print(json.dumps(await getattr(getter, command.pop("phase"))(**command)), flush=True)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
