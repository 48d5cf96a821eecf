"""What processes have used, read from /proc: CPU seconds with everything they started, and their largest memory."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class _Stat:
    parent: int
    seconds: float


def cpu_seconds(roots: Mapping[str, Iterable[int]]) -> dict[str, float]:
    """Return CPU seconds (user and system) per name, of its processes, their living and their ended children."""
    stats = _all()
    return {name: sum(stats[pid].seconds for pid in _trees(pids, stats)) for name, pids in roots.items()}


def peak_megabytes(pids: Iterable[int]) -> float:
    """Return the largest resident size that any single process of these trees ever had."""
    stats = _all()
    return max((_peak(pid) for pid in _trees(pids, stats)), default=0.0)


def count(pids: Iterable[int]) -> int:
    return len(_trees(pids, _all()))


def _trees(roots: Iterable[int], stats: Mapping[int, _Stat]) -> set[int]:
    found = {pid for pid in roots if pid in stats}
    while more := {pid for pid, stat in stats.items() if stat.parent in found and pid not in found}:
        found |= more
    return found


def _all() -> dict[int, _Stat]:
    return {
        int(entry.name): stat for entry in Path("/proc").iterdir() if entry.name.isdigit() and (stat := _read(entry))
    }


def _read(entry: Path) -> _Stat | None:
    try:
        fields = (entry / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return None
    # proc(5): ppid is field 4; utime, stime, cutime, cstime are 14 to 17; the list here begins at field 3.
    return _Stat(parent=int(fields[1]), seconds=sum(int(each) for each in fields[11:15]) / _TICKS)


def _peak(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)
