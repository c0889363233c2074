"""Plots of the results, as SVG without script."""

from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import Any

from pygal.graph.horizontalbar import HorizontalBar
from pygal.graph.horizontalstackedbar import HorizontalStackedBar
from pygal.style import Style

from tests.benchmarks.table import Row

_STYLE = Style(
    background="white",
    plot_background="white",
    foreground="#333333",
    foreground_strong="#111111",
    foreground_subtle="#777777",
    colors=("#6fae8c", "#e0b060", "#b4b8c8"),
    font_family="sans-serif",
    label_font_size=13,
    major_label_font_size=13,
    legend_font_size=13,
    title_font_size=16,
    value_font_size=12,
    opacity="1",
)
_PARTS = {"the program": "own", "database": "database", "broker": "broker"}


def plots(rows: Sequence[Row]) -> dict[str, bytes]:
    """Return the plots by their file names; of sections that were measured."""
    by_section: dict[str, list[Row]] = {}
    for row in rows:
        by_section.setdefault(row.section, []).append(row)
    return {
        name: draw(section, some) for section, some in by_section.items() for name, draw in (_plot_of(some),) if name
    }


def _plot_of(rows: Sequence[Row]) -> tuple[str, Callable[[str, Sequence[Row]], bytes]]:
    name = rows[0].section.split()[0].lower().rstrip(":,")
    if any(row.database for row in rows):
        return f"{name}.svg", cpu_bars
    return (f"{name}.svg", time_bars) if any(len(row.times) > 1 for row in rows) else ("", cpu_bars)


def cpu_bars(title: str, rows: Sequence[Row]) -> bytes:
    """A bar for each program: its CPU a record, the database's and the broker's."""
    shown = [row for row in rows if row.database]
    values = {part: [median(getattr(row, name)) for row in shown] for part, name in _PARTS.items()}
    return _bars(f"{title} (µs of CPU a record)", [row.what for row in shown], values, HorizontalStackedBar)


def time_bars(title: str, rows: Sequence[Row]) -> bytes:
    """Bars for each row: its times."""
    shown = [row for row in rows if len(row.times) > 1]
    names = list(shown[0].times)
    values = {name: [median(row.times[name]) for row in shown] for name in names}
    return _bars(f"{title} (ms)", [row.what for row in shown], values, HorizontalBar)


def _without_script(root: Any) -> Any:
    """Leave out the library's configuration of its tooltips: a plot in a page runs no script."""
    for parent in list(root.iter()):
        for child in [one for one in parent if one.tag == "script"]:
            parent.remove(child)
    return root


def _bars(title: str, labels: Sequence[str], values: Mapping[str, Sequence[float]], kind: Any) -> bytes:
    # A horizontal chart has its first bar at the bottom.
    chart = kind(
        title=title,
        style=_STYLE,
        js=[],
        width=900,
        height=140 + 45 * len(labels),
        legend_at_bottom=True,
        no_prefix=True,
        print_values=True,
        formatter=lambda value: f"{value:,.0f}",
        show_y_guides=False,
    )
    chart.x_labels = list(reversed(labels))
    for name, found in values.items():
        chart.add(name, list(reversed(found)))
    chart.add_xml_filter(_without_script)
    drawn: bytes = chart.render()
    return drawn
