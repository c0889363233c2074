"""Tables as exhibitors' tools export them: a header somewhere on top, then rows. All is pure."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

_DELIMITERS = ",;\t"
_COLUMNS_MAX = 200
_HEADER_WITHIN = 20
# A quote that is never closed would swallow the rest of the file: a row of more lines is one with such a quote.
_LINES_OF_A_ROW = 100
_BROKEN = "has a quote that is not closed, text after a closing quote, or a cell of more than 128 KiB"
_BOM_16 = (b"\xff\xfe", b"\xfe\xff")


class Unreadable(Exception):  # noqa: N818 - the sender's mistake, told in a sentence
    """No line of it can be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of one row and the number of its first line, from 1; `fault` says what is wrong with it as a whole."""

    line: int
    cells: tuple[str, ...]
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A header, no two names of which are equal, and the rows below that are not blank."""

    headers: tuple[str, ...]
    rows: Sequence[Row]

    def cells(self, row: Row) -> dict[str, str]:
        """The row's cells by header."""
        return dict(zip(self.headers, row.cells, strict=False))


def table_of(rows: Iterable[Row], most: int | None = None) -> Table:
    """The table in these rows, up to `most` below its header: the first of the top rows that names two columns.

    Raises `Unreadable`.
    """
    rows = iter(rows)
    for row in islice(rows, _HEADER_WITHIN):
        if _names(row) > 1:
            if len(row.cells) > _COLUMNS_MAX:
                raise Unreadable(f"The header has more than {_COLUMNS_MAX} columns.")
            headers = _distinct(row.cells)
            filled = (one for one in rows if _names(one))
            return Table(headers, [_checked(one, len(headers)) for one in islice(filled, most)])
    raise Unreadable(f"None of the first {_HEADER_WITHIN} lines is a header that names at least two columns.")


def read_csv(body: bytes, most: int | None = None) -> Table:
    """The table in a CSV file, its cells divided by comma, semicolon or tab; `most` rows of it. Raises `Unreadable`.

    The text is UTF-8, or UTF-16 if it begins with a byte order mark, or else Windows-1252.
    """
    lines = io.StringIO(_text(body), newline="").readlines()
    delimiter = max(_DELIMITERS, key=lambda one: _width(islice(_rows(lines, one), _HEADER_WITHIN)))
    return table_of(_rows(lines, delimiter), most)


def _text(body: bytes) -> str:
    for encoding in ("utf-16",) if body.startswith(_BOM_16) else ("utf-8-sig", "cp1252"):
        try:
            return body.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable("The text is neither UTF-8 nor Windows-1252.")


def _rows(lines: Sequence[str], delimiter: str) -> Iterator[Row]:
    at = 0
    while at < len(lines):
        plain = tuple(lines[at].rstrip("\r\n").split(delimiter))
        row, used = (Row(at + 1, plain), 1) if '"' not in lines[at] else _quoted(lines, at, delimiter)
        # The lines that an open quote would swallow are rows of their own.
        yield row or Row(at + 1, plain, _BROKEN)
        at += used


def _quoted(lines: Sequence[str], at: int, delimiter: str) -> tuple[Row | None, int]:
    """The row that begins at a line, and how many lines it has; None for one with broken quotes."""
    reader = csv.reader(lines[at : at + _LINES_OF_A_ROW], delimiter=delimiter, strict=True)
    try:
        return Row(at + 1, tuple(next(reader))), reader.line_num
    except csv.Error:
        return None, 1


def _width(rows: Iterable[Row]) -> int:
    return next((names for names in map(_names, rows) if names > 1), 0)


def _names(row: Row) -> int:
    return sum(bool(cell.strip()) for cell in row.cells)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    distinct: dict[str, None] = {}
    for name in names:
        numbered = (f"{name} ({number})" for number in range(2, _COLUMNS_MAX + 2))
        distinct[next(one for one in chain((name,), numbered) if one not in distinct)] = None
    return tuple(distinct)


def _checked(row: Row, columns: int) -> Row:
    if row.fault is None and any(map(str.strip, row.cells[columns:])):
        return Row(row.line, row.cells, "has more cells than the header")
    return row
