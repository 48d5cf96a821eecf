"""How commands show a bulk act, and wait for its end."""

import sys
import time
from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from audit import clock
from credentials import bulk
from credentials.bulk import Progress
from credentials.claims import instant
from credentials.management.reporting import Reporting


def add_waiting(parser: ArgumentParser) -> None:
    """`--wait`, for commands that ask for a bulk act."""
    parser.add_argument("--wait", action="store_true", help="help the workers, and end when all is done and told")


def report(command: Reporting, options: dict[str, Any], act_id: UUID) -> None:
    """Say how far the act is; with `--wait`, work on it here too until it is over."""
    if options.get("wait"):
        _wait(command, act_id)
    progress = bulk.progress_of(act_id)
    command.say(options, document(progress), line(progress))


def document(progress: Progress) -> dict[str, Any]:
    """Return the act and how far it is as plain JSON."""
    act = progress.act
    return {
        "id": str(act.pk),
        "kind": act.kind,
        "source": act.source,
        "reason": act.reason,
        "askedAt": instant(act.asked_at),
        "dueAt": instant(act.due_at) if act.due_at else None,
        "finishedAt": instant(act.finished_at) if act.finished_at else None,
        "count": act.count,
        "digest": act.digest,
        "batches": progress.batches,
        "batchesDone": progress.batches_done,
        "changed": progress.changed,
        "toTell": progress.to_tell,
        "told": progress.told,
        "isOver": progress.is_over,
    }


def line(progress: Progress) -> str:
    """Return one line for people."""
    act = progress.act
    state = "over" if progress.is_over else "published" if act.finished_at else "at work"
    if act.due_at is None:
        state = "refused" if act.refused_at else "waits for a second person"
    elif act.due_at > clock.now():
        state = f"due {instant(act.due_at)}"
    told = f", {progress.told} of {progress.to_tell} told" if progress.to_tell else ""
    return (
        f"{act.pk}  {act.kind:8} {act.source}  {state}: {progress.looked_at} of {act.count} looked at,"
        f" {progress.changed} changed{told}"
    )


def _wait(command: Reporting, act_id: UUID) -> None:
    shown = ""
    while not (progress := bulk.progress_of(act_id)).is_over:
        if line(progress) != shown and sys.stderr.isatty():
            shown = line(progress)
            command.stderr.write(shown)
        if not bulk.work(clock.now()):
            time.sleep(0.2)  # the rest is in other hands, or a portal has enough to read
