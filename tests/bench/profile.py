"""Where the time goes: an enrolment's six steps in one process, with their SQL, then the same under cProfile.

The steps are the product's own: the view that takes a message, the worker that handles it, the worker that delivers
the callback; twice, for init and confirm. Nothing else runs in this process.
"""

import cProfile
import os
import pstats
import re
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import resolve

from audit import clock
from beckn import participants, tasks
from beckn.models import Inbox, Outbox, Source, State
from sandbox.postgres import free_port
from tests.bap import Bap
from tests.bench import customers, messages, processes
from tests.bench.load import Driver
from tests.bench.report import Figure

SECTION = "Where the time goes: one enrolment, steps in one process (ms are the median)"
WARM_UP, TIMED, PROFILED = 20, 80, 80
_ROOT = f"{Path(__file__).resolve().parent.parent.parent}/"


def run() -> list[Figure]:
    bap = Bap(subscriber_id="load.bench.example", port=free_port())
    participants.add(
        subscriber_id=bap.subscriber_id,
        url=bap.uri,
        key_id=bap.key_id,
        public_key=bap.public_key,
        source=Source.SANDBOX,
        now=clock.now(),
    )
    people = customers.fetch(os.environ["BENCH_UTILITY"], customers.names(1, WARM_UP + TIMED + PROFILED))
    stories = [messages.story(person, bap, settings.PUBLIC_URL) for person in people]
    with Driver(Path(settings.VAR_DIR), [], free_port(), bap.port):  # takes the callbacks
        for story in stories[:WARM_UP]:
            _enrol(story, Steps())
        steps = Steps()
        database = {"postgres": [int(os.environ["BENCH_POSTGRES"])]}
        before = processes.cpu_seconds(database)
        for story in stories[WARM_UP : WARM_UP + TIMED]:
            _enrol(story, steps)
        spent = (processes.cpu_seconds(database)["postgres"] - before["postgres"]) / TIMED * 1000
        profiles = Profiles()
        for story in stories[WARM_UP + TIMED :]:
            _enrol(story, profiles)
    print(steps.statements())
    print(profiles.text())
    return [*steps.figures(), Figure(SECTION, "PostgreSQL meanwhile, CPU", spent, "ms", note="mean")]


def _enrol(story: messages.Story, steps: "Steps | Profiles") -> None:
    for action, request in (("init", story.init), ("confirm", story.confirm)):
        with steps.step(f"{action}: take it (view)"):
            _receive(action, request)
        inbox_id = Inbox.objects.filter(state=State.WAITING).values_list("pk", flat=True).get()
        with steps.step(f"{action}: handle it (worker)"):
            tasks.process_inbox(inbox_id)
        outbox_id = Outbox.objects.filter(state=State.WAITING).values_list("pk", flat=True).get()
        with steps.step(f"{action}: deliver on_{action} (worker)"):
            tasks.deliver_outbox(outbox_id)
        if Outbox.objects.get(pk=outbox_id).state != State.DONE:
            raise RuntimeError(f"on_{action} was not delivered: {Outbox.objects.get(pk=outbox_id).last_error}")


def _receive(action: str, request: bytes) -> None:
    head, _, body = request.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    path = f"/beckn/{action}"
    made = RequestFactory().post(
        path, body, content_type="application/json", headers={"Authorization": headers["Authorization"]}
    )
    view = resolve(path)
    answer: HttpResponse = view.func(made, *view.args, **view.kwargs)
    if answer.status_code != 200:
        raise RuntimeError(f"{action}: {answer.status_code} {answer.content[:500]!r}")


