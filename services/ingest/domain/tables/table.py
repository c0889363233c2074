"""Find tables in exports: a header near the top, then rows. Pure."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from services.ingest.domain.columns.meanings import is_known_header
from services.ingest.domain.tables.artefacts import clean_cell, visible_text
from services.ingest.domain.tables.text_decoding import decode_text
from shared.errors import Permanent

_DELIMITERS = ",;\t|"
_COLUMNS_MAX = 1_000
HEADER_WITHIN = 20
# An unclosed quote would swallow the rest of the file. A row of more lines has such a quote.
_LINES_OF_A_ROW = 100
_BROKEN = "has a quote that is not closed, text after a closing quote, or a cell of more than 128 KiB"
_LONGER = "has more cells than the header"
_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE | re.DOTALL)
_FOOTER = re.compile(r".*[:\d©]|\(c\)|(?:\S+\s+){3}\S", re.DOTALL | re.IGNORECASE)
_FOOTER_WITHIN = 20
# A part of a domain contains no dot, so the pattern reads a long cell in one pass.
_ADDRESS = re.compile(r"[\s\"']*[^\s@\"']+@(?:[^\s@\"'.]+\.)+[^\s@\"'.]+[\s\"']*")


class UnreadableTable(Permanent):
    """The input has no readable line; the text says why."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """The cells of one row and the number of its first line, from 1.

    `fault` says what is wrong with the whole row; `remark` is a harmless oddity. `loose` holds the cells if the row's
    quotes are ignored.
    """

    line: int
    cells: tuple[str, ...]
    fault: str | None = None
    remark: str | None = None
    loose: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceTable:
    """A header with unique names, and the rows below it that are not blank.

    `notes` says what was done to the file as a whole.
    """

    headers: tuple[str, ...]
    rows: Sequence[SourceRow]
    notes: tuple[str, ...] = ()

    def cells(self, row: SourceRow) -> dict[str, str]:
        """Return the row's cells by header."""
        return dict(zip(self.headers, row.cells, strict=False))


def find_table(rows: Iterable[SourceRow], most: int | None = None, notes: tuple[str, ...] = ()) -> SourceTable:
    """Return the table in at most `most` rows below its header. Raises `UnreadableTable`.

    The header is among the top rows.
    """
    rows = iter(rows)
    top = list(islice(rows, HEADER_WITHIN))
    at = _header_at(top)
    header = _trimmed(_cleaned(top[at].cells[: _COLUMNS_MAX + 1]))
    if len(header) > _COLUMNS_MAX:
        raise UnreadableTable(f"The header has more than {_COLUMNS_MAX} columns.")
    found = (_checked(one, len(header)) for one in chain(top[at + 1 :], rows))
    kept = list(islice((one for one in found if _names(one) and one.cells[: len(header)] != header), most))
    kept, footer = _without_footer(kept, len(header))
    return SourceTable(_headers(header, kept), kept, notes + footer)


def read_csv(body: bytes, most: int | None = None, encoding: str | None = None) -> SourceTable:
    """Return the table in a CSV file, at most `most` rows. Raises `UnreadableTable`.

    Commas, semicolons, tabs or `|` separate its cells. Without `encoding` the text is UTF-8 or UTF-16; other lines are
    Windows-1252.
    """
    text = decode_text(body, encoding)
    lines = io.StringIO(text.text, newline="").readlines()
    named = _SEPARATOR.fullmatch(visible_text(lines[0]) or lines[0].strip("\r\n")) if lines else None
    if named:
        return find_table(_rows(lines, named[1], 1), most, text.notes)
    delimiter = max(_DELIMITERS, key=lambda one: header_likeliness(list(islice(_rows(lines, one), HEADER_WITHIN))))
    return find_table(_rows(lines, delimiter), most, text.notes)


def header_likeliness(rows: Sequence[SourceRow]) -> tuple[int, int]:
    """Return how many known names, and how many names, the likeliest header row has."""
    named = [row for row in rows if _names(row) > 1]
    return max(((_known(row), _names(row)) for row in named), default=(0, 0))


