"""Turn one row of cells into a capture in wire form, by its columns. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, tzinfo

from schemas.attributes import Attribute, AttributeType
from schemas.lead import CompanySize, Source
from services.ingest.domain.columns.header_text import clean_header
from services.ingest.domain.columns.meanings import ALIASES, CONSENT, ColumnOrigin, SourceColumn
from services.ingest.domain.draft import DOUBTED
from services.ingest.domain.tables.table_reading import AMOUNTS, TableReading
from services.ingest.domain.values import blanks, consent_answers, moment_reading
from services.ingest.domain.values.amounts import parse_amount
from services.ingest.domain.values.vocabulary import is_nothing

LISTS = frozenset({"requirements.decisionMakers", "requirements.painPoints"})
"""Paths of lists: every column of such a path adds entries."""
CONSENTS = frozenset({"consent.email", "consent.phone"})
# A date of agreement is not the date of a refusal.
_DAY_OF_A_YES = re.compile(r"\bopt(?:ed|s)?[ -]?in|subscri|abonn|suscri|iscri|erteilt")
_INSTEAD = {
    "contact.firstName": "contact.name",
    "contact.lastName": "contact.name",
    "context.consentWording": "consent.wording",
    "time": "date",
}
_READERS: dict[str, Callable[[str], object]] = {
    "source": lambda text: blanks.match_choice(text, list(Source)),
    "company.size": lambda text: blanks.match_choice(text, list(CompanySize)),
    "requirements.decisionMakers": blanks.split_list,
    "requirements.painPoints": blanks.split_list,
}


@dataclass(frozen=True, slots=True)
class SpareCell:
    """A filled cell that its path does not use: another column won, or it states no yes or no."""

    header: str
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class RowCapture:
    """What one row states: the capture in wire form, and the event's `id` and `time` if any.

    `time` is ISO 8601.
    """

    data: dict[str, object]
    id: str | None
    time: str | None
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The column that each path was read from."""
    spare: tuple[SpareCell, ...] = field(default=(), compare=False)
    refused: tuple[str | None, ...] = field(default=(), compare=False)
    """When each refusal began that the file shows as a state, as "Email Opt Out" does.

    None: no cell says when.
    """


_Filled = tuple[SourceColumn, str]
_Read = tuple[SourceColumn, str | bool | None]


def capture_of(
    cells: Mapping[str, str], reading: TableReading, default_source: str | None, zone: tzinfo = UTC
) -> RowCapture:
    """Return the capture that one row's cells, by header, state; blanks state nothing.

    Of several columns of one path the first filled one wins, and columns that the user mapped come first. Lists take
    the entries of all columns. For consent a no wins. Moments without a zone are in `zone`. Nothing is refused here: a
    value that isn't understood stays unchanged.
    """
    filled = _filled(cells, reading.columns)
    read = {path: _read(path, of_path) for path, of_path in filled.items()}
    values: dict[str, object] = {path: value for path, (_, value) in read.items() if value is not None}
    headers = {path: column.header for path, (column, _) in read.items()}
    spare = tuple(one for path, of_path in filled.items() for one in _spare(path, of_path))
    orders = {path: reading.dates.get(header) for path, header in headers.items()}
    event_id = _popped(values, "id") or None
    time, date, whole = (_popped(values, path) for path in ("time", "date", "contact.name"))
    first, last = _names(whole, values)
    otherwise = {"contact.firstName": first, "contact.lastName": last, "source": default_source}
    values = {path: text for path, text in otherwise.items() if text} | values
    if whole and not _is_used(whole, values):
        spare = (*spare, SpareCell(headers["contact.name"], "contact.name", whole))
    for path in AMOUNTS & values.keys():
        number = parse_amount(_text(values, path), reading.decimals.get(headers[path]))
        values[path] = values[path] if number is None else number
    if date and time and not moment_reading.is_time(time, orders.get("time")):
        spare = (*spare, SpareCell(headers["time"], "time", time))
    for path, (column, _) in read.items():
        if column.attribute and (text := _text(values, path)):
            known = column.attribute, reading.decimals.get(column.header), reading.dates.get(column.header)
            values[path] = _attribute_value(text, *known)
    refused = _refusal_dates(filled, read, headers.get("consent.capturedAt", ""), zone)
    if given := _text(values, "consent.capturedAt"):
        spare = (*spare, SpareCell(headers["consent.capturedAt"], "consent.capturedAt", given)) if refused else spare
        values["consent.capturedAt"] = moment_reading.parse_moment(given, zone, orders["consent.capturedAt"]) or given
    at = moment_reading.combine_moment(date, time, zone, (orders.get("date"), orders.get("time")))
    return RowCapture(_nested(values), event_id, at or f"{date} {time}".strip() or None, headers, spare, refused)


def date_refusals(consent: Mapping[str, object], refused: Sequence[str | None], now: datetime) -> dict[str, object]:
    """Return the consent of a row whose refusals are a state at the time of its file, `now`.

    The consent is never older than these refusals. A yes beside them gets no date, since none would be reliable.
    """
    latest = max(min(datetime.fromisoformat(since), now) if since else now for since in refused)
    undated = {"dated": False} if True in (consent.get("email"), consent.get("phone")) else {}
    return {**consent, "capturedAt": latest.isoformat(), **undated}


def without_agreement(cells: RowCapture, texts: Mapping[str, str]) -> RowCapture:
    """Return the consent without a yes; the text that states it is kept."""
    consent = cells.data.get("consent")
    if not isinstance(consent, dict):
        return cells
    agreed = {cells.headers[path] for path in CONSENTS if consent.get(path.removeprefix("consent.")) is True}
    if not agreed:
        return cells
    left = {name: value for name, value in consent.items() if value is not True}
    spare = (SpareCell(header, DOUBTED, texts[header]) for header in sorted(agreed))
    return replace(cells, data={**cells.data, "consent": left}, spare=(*cells.spare, *spare))


