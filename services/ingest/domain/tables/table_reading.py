"""Decide how to read a table from all of its rows, before any row is read. Pure."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from schemas.attributes import NO_ATTRIBUTES, Attributes, AttributeType
from services.ingest.domain.columns.meanings import (
    CONSENT_PATHS,
    CONTEXT_ENTRIES,
    ColumnOrigin,
    SourceColumn,
    columns_of,
)
from services.ingest.domain.tables.table import SourceTable
from services.ingest.domain.values.amounts import decimals_of
from services.ingest.domain.values.consent_answers import answers_in, tells_refusals
from services.ingest.domain.values.moment_reading import DateOrder, orders_of

AMOUNTS = frozenset({"company.annualRevenue", "requirements.budget"})
"""The paths of amounts of money."""
_MOMENTS = frozenset({"time", "date", "consent.capturedAt"})


@dataclass(frozen=True, slots=True)
class TableReading:
    """What applies to all rows of one table."""

    columns: tuple[SourceColumn, ...]
    dates: Mapping[str, DateOrder | None] = field(default_factory=dict)
    """The date order of each column that needs one, by header; None: only the user knows."""

    decimals: Mapping[str, str | None] = field(default_factory=dict)
    """The decimal mark of each column with amounts such as 1.234; None: no amount shows it."""

    @property
    def undecided(self) -> tuple[str, ...]:
        """The headers of the columns whose dates can be read in two ways."""
        return tuple(header for header, order in self.dates.items() if order is None)


def reading_of(
    table: SourceTable,
    given: Mapping[str, str] | None = None,
    dates: DateOrder | None = None,
    attributes: Attributes = NO_ATTRIBUTES,
) -> TableReading:
    """Return the reading of a table; `given` maps headers to paths, "" to leave out.

    `dates` is the date order that the user states, `attributes` are the declared ones.
    """
    # Each row has its own context, and most cells of a wide file are blank.
    columns = columns_of(table.headers, given, room=len(table.headers) + CONTEXT_ENTRIES, attributes=attributes)
    cells = {
        header: [row.cells[at] for row in table.rows if at < len(row.cells)] for at, header in enumerate(table.headers)
    }
    columns = tuple(
        replace(one, origin=ColumnOrigin.ASKED)
        if one.origin is ColumnOrigin.KEPT and tells_refusals(cells[one.header])
        else one
        for one in columns
    )
    columns = tuple(
        replace(one, answers=answers_in(cells[one.header])) if one.path in CONSENT_PATHS else one for one in columns
    )
    moments, others = _parted(columns, cells, _MOMENTS, AttributeType.DATE)
    amounts, _ = _parted(columns, cells, AMOUNTS, AttributeType.NUMBER)
    return TableReading(columns, orders_of(moments, others, dates), decimals_of(amounts))


def _parted(
    columns: Iterable[SourceColumn], cells: Mapping[str, Sequence[str]], paths: Collection[str], kind: AttributeType
) -> tuple[dict[str, Sequence[str]], dict[str, Sequence[str]]]:
    """Return the cells of the columns of these paths or this type, and those of all others, by header."""
    named = {
        column.header
        for column in columns
        if column.path in paths or (column.attribute and column.attribute.type is kind)
    }
    return (
        {header: texts for header, texts in cells.items() if header in named},
        {header: texts for header, texts in cells.items() if header not in named},
    )
