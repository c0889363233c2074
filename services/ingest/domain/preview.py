"""Describe what an import will do: each column, then the totals. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from schemas.captures import is_email
from services.ingest.domain.columns.meanings import CONSENT, ColumnOrigin, SourceColumn
from services.ingest.domain.lenient import NO_NAME
from services.ingest.domain.rows import CONSENTS, LISTS
from services.ingest.domain.survey import REACHING, CellCounts, RejectedRows, Survey, names_no_columns
from services.ingest.domain.tables.table import SourceTable
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.values.moment_reading import DateOrder, parse_moment
from services.ingest.domain.values.vocabulary import is_nothing

_EXAMPLE_MAX = 40
_WARNINGS_MAX = 20
_LOOKED_AT = 50
_DIGITS_MIN, _DIGITS_MAX = 7, 15
_WORDS_MAX = 4
_DIALLED, _MARKS = "+ ().-/", " -/."


@dataclass(frozen=True, slots=True)
class ColumnPreview:
    """One column of the preview: name, target, how it is known, an example, and its cells."""

    header: str
    becomes: str
    known: str
    example: str
    cells: str


def preview_columns(table: SourceTable, reading: TableReading, survey: Survey) -> list[ColumnPreview]:
    """Return the preview of each column, in the table's order."""
    given = [column for column in reading.columns if column.origin is ColumnOrigin.GIVEN]
    rows = []
    for at, column in enumerate(reading.columns):
        example = next((text for row in table.rows if (text := "".join(row.cells[at : at + 1]).strip())), "")
        tally = survey.columns.get(column.header) or CellCounts()
        mine = column.origin is ColumnOrigin.GIVEN
        above = [one for one in reading.columns[:at] if one.origin is ColumnOrigin.GIVEN or not mine]
        cells = _cells(column, tally) + _beside(column, above, [] if mine else given)
        short = example if len(example) <= _EXAMPLE_MAX else f"{example[: _EXAMPLE_MAX - 1]}…"
        rows.append(ColumnPreview(column.header, _becomes(column), column.origin.value, short, cells))
    return rows


def _becomes(column: SourceColumn) -> str:
    if column.path is None:
        return "(left out)"
    return f"{column.path}; a yes means no" if column.negated else column.path


def _paths(column: SourceColumn) -> frozenset[str | None]:
    return CONSENTS if column.path == CONSENT else frozenset({column.path})


def _beside(column: SourceColumn, above: Iterable[SourceColumn], given: Iterable[SourceColumn]) -> str:
    """Return how other columns of the same path affect this column's cells."""
    if not column.path or column.path in LISTS:
        return ""
    paths = _paths(column)
    named = any(paths & _paths(one) for one in given)
    if not named and not any(paths & _paths(one) for one in above):
        return ""
    if paths <= CONSENTS:
        return "; a no in any of these columns counts"
    return "; used where no column that you mapped has a value" if named else "; used where no column above has a value"


def _cells(column: SourceColumn, tally: CellCounts) -> str:
    """Return what happens to a column's filled cells."""
    filled = tally.filled
    if not filled:
        return "empty"
    if column.path is None:
        return f"{filled} left out"
    if column.origin is ColumnOrigin.KEPT:
        return f"{filled} kept as text"
    if column.origin is ColumnOrigin.ASKED:
        return f"{filled} kept as text: none says anything about consent"
    unread = tally.unread + tally.refused
    parts = [f"{filled - unread} of {filled} read" if unread else f"{filled} read"]
    parts += [f"{tally.unread} kept as text"] if tally.unread else []
    parts += [f"{tally.refused} in rejected rows"] if tally.refused else []
    return ", ".join(parts)


def totals(survey: Survey) -> list[str]:
    """Return the totals in words: warnings by kind, rejections by reason, then the counts."""
    kinds = survey.warnings.most_common()
    lines = [f"warning on {_rows(rows)}: {column} {message}" for (column, message), rows in kinds[:_WARNINGS_MAX]]
    if len(kinds) > _WARNINGS_MAX:
        lines.append(f"and {len(kinds) - _WARNINGS_MAX} more kinds of warnings")
    lines += rejections(survey)
    leads = f"{survey.leads} can be imported" + (f", {survey.warned} of them with warnings" if survey.warned else "")
    return [*lines, f"{_rows(survey.rows)}: {leads}; {survey.rejected} rejected"]


def rejections(survey: Survey) -> list[str]:
    """Return why rows are rejected, the most frequent reason first."""
    found = sorted(survey.reasons.items(), key=lambda one: -one[1].rows)
    return [f"rejected {_rows(reason.rows)}: {why} ({_lines(reason)})" for why, reason in found]


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number} rows"


def _lines(reason: RejectedRows) -> str:
    listed = ", ".join(map(str, reason.lines))
    return f"line {listed}" if reason.rows == 1 else f"lines {listed}{', …' if reason.rows > len(reason.lines) else ''}"


def suggest_mappings(reading: TableReading, survey: Survey) -> dict[str, tuple[str, ...]]:
    """Return the mappings, as `HEADER=PATH`, that may fix rejected rows, by rejection reason."""
    if names_no_columns(reading):
        return {}
    kept = [(at, column) for at, column in enumerate(reading.columns) if column.origin is ColumnOrigin.KEPT]
    found = {}
    for why, reason in survey.reasons.items():
        wanted = _wanted(why, reading)
        fitting = [_fitting(path, kept, reason) for path in wanted]
        found[why] = tuple(one for one in fitting if one)
    return {why: pairs for why, pairs in found.items() if pairs}


def _wanted(why: str, reading: TableReading) -> tuple[str, ...]:
    if why != NO_NAME:
        return _ADDRESSES
    reachable = any(column.path in REACHING for column in reading.columns)
    return ("contact.name",) if reachable else ("contact.name", *_ADDRESSES)


def _fitting(path: str, kept: Sequence[tuple[int, SourceColumn]], reason: RejectedRows) -> str | None:
    for at, column in kept:
        if _mostly(_LOOKS_LIKE[path], (row.cells[at : at + 1] for row in reason.sample)):
            return f"{column.header}={path}"
    return None


def _mostly(fits: Callable[[str], bool], cells: Iterable[tuple[str, ...]]) -> bool:
    texts = [text for cell in islice(cells, _LOOKED_AT) for text in cell if text and not is_nothing(text)]
    return bool(texts) and 2 * sum(map(fits, texts)) > len(texts)


def _is_email(text: str) -> bool:
    return "@" in text and is_email(text.strip())


def _is_phone(text: str) -> bool:
    digits = sum(map(str.isdecimal, text))
    if not _DIGITS_MIN <= digits <= _DIGITS_MAX or not all(char.isdecimal() or char in _DIALLED for char in text):
        return False
    marked = text[:1] in "+0(" or any(mark in text for mark in _MARKS)
    # Dates look like this, too.
    return marked and parse_moment(text, order=DateOrder.DAY_FIRST) is None


def _is_name(text: str) -> bool:
    words = text.replace(",", " ").split()
    return 1 < len(words) <= _WORDS_MAX and all(word[:1].isupper() and word.strip(".'-").isalpha() for word in words)


_ADDRESSES = ("contact.email", "contact.phone")
_LOOKS_LIKE: dict[str, Callable[[str], bool]] = {
    "contact.name": _is_name,
    "contact.email": _is_email,
    "contact.phone": _is_phone,
}
