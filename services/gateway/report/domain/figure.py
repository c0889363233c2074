"""The parts of a report's figure."""

from dataclasses import dataclass

from services.gateway.report.domain.drawing import Bars, Columns


@dataclass(frozen=True, slots=True)
class FigureTable:
    """A figure's numbers beside names. `widths`: bars under the names, in per cent."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A sentence, a table, and perhaps a drawing. Without a table the sentence says why."""

    key: str
    title: str
    summary: str
    table: FigureTable | None = None
    columns: Columns | None = None
    bars: Bars | None = None
    note: str | None = None
