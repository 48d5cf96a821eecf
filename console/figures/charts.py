"""Charts as SVG, drawn by the server: shapes and words only, all colours and sizes in the style sheet. Pure.

Each has its title and description for who does not see it; the same numbers stand in a table beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 560, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 30
BAR, GAP = 24, 22  # height of a bar, and of the line of words above it


@dataclass(frozen=True)
class Tick:
    """A mark on an axis: where, and what is written there. `anchor` is how its words stand to it."""

    at: float
    text: str
    anchor: str = "middle"


@dataclass(frozen=True)
class Line:
    """One series: `name`, its number (its look), and its paths; several where values are missing between."""

    name: str
    number: int
    paths: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LineChart:
    """Lines over time."""

    title: str
    description: str
    lines: tuple[Line, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    kind: str = "lines"
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Bar:
    """One bar with its words: `width` as long as its value."""

    text: str
    y: float
    text_y: float
    width: float
    number: int = 1


@dataclass(frozen=True)
class BarChart:
    """Bars below each other, each with its words above it."""

    title: str
    description: str
    bars: tuple[Bar, ...]
    height: int
    kind: str = "bars"
    width: int = WIDTH
    bar: int = BAR
    has_track: bool = False  # the whole stands behind each bar, which is a part of it


def lines(
    title: str,
    description: str,
    points: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    unit: str = "",
) -> LineChart | None:
    """Draw series over points (their words); None where there is nothing to draw. A missing value leaves a gap."""
    values = [value for _, each in series for value in each if value is not None]
    if not points or not values:
        return None
    top, step = _scale(max(values), is_counted=all(float(value).is_integer() for value in values))
    floor, wide = HEIGHT - BOTTOM, WIDTH - LEFT - RIGHT
    places = [LEFT + wide * (number / (len(points) - 1) if len(points) > 1 else 0.5) for number in range(len(points))]

    def up(value: float) -> float:
        return round(floor - (floor - TOP) * value / top, 1)

    drawn = []
    for number, (name, each) in enumerate(series, start=1):
        runs: list[list[tuple[float, float]]] = [[]]
        for place, value in zip(places, each, strict=True):
            if value is None:
                runs.append([])
            else:
                runs[-1].append((round(place, 1), up(value)))
        paths = tuple("M" + " L".join(f"{x},{y}" for x, y in run) for run in runs if len(run) > 1)
        drawn.append(Line(name, number, paths, tuple(run[0] for run in runs if len(run) == 1)))
    marks = range(round(top / step) + 1)
    vertical = tuple(Tick(up(mark * step), f"{_number(mark * step)}{unit}") for mark in marks)
    return LineChart(title, description, tuple(drawn), _along(points, places), vertical)


def bars(
    title: str, description: str, rows: Sequence[tuple[str, float]], whole: float | None = None
) -> BarChart | None:
    """Draw bars, the longest as wide as the picture, or `whole` where they are parts of that; None of nothing."""
    longest = max((value for _, value in rows), default=0)
    if longest <= 0:
        return None
    most = max(longest, whole or 0)
    each = BAR + GAP
    drawn = tuple(
        Bar(text, number * each + GAP, number * each + GAP - 7, round(WIDTH * value / most, 1))
        for number, (text, value) in enumerate(rows)
    )
    return BarChart(title, description, drawn, len(rows) * each + 4, has_track=bool(whole))


def _along(points: Sequence[str], places: Sequence[float]) -> tuple[Tick, ...]:
    """At most seven marks at even distances, the last among them: it is the newest."""
    step = max(1, -(-(len(points) - 1) // 6))
    chosen = range((len(points) - 1) % step, len(points), step)
    return tuple(
        Tick(
            round(places[number], 1),
            points[number],
            "middle" if 0 < number < len(points) - 1 else ("start" if number == 0 else "end"),
        )
        for number in chosen
    )


def _scale(most: float, *, is_counted: bool = False) -> tuple[float, float]:
    """A round top at or above the value, and the step between its marks; of what is counted there are no halves."""
    if most <= 0:
        return 1.0, 1.0
    rough = most / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(each * power for each in (1, 2, 2.5, 5, 10) if each * power >= rough)
    if is_counted:
        step = max(1.0, step)
    return math.ceil(most / step - 1e-9) * step, step


def _number(value: float) -> str:
    """Short, as an axis has room for: 12,500 is 12.5k."""
    for size, letter in ((1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if value >= 10 * size or (value >= size and size > 1e3):
            return f"{value / size:g}{letter}"
    return f"{value:,g}"
