"""The results: rows of figures, as a table on the terminal, as Markdown and as JSON."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from rich.table import Table

from schemas.export import markdown_table

HEAD = (
    "what",
    "a second",
    "own CPU, µs",
    "database, µs",
    "broker, µs",
    "time",
    "ratio of own CPU",
    "of all CPU",
    "wanted",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line: each list has a figure for each round. CPU is µs a record, times are milliseconds.

    `ratios` and `ratios_all` are of this row and another in the same round, as `of` says.
    """

    section: str
    what: str
    rate: Sequence[float] = ()
    own: Sequence[float] = ()
    database: Sequence[float] = ()
    broker: Sequence[float] = ()
    times: Mapping[str, Sequence[float]] = field(default_factory=dict)
    of: str = ""
    ratios: Sequence[float] = ()
    ratios_all: Sequence[float] = ()
    wanted: str = ""

    @property
    def all_cpu(self) -> list[float]:
        """The CPU of program, database and broker together, by round."""
        return [sum(one) for one in zip(self.own, self.database, self.broker, strict=False)]

    def cells(self) -> list[str]:
        """The medians as text."""
        times = ", ".join(f"{name} {_time(median(found))}".strip() for name, found in self.times.items())
        ratio = f"{self.of} {_ratio(self.ratios)}" if self.ratios else ""
        rest = (self.rate, self.own, self.database, self.broker)
        return [self.what, *map(_whole, rest), times, ratio, _ratio(self.ratios_all), self.wanted]


def _whole(found: Sequence[float]) -> str:
    return f"{median(found):,.0f}" if found else ""


def _ratio(found: Sequence[float]) -> str:
    return f"{median(found):.2f}" if found else ""


def _time(milliseconds: float) -> str:
    return f"{milliseconds:,.0f} ms" if milliseconds < 1_000 else f"{milliseconds / 1_000:,.1f} s"


def compared(row: Row, other: Row, of: str, wanted: str = "") -> Row:
    """Return `row` with its ratios to `other`: `of` says which is divided by which."""
    up, down = (row, other) if of.startswith("it ÷") else (other, row)
    return Row(
        **{**_plain(row), "of": of, "wanted": wanted},
        ratios=_divided(up.own, down.own),
        ratios_all=_divided(up.all_cpu, down.all_cpu),
    )


def _plain(row: Row) -> dict[str, Any]:
    return {name: value for name, value in asdict(row).items() if name not in {"ratios", "ratios_all"}}


def _divided(up: Sequence[float], down: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(up, down, strict=True) if other]


def rich_table(rows: Iterable[Row], title: str) -> Table:
    """Return the table for a terminal."""
    table = Table(*HEAD, title=title)
    section = ""
    for row in rows:
        if row.section != section:
            table.add_section()
            table.add_row(f"[bold]{row.section}[/]")
            section = row.section
        table.add_row(*row.cells())
    return table


def markdown(rows: Iterable[Row]) -> str:
    """Return a table for each section, each without the columns that it doesn't use."""
    sections: dict[str, list[list[str]]] = {}
    for row in rows:
        sections.setdefault(row.section, []).append(row.cells())
    parts = []
    for section, lines in sections.items():
        used = [place for place in range(len(HEAD)) if place == 0 or any(line[place] for line in lines)]
        table = markdown_table([HEAD[one] for one in used], ([line[one] for one in used] for line in lines))
        parts.append(f"**{section}**\n\n{table}")
    return "\n".join(parts)


def to_json(rows: Iterable[Row], about: Mapping[str, Any]) -> str:
    """Return all figures of all rounds."""
    return json.dumps({"about": about, "rows": [asdict(row) for row in rows]}, indent=1, ensure_ascii=False) + "\n"


def from_json(text: str) -> tuple[list[Row], dict[str, Any]]:
    """Return what `to_json` was given."""
    found = json.loads(text)
    return [Row(**one) for one in found["rows"]], found["about"]
