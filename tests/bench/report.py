"""The bench's one table, and the same figures as JSON."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One line of the table. `unit` is ms, /s, MB, ×, %, or what `value` counts.

    `at_most` and `at_least` are targets; without one the figure only informs.
    """

    section: str
    name: str
    value: float
    unit: str
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as text, a heading per section."""
    names = max((len(figure.name) for figure in figures), default=0)
    lines: list[str] = []
    section = ""
    for figure in figures:
        if figure.section != section:
            section = figure.section
            lines += ["", section]
        verdict = {None: "", True: "met", False: "MISSED"}[figure.is_met]
        line = (
            f"  {figure.name:<{names}}  {_number(figure.value):>9} {figure.unit:<6} {_target(figure):<10} {verdict:<7}"
        )
        lines.append(f"{line} {figure.note}".rstrip())
    return "\n".join(lines)


def write(path: Path, figures: Sequence[Figure], about: Mapping[str, object]) -> None:
    """Write all figures with `is_met` and what the machine was."""
    rows = [{**asdict(figure), "is_met": figure.is_met} for figure in figures]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"about": about, "figures": rows}, indent=1) + "\n")


def to_json(figures: Sequence[Figure]) -> str:
    return json.dumps([asdict(figure) for figure in figures])


def from_json(text: str) -> list[Figure]:
    return [Figure(**row) for row in json.loads(text)]


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def _target(figure: Figure) -> str:
    if figure.at_most is not None:
        return f"≤ {figure.at_most:g}"
    return f"≥ {figure.at_least:g}" if figure.at_least is not None else ""
