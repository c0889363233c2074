"""Charts as shapes, for a template to write down as SVG. All is pure.

Widths are per cent of whatever room there is and heights are pixels, so that a chart fits a phone, a screen and a page
without a script, and its words keep their size.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from services.gateway.report import words

PLOT_PX = 200
"""How high the highest column can be."""
ROW_PX = 36
"""The room of a bar that lies, with what is between it and the next."""
_TICKS = 6
_STEPS = (1, 2, 5, 10)
_GAP = 0.16
_LEAST = 0.6
_LEAST_PX = 1.5


@dataclass(frozen=True, slots=True)
class Count:
    """What a column shows: a number of leads, and how many of them are `done`; `told` says it in words.

    `label` has a line for each part; a column without one has no room for it.
    """

    told: str
    label: tuple[str, ...]
    count: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its left edge, middle and width in per cent; how high it and what is done of it are, in pixels."""

    of: Count
    left: float
    middle: float
    width: float
    height: float
    done: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A line across the plot, `y` pixels from its top, and its number."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns that stand side by side over a scale; `parted`: some show what is done of them."""

    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    parted: bool


@dataclass(frozen=True, slots=True)
class Share:
    """What a bar shows, told at its end; `few`: too little stands behind it to mean much."""

    name: str
    value: float
    told: str
    few: bool = False


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar that lies: `y` pixels from the top, `width` per cent of the plot."""

    of: Share
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars that lie one below the other, `height` pixels in all."""

    bars: tuple[Bar, ...]
    height: int


def columns(counts: Sequence[Count]) -> Columns:
    """A column for each count, over a scale of round numbers."""
    step = step_of(max((one.count for one in counts), default=0))
    lines = max(1, math.ceil(max((one.count for one in counts), default=0) / step))
    top, room = step * lines, 100 / max(1, len(counts))
    ticks = tuple(Tick(_px(PLOT_PX - PLOT_PX * n / lines), words.brief(step * n)) for n in range(lines + 1))
    made = tuple(_column(one, number, room, top) for number, one in enumerate(counts))
    return Columns(made, ticks, any(one.done for one in counts))


def _column(one: Count, number: int, room: float, top: int) -> Column:
    left, width = number * room + room * _GAP / 2, room * (1 - _GAP)
    return Column(one, _px(left), _px(left + width / 2), _px(width), _height(one.count, top), _height(one.done, top))


def _height(count: int, top: int) -> float:
    return _px(max(_LEAST_PX, PLOT_PX * count / top)) if count else 0


def step_of(most: int) -> int:
    """What lies between two lines of a scale: the round number by which at most six of them reach `most`."""
    least = max(1.0, most / _TICKS)
    size: int = 10 ** math.floor(math.log10(least))
    return next(size * one for one in _STEPS if size * one >= least)


def bars(shares: Sequence[Share]) -> Bars:
    """A bar for each share, the largest as wide as the plot."""
    widths = widths_of([one.value for one in shares])
    made = [Bar(one, ROW_PX * n, width) for n, (one, width) in enumerate(zip(shares, widths, strict=True))]
    return Bars(tuple(made), ROW_PX * len(made))


def widths_of(values: Sequence[float]) -> tuple[float, ...]:
    """How wide a bar each of these values has, in per cent of the largest; what is not nothing can be seen."""
    most = max((*values, 0)) or 1
    return tuple(_px(max(_LEAST, 100 * one / most)) if one else 0 for one in values)


def _px(value: float) -> float:
    return round(value, 2)
