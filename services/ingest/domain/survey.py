"""Count what looks wrong in a whole file or batch, over its judged lines. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from schemas.captures import is_email
from services.ingest.domain.columns.meanings import ColumnOrigin
from services.ingest.domain.lenient import NAMES, NOBODY, WHOLE
from services.ingest.domain.lines import UNKEPT, JudgedLine, RejectedLine, Terms, ValidLine
from services.ingest.domain.tables.table import SourceRow, SourceTable
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.values.consent_answers import doubtful_in
from services.ingest.domain.values.vocabulary import is_nothing
from shared.domain.identity.normal_forms import NOT_GIVEN, email_key

_SHOWN = 3
_LISTED = 8
_LINES_OF_A_REASON = 5
_SAMPLE = 50
NAMING = frozenset({"contact.name", *NAMES})
REACHING = frozenset({"contact.email", "contact.phone"})
"""The paths of addresses and numbers; like `NAMING`, a row needs one of them."""
_CHANNELS = {"consent.email": "e-mail", "consent.phone": "calls"}
_CALLED = {"contact.firstName": "first name", "contact.lastName": "last name", "company.name": "company"}


@dataclass(slots=True)
class SharedIdentifier:
    """The rows that share one address or number, and whether their names differ.

    `line` and `name` are the first row's.
    """

    rows: int
    line: int
    name: int
    differs: bool = False


@dataclass(slots=True)
class CellCounts:
    """Counts of one column's cells: filled, not understood, costing their row, placeholders."""

    filled: int = 0
    unread: int = 0
    refused: int = 0
    placeholders: int = 0


@dataclass(slots=True)
class RejectedRows:
    """Why rows are rejected: how many, the first lines, and a sample."""

    rows: int = 0
    lines: list[int] = field(default_factory=list)
    sample: list[SourceRow] = field(default_factory=list)


@dataclass(slots=True)
class Survey:
    """The counts over all added lines."""

    terms: Terms
    rows: int = 0
    warned: int = 0
    rejected: int = 0
    defaulted: int = 0
    reasons: dict[str, RejectedRows] = field(default_factory=dict)
    columns: dict[str, CellCounts] = field(default_factory=dict)
    warnings: Counter[tuple[str, str]] = field(default_factory=Counter)
    _emails: dict[str, SharedIdentifier] = field(default_factory=dict)
    _phones: dict[str, SharedIdentifier] = field(default_factory=dict)
    _missing: Counter[str] = field(default_factory=Counter)
    _placeholders: int = 0
    _unkept: Counter[str] = field(default_factory=Counter)

    @property
    def leads(self) -> int:
        """How many lines make events."""
        return self.rows - self.rejected

    def add(self, line: JudgedLine, table: SourceTable | None = None, row: SourceRow | None = None) -> None:
        """Count one judged line and the row it came from."""
        self.rows += 1
        if table and row:
            self._count_cells(table, row)
        if isinstance(line, RejectedLine):
            self._count_rejected(line, row)
        else:
            self._count_valid(line)

    def _count_cells(self, table: SourceTable, row: SourceRow) -> None:
        for header, cell in zip(table.headers, row.cells, strict=False):
            if cell and not is_nothing(cell):
                self.columns.setdefault(header, CellCounts()).filled += 1

    def _count_rejected(self, line: RejectedLine, row: SourceRow | None) -> None:
        self.rejected += 1
        self._unkept.update(one.message for one in line.unkept)
        self._placeholders += any(one.message == NOBODY for one in line.errors)
        for one in line.errors:
            if one.path != WHOLE:
                tally = self.columns.setdefault(one.path, CellCounts())
                tally.refused += 1
                tally.placeholders += one.message == NOBODY
        reason = self.reasons.setdefault(reason_of(line), RejectedRows())
        reason.rows += 1
        if len(reason.lines) < _LINES_OF_A_REASON:
            reason.lines.append(line.line)
        if row and len(reason.sample) < _SAMPLE:
            reason.sample.append(row)

    def _count_valid(self, line: ValidLine) -> None:
        self.warned += bool(line.warnings)
        self.defaulted += line.defaulted
        for one in line.warnings:
            self.warnings[one.path, one.message] += 1
            if one.unread:
                tally = self.columns.setdefault(one.path, CellCounts())
                tally.unread += 1
                tally.placeholders += NOBODY in one.message
        contact, company = line.capture.contact, line.capture.company
        names = dict(zip(NAMES, (contact.first_name, contact.last_name, company.name), strict=True))
        self._missing.update(path for path, name in names.items() if name == NOT_GIVEN)
        name = hash((contact.first_name.casefold(), contact.last_name.casefold()))
        self._placeholders += any(NOBODY in one.message for one in line.warnings)
        _share(self._emails, email_key(contact.email), line.line, name)
        _share(self._phones, "".join(filter(str.isdecimal, contact.phone or "")), line.line, name)

    def remarks(self, table: SourceTable | None = None, reading: TableReading | None = None) -> list[str]:
        """Return what looks wrong in the whole, as sentences, worst first; they quote no cell."""
        return [
            *(_wrong_file(reading) if reading and table and table.rows else ()),
            *self.unkept(),
            *(_undecided(reading) if reading else ()),
            *(_amounts(reading) if reading else ()),
            *(_letters(reading) if reading else ()),
            *_shared(self._emails, "address"),
            *_shared(self._phones, "phone number"),
            *self._placeholder_remarks(),
            *(self._column_remarks(reading) if reading and self.rows else ()),
            *(f"{_rows(rows)} no {_CALLED[path]}: {NOT_GIVEN} is in its place" for path, rows in self._missing.items()),
            *(table.notes if table else ()),
        ]

    def unkept(self) -> Iterable[str]:
        """Yield how many rejected lines state a no, what becomes of it, and what to do."""
        for path, message in UNKEPT.items():
            if rows := self._unkept[message]:
                one = rows == 1
                yield (
                    f"{'1 rejected row refuses' if one else f'{rows} rejected rows refuse'} {_CHANNELS[path]}, and"
                    f" {'its' if one else 'their'} no is not kept. Give each a name, of a person or a company, and an"
                    " address or phone number that can be used. Then send it again"
                )

    def _placeholder_remarks(self) -> Iterable[str]:
        if self._placeholders:
            yield (f"{_rows(self._placeholders)} a placeholder for an address or phone number: it counts as missing")

    def _column_remarks(self, reading: TableReading) -> Iterable[str]:
        empty = [one.header for one in reading.columns if one.path and not self._tally(one.header).filled]
        if empty:
            yield f"{_of_columns(empty)} empty: {_listed(empty)}"
        for one in reading.columns:
            tally = self._tally(one.header)
            unread = tally.unread + tally.refused - tally.placeholders
            if one.origin is not ColumnOrigin.KEPT and 2 * unread > tally.filled:
                yield f"most cells of {one.header!r} are not understood: {unread} of {tally.filled}"
            if one.origin is ColumnOrigin.ASKED and tally.filled:
                yield (
                    f"{one.header!r} may be about consent, and is not used: only you know what it means."
                    " Call it 'Email Consent', or 'Email Opt Out' if a yes means no"
                )
            if one.origin is ColumnOrigin.GUESSED:
                yield f"{one.header!r} looks like {one.path} and is read as that: check it"

    def _tally(self, header: str) -> CellCounts:
        return self.columns.get(header) or CellCounts()