def without_nothing(cells: Mapping[str, str], columns: Sequence[SourceColumn]) -> dict[str, str]:
    """Return the filled cells that a column reads, without words for nothing and without NUL."""
    clean = ((column, cells.get(column.header, "").replace("\0", "").strip()) for column in columns)
    return {column.header: text for column, text in clean if text and not is_nothing(text, column.path or "")}


def _text(values: Mapping[str, object], path: str) -> str:
    found = values.get(path)
    return found if isinstance(found, str) else ""


def _popped(values: dict[str, object], path: str) -> str:
    text = _text(values, path)
    values.pop(path, None)
    return text


def _attribute_value(text: str, of: Attribute, decimal: str | None, order: moment_reading.DateOrder | None) -> object:
    """Return the value that a cell states; the text if it is not understood."""
    if of.type is AttributeType.NUMBER:
        number = parse_amount(text, decimal)
        return text if number is None else number
    if of.type is AttributeType.DATE:
        moment = moment_reading.parse_moment(text, order=order)
        return moment.partition("T")[0] if moment else text
    if of.type is AttributeType.BOOLEAN:
        return consent_answers.read_answer(text, negated=False)
    return blanks.match_choice(text, of.choices)


def _names(whole: str, values: Mapping[str, object]) -> tuple[str, str]:
    """Split a whole name into first and last; drop a lone word that is already the last name."""
    first, last = blanks.split_name(whole)
    known = not last and blanks.spelling_key(first) == blanks.spelling_key(_text(values, "contact.lastName"))
    return ("", "") if known else (first, last)


def _is_used(whole: str, values: Mapping[str, object]) -> bool:
    """Return whether first and last name contain every word of the whole name."""
    named = {blanks.spelling_key(_text(values, path)) for path in ("contact.firstName", "contact.lastName")}
    return all(any(blanks.spelling_key(word) in name for name in named) for word in whole.split())


def _filled(cells: Mapping[str, str], columns: Sequence[SourceColumn]) -> dict[str, list[_Filled]]:
    filled: dict[str, list[_Filled]] = {}
    for column in sorted(columns, key=lambda one: one.origin is not ColumnOrigin.GIVEN):
        if text := cells.get(column.header, "").strip():
            for path in sorted(CONSENTS) if column.path == CONSENT else filter(None, [column.path]):
                filled.setdefault(path, []).append((column, text))
    return filled


def _read(path: str, filled: Sequence[_Filled]) -> _Read:
    """Return the column that wins for one path, and its value; None if it states nothing."""
    first, text = filled[0]
    if path in CONSENTS:
        stated = [(column, _read_consent(column, cell)) for column, cell in filled]
        # Of a yes and a no in one row the no wins. Text that isn't understood counts only without either.
        winner = (one for wanted in (False, True) for one in stated if one[1] is wanted)
        unread = (one for one in stated if isinstance(one[1], str))
        return next(winner, None) or next(unread, (first, None))
    return first, "\n".join(cell for _, cell in filled) if path in LISTS else text


def _read_consent(column: SourceColumn, text: str) -> bool | str | None:
    return consent_answers.read_answer(text, negated=column.negated, column=column.answers)


def _refusal_dates(
    filled: Mapping[str, Sequence[_Filled]], read: Mapping[str, _Read], day_of: str, zone: tzinfo
) -> tuple[str | None, ...]:
    """Return when the refusals began that the file shows as a state; None where it is unknown.

    `day_of` is the header of the column of consent dates.
    """
    of_a_yes = bool(_DAY_OF_A_YES.search(clean_header(day_of)))
    cells = [one for path in CONSENTS & read.keys() if read[path][1] is False for one in filled[path]]
    return tuple(
        moment_reading.parse_moment(text, zone) if column.negated else None
        for column, text in cells
        if _read_consent(column, text) is False and (column.negated or of_a_yes or consent_answers.is_state(text))
    )


def _spare(path: str, filled: Sequence[_Filled]) -> list[SpareCell]:
    if path in LISTS:
        return []
    if path in CONSENTS:
        understood = any(isinstance(_read_consent(*one), bool) for one in filled)
        unread = [one for one in filled if isinstance(_read_consent(*one), str)]
        return [SpareCell(column.header, path, text) for column, text in (unread if understood else unread[1:])]
    counts = filled[0][1].casefold()
    return [SpareCell(column.header, path, text) for column, text in filled[1:] if text.casefold() != counts]


def _nested(found: Mapping[str, object]) -> dict[str, object]:
    data: dict[str, object] = {}
    sections: dict[str, dict[str, object]] = {}
    for path, cell in found.items():
        section, _, name = ALIASES.get(path, path).partition(".")
        reader = _READERS.get(path)
        value = reader(cell) if reader and isinstance(cell, str) else cell
        if name:
            data[section] = part = sections.setdefault(section, {})
            part[name] = value
        else:
            data[section] = value
    return data


def column_of(path: str, columns: Sequence[SourceColumn], headers: Mapping[str, str] | None = None) -> str:
    """Return the header of the column that `path` is read from, else `path` itself.

    An entry of `headers` wins over `columns`.
    """
    known = {column.path: column.header for column in reversed(columns)} | dict(headers or {})
    place = path
    while place:
        for target in (place, _INSTEAD.get(place, place)):
            if target in known:
                return known[target]
        place = place.rpartition(".")[0]
    return path