def _header_at(top: Sequence[SourceRow]) -> int:
    """Return the index of the header: the first row with about the most known names."""
    wide = [row for row in top if _names(row) > 1]
    # A row with an address is a lead's: "Website" and "Restaurant" in it are values.
    possible = [row for row in wide if not any(map(_ADDRESS.fullmatch, row.cells))] or wide
    known = [_known(row) if row in possible else -1 for row in top]
    best, widest = max(known, default=-1), max(map(_names, top), default=0)
    if best < 0:
        raise UnreadableTable(f"None of the first {HEADER_WITHIN} lines is a header that names at least two columns.")
    # A title such as "Exported by:,Ana" has two cells, and a cell may equal a column's name.
    likely = (at for at, row in enumerate(top) if 2 * max(known[at], 0) >= best and 5 * _names(row) >= 3 * widest)
    return next((at for at in likely if known[at] >= 0), known.index(best))


def _known(row: SourceRow) -> int:
    return sum(is_known_header(clean_cell(cell)) for cell in row.cells[:_COLUMNS_MAX])


def _rows(lines: Sequence[str], delimiter: str, at: int = 0) -> Iterator[SourceRow]:
    while at < len(lines):
        plain = tuple(lines[at].rstrip("\r\n").split(delimiter))
        row, used = (SourceRow(at + 1, plain), 1) if '"' not in lines[at] else _quoted(lines, at, delimiter)
        # The lines that an open quote would swallow become rows of their own.
        yield row or SourceRow(at + 1, plain, _BROKEN, loose=_loose(lines[at], delimiter))
        at += used


def _quoted(lines: Sequence[str], at: int, delimiter: str) -> tuple[SourceRow | None, int]:
    """Return the row that starts at a line, and its lines; None if quotes are broken."""
    reader = csv.reader(lines[at : at + _LINES_OF_A_ROW], delimiter=delimiter, strict=True)
    try:
        return SourceRow(at + 1, tuple(next(reader))), reader.line_num
    except csv.Error:
        return None, 1


def _loose(line: str, delimiter: str) -> tuple[str, ...]:
    try:
        return tuple(next(csv.reader([line], delimiter=delimiter)))
    except csv.Error:
        return ()


def _names(row: SourceRow) -> int:
    return sum(bool(cell.strip()) for cell in row.cells)


def _trimmed(cells: tuple[str, ...]) -> tuple[str, ...]:
    end = len(cells)
    while end and not cells[end - 1]:
        end -= 1
    return cells[:end]


def _checked(row: SourceRow, columns: int) -> SourceRow:
    """Return the row with clean cells; broken quotes are fine if the number of cells fits."""
    if row.fault:
        fits = next((cells for cells in (row.loose, row.cells) if len(cells) == columns), None)
        if fits is None:
            return replace(row, cells=_cleaned(row.cells[:_COLUMNS_MAX]))
        return SourceRow(row.line, tuple(clean_cell(cell.strip('"')) for cell in fits), remark=_BROKEN)
    cells = _cleaned(row.cells[:_COLUMNS_MAX])
    longer = any(cells[columns:]) or any(row.cells[_COLUMNS_MAX:])
    return SourceRow(row.line, cells, remark=_LONGER if longer else None)


def _cleaned(cells: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(clean_cell, cells))


def _headers(header: tuple[str, ...], rows: Sequence[SourceRow]) -> tuple[str, ...]:
    """Return the names of all columns that have a name or a cell; unnamed ones get a number."""
    width = min(max((len(_trimmed(row.cells)) for row in rows), default=0), _COLUMNS_MAX)
    names = (*header, *[""] * (width - len(header)))
    if "" not in names:
        return _distinct(names)
    filled = {at for row in rows for at, cell in enumerate(row.cells) if cell}
    return _distinct(name or (f"column {at + 1}" if at in filled else "") for at, name in enumerate(names))


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    distinct: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} ({number})" for number in range(2, _COLUMNS_MAX + 2))
        distinct[next(one for one in chain((name,), numbered) if one not in distinct)] = None
    return tuple(distinct)


def _without_footer(rows: list[SourceRow], columns: int) -> tuple[list[SourceRow], tuple[str, ...]]:
    """Return the rows without report footers such as "Total: 12", and a note."""
    end = len(rows)
    while end > max(0, len(rows) - _FOOTER_WITHIN) and columns > 2 and _is_footer(rows[end - 1]):  # noqa: PLR2004
        end -= 1
    if end == len(rows):
        return rows, ()
    lines = ", ".join(str(row.line) for row in rows[end:])
    return rows[:end], (f"left out the file's footer: line {lines}",)


def _is_footer(row: SourceRow) -> bool:
    text = row.cells[0]
    return bool(text) and not any(row.cells[1:]) and "@" not in text and bool(_FOOTER.match(text))