class Steps:
    """Time, CPU and statements of every step."""

    def __init__(self) -> None:
        self.wall: defaultdict[str, list[float]] = defaultdict(list)
        self.cpu: defaultdict[str, list[float]] = defaultdict(list)
        self.sql: defaultdict[str, list[float]] = defaultdict(list)
        self.counts: defaultdict[str, list[int]] = defaultdict(list)
        self.texts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.spent: defaultdict[str, Counter[str]] = defaultdict(Counter)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        taken: list[float] = []

        def watch(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            begun = time.perf_counter()
            try:
                return execute(sql, params, many, context)
            finally:
                taken.append((time.perf_counter() - begun) * 1000)
                text = _short(sql)
                self.texts[name][text] += 1
                self.spent[name][text] += taken[-1]

        wall, cpu = time.perf_counter(), time.process_time()
        with connection.execute_wrapper(watch):
            yield
        self.wall[name].append((time.perf_counter() - wall) * 1000)
        self.cpu[name].append((time.process_time() - cpu) * 1000)
        self.sql[name].append(sum(taken))
        self.counts[name].append(len(taken))

    def figures(self) -> list[Figure]:
        figures = [
            Figure(
                SECTION,
                name,
                median(wall),
                "ms",
                note=f"{median(self.cpu[name]):.1f} ms CPU, {median(self.counts[name]):.0f} statements in "
                f"{median(self.sql[name]):.1f} ms",
            )
            for name, wall in self.wall.items()
        ]
        cpu = sum(median(each) for each in self.cpu.values())
        statements = sum(median(each) for each in self.counts.values())
        whole = sum(median(each) for each in self.wall.values())
        note = f"{cpu:.1f} ms CPU, {statements:.0f} statements (without BEGIN and COMMIT)"
        return [*figures, Figure(SECTION, "all of it", whole, "ms", note=note)]

    def statements(self) -> str:
        """Every statement of every step, with its time."""
        lines = ["Statements of each step (ms each, times per enrolment)"]
        for name, spent in self.spent.items():
            lines.append(f"  {name}")
            rounds = len(self.wall[name])
            for text, total in spent.most_common():
                count = self.texts[name][text]
                lines.append(f"    {total / count:6.2f} ms × {count / rounds:4.1f}  {text}")
        return "\n".join(lines)


class Profiles:
    """A cProfile of every step, over CPU time: what waits for PostgreSQL or the network does not show here."""

    def __init__(self) -> None:
        self.profiles: defaultdict[str, cProfile.Profile] = defaultdict(lambda: cProfile.Profile(time.thread_time))
        self.rounds: Counter[str] = Counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.rounds[name] += 1
        with self.profiles[name]:
            yield

    def text(self) -> str:
        lines = []
        for name, profile in self.profiles.items():
            stats = pstats.Stats(profile)
            each = 1000 / self.rounds[name]
            rows = [
                (cumulated * each, own * each, calls / self.rounds[name], _place(function))
                for function, (_, calls, own, cumulated, _) in stats.stats.items()  # type: ignore[attr-defined]
            ]
            lines.append(f"\n{name}: {stats.total_tt * each:.1f} ms CPU under cProfile")  # type: ignore[attr-defined]
            lines.append("  most in the function itself (ms, calls)")
            lines += [f"    {own:6.2f} {calls:7.1f}  {place}" for _, own, calls, place in _top(rows, 1, 14)]
            lines.append("  most in ours, callees included (ms, calls)")
            ours = [row for row in rows if row[3].startswith("./")]
            lines += [f"    {cumulated:6.2f} {calls:7.1f}  {place}" for cumulated, _, calls, place in _top(ours, 0, 24)]
        return "\n".join(lines)


def _top(rows: list[tuple[float, float, float, str]], column: int, count: int) -> list[tuple[float, float, float, str]]:
    return sorted(rows, key=lambda row: -row[column])[:count]


def _place(function: tuple[str, int, str]) -> str:
    file, line, name = function
    if file.startswith(_ROOT) and "/site-packages/" not in file:
        return f"./{file.removeprefix(_ROOT)}:{line} {name}"
    return f"{'/'.join(file.split('/')[-2:])}:{line} {name}" if line else name


def _short(sql: str) -> str:
    """A statement in one line without its columns and values."""
    text = " ".join(str(sql).split()).replace('"', "")
    text = re.sub(r"^SELECT .*? FROM ", "SELECT … FROM ", text)
    text = re.sub(r"^(INSERT INTO \S+).*", r"\1", text)
    text = re.sub(r"s\d+_x\d+", "…", text)
    return text[:110]
