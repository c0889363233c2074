"""What a figure of a report is made of."""

from dataclasses import dataclass

from services.gateway.report.drawing import Bars, Columns


@dataclass(frozen=True, slots=True)
class Table:
    """A figure's numbers, after a column of names; `widths` are those of bars under the first names, in per cent."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    widths: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A sentence, the numbers as a table, and perhaps a drawing of them; without a table the sentence says why."""

    key: str
    title: str
    summary: str
    table: Table | None = None
    columns: Columns | None = None
    bars: Bars | None = None
    note: str | None = None
