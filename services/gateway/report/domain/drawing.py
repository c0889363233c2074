"""Charts as shapes that a template writes as SVG. Pure.

Widths are per cent of the room and heights are pixels. So a chart fits a phone, a screen and a page without a script,
and its text keeps its size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.report.domain import formatting

PLOT_PX = 200
"""Height of the highest column in pixels."""
ROW_PX = 36
"""Height of a bar's row in pixels, with the gap to the next."""
_TICKS = 6
_STEPS = (1, 2, 5, 10)
_GAP = 0.16
_LEAST = 0.6
_LEAST_PX = 1.5


@dataclass(frozen=True, slots=True)
class Count:
    """What a column shows: a number of leads, the `done` ones among them, and both in words.

    `label` has a line for each part. A column without room for a label has none.
    """

    text: str
    label: tuple[str, ...]
    count: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class ChartColumn:
    """A column: left edge, middle and width in per cent; heights, whole and done, in pixels."""

    of: Count
    left: float
    middle: float
    width: float
    height: float
    done: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A grid line across the plot, `y` pixels from its top, and its number."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns over one scale; `parted`: some show a done part."""

    columns: tuple[ChartColumn, ...]
    ticks: tuple[Tick, ...]
    parted: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What a bar shows, with the words at its end; `few`: too few leads for a rate."""

    name: str
    value: float
    text: str
    few: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A horizontal bar: `y` pixels from the top, `width` per cent of the plot."""

    of: Share
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars below each other, `height` pixels in all."""

    bars: tuple[Bar, ...]
    height: int


def columns(counts: Sequence[Count]) -> Columns:
    """Return a column for each count, over a scale of round numbers."""
    step = step_of(max((one.count for one in counts), default=0))
    lines = max(1, math.ceil(max((one.count for one in counts), default=0) / step))
    top, room = step * lines, 100 / max(1, len(counts))
    ticks = tuple(Tick(_px(PLOT_PX - PLOT_PX * n / lines), formatting.brief(step * n)) for n in range(lines + 1))
    made = tuple(_column(one, number, room, top) for number, one in enumerate(counts))
    return Columns(made, ticks, any(one.done for one in counts))


def _column(one: Count, number: int, room: float, top: int) -> ChartColumn:
    left, width = number * room + room * _GAP / 2, room * (1 - _GAP)
    return ChartColumn(
        one, _px(left), _px(left + width / 2), _px(width), _height(one.count, top), _height(one.done, top)
    )


def _height(count: int, top: int) -> float:
    return _px(max(_LEAST_PX, PLOT_PX * count / top)) if count else 0


def step_of(most: int) -> int:
    """Return the round step of a scale that reaches `most` in at most six steps."""
    least = max(1.0, most / _TICKS)
    size: int = 10 ** math.floor(math.log10(least))
    return next(size * one for one in _STEPS if size * one >= least)


def bars(shares: Sequence[Share]) -> Bars:
    """Return a bar for each share, the largest as wide as the plot."""
    widths = widths_of([one.value for one in shares])
    made = [Bar(one, ROW_PX * n, width) for n, (one, width) in enumerate(zip(shares, widths, strict=True))]
    return Bars(tuple(made), ROW_PX * len(made))


def widths_of(values: Sequence[float]) -> tuple[float, ...]:
    """Return each value's bar width in per cent of the largest. Values above 0 stay visible."""
    most = max((*values, 0)) or 1
    return tuple(_px(max(_LEAST, 100 * one / most)) if one else 0 for one in values)


def _px(value: float) -> float:
    return round(value, 2)