def reason_of(line: RejectedLine) -> str:
    """Return why a line is rejected, in plain words."""
    return "; ".join(one.message if one.path == WHOLE else f"{one.path} {one.message}" for one in line.errors)


def whole_reason_of(line: RejectedLine) -> str:
    """Return why a line is rejected and which refusals of consent are lost with it."""
    return "; ".join([reason_of(line), *(one.message for one in line.unkept)])


def _share(seen: dict[str, SharedIdentifier], key: str | None, line: int, name: int) -> None:
    if not key:
        return
    there = seen.get(key)
    if there is None:
        seen[key] = SharedIdentifier(1, line, name)
    else:
        there.rows += 1
        there.differs |= there.name != name


def _shared(seen: dict[str, SharedIdentifier], what: str) -> Iterable[str]:
    joined = ": they may become one lead" if what == "address" else ""
    found = sorted((one for one in seen.values() if one.differs), key=lambda one: -one.rows)
    for one in found[:_SHOWN]:
        yield f"one {what} on {one.rows} rows with different names{joined}; the first is line {one.line}"
    if len(found) > _SHOWN:
        rest = len(found) - _SHOWN
        many = {"address": "addresses", "phone number": "phone numbers"}[what]
        yield f"{rest} more {what if rest == 1 else many} on rows with different names"


def names_no_columns(reading: TableReading) -> bool:
    """Return whether the header line is really a row: an address is no column name."""
    return any(is_email(column.header) for column in reading.columns)


def _wrong_file(reading: TableReading) -> Iterable[str]:
    if names_no_columns(reading):
        yield "the header looks like a row, and is not read as one: put the columns' names above it"
    paths = {column.path for column in reading.columns}
    if not paths & NAMING:
        yield "no column has a person's or a company's name: no row can be used"
    if not paths & REACHING:
        yield "no column has an e-mail address or a phone number: no row can be used"


def _undecided(reading: TableReading) -> Iterable[str]:
    if reading.undecided:
        yield (
            f"the dates of {_listed(reading.undecided)} may have the day or the month first, and none shows which:"
            " they are not read"
        )


def _amounts(reading: TableReading) -> Iterable[str]:
    unclear = [header for header, mark in reading.decimals.items() if mark is None]
    if unclear:
        yield f"amounts such as 1.234 in {_listed(unclear)} are read as 1234, because no other amount has decimals"


def _letters(reading: TableReading) -> Iterable[str]:
    for one in reading.columns:
        letters = [] if one.negated else doubtful_in(one.answers)
        if letters:
            yield (f"{_listed(letters)} in {one.header!r} may be yes or no, and counts as no answer: write yes or no")


def _rows(number: int) -> str:
    return f"{number} row has" if number == 1 else f"{number} rows have"


def _of_columns(headers: Sequence[str]) -> str:
    return "1 column is" if len(headers) == 1 else f"{len(headers)} columns are"


def _listed(headers: Sequence[str]) -> str:
    more = len(headers) - _LISTED
    return ", ".join(map(repr, headers[:_LISTED])) + (f" and {more} more" if more > 0 else "")
