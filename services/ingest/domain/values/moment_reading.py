"""Read dates and times as people and tools write them; what is unclear stays unread. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum

from services.ingest.domain.values.moment_words import FILLERS, MONTHS, WEEKDAYS, ZONES

# No moment is longer, and some of these patterns take quadratic time.
_LONGEST = 80
_YEARS = range(1970, 2200)
_ISO = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,]\d{1,9})?)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?")
_NUMERIC = re.compile(r"(?<![\d./-])(\d{1,2})([-/.])(\d{1,2})\2(\d{4}|\d\d)(?!\d|[./-]\d)")
_YEAR_FIRST = re.compile(r"(\d{4})([-/.])(\d{1,2})\2(\d{1,2})\.?")
_HALF = r"(?P<half>[ap])\.?\s?(?:m\b\.?|(?![a-z]))"
_CLOCKS = tuple(
    re.compile(rf"(?<![\d.:/-])(?P<hour>\d{{1,2}}){rest}")
    for rest in (
        rf"[:h](?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,]\d{{1,9}})?)?(?!\d)(?:\s*{_HALF})?(?:\s*(?:uhr|uur|hrs?|h)\b)?",
        rf"\s*{_HALF}",
        r"(?:\.(?P<minute>\d\d))?\s*(?:uhr|uur|h)\b",
        r"(?<=\s\d)\.(?P<minute>\d\d)(?:\.(?P<second>\d\d))?$",
        r"(?<=\s\d\d)\.(?P<minute>\d\d)(?:\.(?P<second>\d\d))?$",
    )
)
_ZONE = re.compile(
    r"\s*(?:(?:utc|gmt)?(?P<sign>[+-])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?(?![\d./-])|\(?(?P<name>[a-z]{1,4})\b\)?)"
)
_SERIAL = re.compile(r"\d{5}(?:[.,]\d+)?")
_SERIALS = (20_000, 80_000)
_DAY_PART = re.compile(r"0(?:[.,]\d+)?")
_SERIAL_ZERO = datetime(1899, 12, 30)  # noqa: DTZ001 - spreadsheets know no zone


_BESIDES = WEEKDAYS | FILLERS


class DateOrder(StrEnum):
    """Which part of a date such as 03/04/2026 is its day."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


@dataclass(frozen=True, slots=True)
class _Votes:
    """What the dates of one column show; `needed`: one of them can be read in two ways."""

    day_first: int = 0
    month_first: int = 0
    dotted: int = 0
    needed: bool = False

    @property
    def order(self) -> DateOrder | None:
        if self.day_first != self.month_first:
            return DateOrder.DAY_FIRST if self.day_first > self.month_first else DateOrder.MONTH_FIRST
        # In dates with dots the day usually comes first.
        return DateOrder.DAY_FIRST if self.dotted and not self.day_first else None


def order_of(texts: Iterable[str]) -> DateOrder | None:
    """Return the date order that most dates with a part above 12 show; None if none does."""
    return _votes(texts).order


def orders_of(
    wanted: Mapping[str, Sequence[str]], others: Mapping[str, Sequence[str]], given: DateOrder | None = None
) -> dict[str, DateOrder | None]:
    """Return the date order of each wanted column that needs one; None: only the user knows.

    The user's order wins, then what the column shows, then what all other date columns show, if they agree.
    """
    votes = {header: _votes(cells) for header, cells in wanted.items()}
    needed = {header: given or found.order for header, found in votes.items() if found.needed}
    if None not in needed.values():
        return needed
    orders = {found.order for found in votes.values()} | {
        _votes(cells).order for cells in others.values() if _dates(cells)
    }
    shown = orders - {None}
    common = shown.pop() if len(shown) == 1 else None
    # Dates that contradict each other are evidence: another column can't decide for them.
    return {header: order or (None if votes[header].day_first else common) for header, order in needed.items()}


def _dates(cells: Sequence[str]) -> bool:
    filled = [cell.strip() for cell in cells if cell.strip()]
    return bool(filled) and 2 * sum(bool(_NUMERIC.match(cell)) for cell in filled) >= len(filled)


def _votes(texts: Iterable[str]) -> _Votes:
    day_first = month_first = dotted = 0
    needed = False
    for text in texts:
        found = _NUMERIC.search(text[:_LONGEST])
        if found is None or found[1] == found[3]:
            continue
        first, second = int(found[1]), int(found[3])
        needed = True
        day_first += 31 >= first > 12 >= second  # noqa: PLR2004 - days and months
        month_first += 31 >= second > 12 >= first  # noqa: PLR2004
        dotted += found[2] == "."
    return _Votes(day_first, month_first, dotted, needed)


def parse_moment(text: str, zone: tzinfo = UTC, order: DateOrder | None = None) -> str | None:
    """Return the date and time in ISO 8601; None if unclear or of unknown order.

    A moment without a zone is in `zone`. A number is a spreadsheet's count of days since 1899-12-30, or no moment.
    """
    found = _read(text, order)
    if found is None or found.day is None:
        return None
    return _joined(found.day, found.clock or time(), zone)


def with_plain_day(text: str, order: DateOrder) -> str:
    """Return the moment with a day such as 03/04/2026 in ISO 8601; unclear text stays."""
    found = _NUMERIC.search(text[:_LONGEST])
    meant = parse_moment(text, order=order)
    if found is None or meant is None:
        return text
    day = _numeric(found[0], order)
    plain = f"{text[: found.start()]}{day}{text[found.end() :]}"
    return plain if parse_moment(plain) == meant else text


def combine_moment(
    date_cell: str, time_cell: str, zone: tzinfo = UTC, orders: tuple[DateOrder | None, DateOrder | None] = (None, None)
) -> str | None:
    """Return the moment in two cells; either may be blank, and the time may contain a date."""
    day, clock = _read(date_cell, orders[0]), _read(time_cell, orders[1]) or _part_of_day(time_cell)
    if clock and clock.day:
        return _joined(clock.day, clock.clock or time(), zone)
    if day is None or day.day is None:
        return None
    return _joined(day.day, (clock and clock.clock) or day.clock or time(), zone)


def is_time(text: str, order: DateOrder | None = None) -> bool:
    """Return whether the cell beside a date states a time, or a moment of its own."""
    return (_read(text, order) or _part_of_day(text)) is not None


def _joined(day: date, clock: time, zone: tzinfo) -> str | None:
    if day.year not in _YEARS:
        return None
    return datetime.combine(day, clock, clock.tzinfo or zone).isoformat()


@dataclass(frozen=True, slots=True)
class _Found:
    day: date | None
    clock: time | None


def _read(text: str, order: DateOrder | None) -> _Found | None:
    text = text.strip()
    if not text or len(text) > _LONGEST:
        return None
    try:
        if _ISO.fullmatch(text):
            return _of(datetime.fromisoformat(text))
        if _SERIAL.fullmatch(text):
            return _of(_serial(float(text.replace(",", "."))))
        return _written(text, order)
    except (ValueError, OverflowError):
        return None


def _of(moment: datetime) -> _Found:
    return _Found(moment.date(), moment.timetz())


def _serial(days: float) -> datetime:
    if not _SERIALS[0] <= days < _SERIALS[1]:
        raise ValueError(days)
    return _SERIAL_ZERO + timedelta(seconds=round(days * 86_400))


def _part_of_day(text: str) -> _Found | None:
    if not _DAY_PART.fullmatch(text.strip()[:_LONGEST]):
        return None
    return _Found(None, (_SERIAL_ZERO + timedelta(seconds=round(float(text.replace(",", ".")) * 86_400))).time())


def _written(text: str, order: DateOrder | None) -> _Found | None:
    """Return the date and time in words. Raises `ValueError` for an impossible day or hour."""
    plain = _simple(text)
    clock, rest = _clock(plain)
    rest = rest.strip(" ,;")
    if not rest:
        return _Found(None, clock) if clock else None
    day = _numeric(rest, order) or _worded(rest)
    return _Found(day, clock) if day else None


def _simple(text: str) -> str:
    """Return the text without case and accents, with one space between date and time."""
    letters = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(one for one in letters if not unicodedata.combining(one))
    plain = re.sub(r"(?<=\d)t(?=\d)|\s-\s|\s+", " ", plain)
    return re.sub(r"(?<=\d)\s?([./])\s(?=\d)", r"\1", plain)


def _clock(text: str) -> tuple[time | None, str]:
    """Return the time in a text, and the text without it."""
    found = next(filter(None, (clock.search(text) for clock in _CLOCKS)), None)
    if found is None:
        return None, text
    parts = found.groupdict()
    hour, half = int(parts["hour"]), parts.get("half")
    if half:
        hour = _of_day(hour, half)
    zone, after = _zone(text[found.end() :])
    clock = time(hour, int(parts.get("minute") or 0), int(parts.get("second") or 0), tzinfo=zone)
    return clock, f"{text[: found.start()]} {after}"


def _of_day(hour: int, half: str) -> int:
    if half == "a" and hour > 12:  # noqa: PLR2004 - half a day
        raise ValueError(hour)
    # Some tools write "14:30 PM".
    return hour if hour > 12 else hour % 12 + (12 if half == "p" else 0)  # noqa: PLR2004


def _zone(after: str) -> tuple[tzinfo | None, str]:
    found = _ZONE.match(after)
    if found is None or (found["name"] and found["name"] not in ZONES):
        return None, after
    rest = re.sub(r"^\s*\([a-z ]*\)", "", after[found.end() :])
    if found["name"]:
        return timezone(timedelta(hours=ZONES[found["name"]])), rest
    ahead = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
    return timezone(ahead if found["sign"] == "+" else -ahead), rest


def _numeric(text: str, order: DateOrder | None) -> date | None:
    text = " ".join(word for word in text.split() if word.strip(".,") not in _BESIDES)
    if found := _YEAR_FIRST.fullmatch(text):
        return date(int(found[1]), int(found[3]), int(found[4]))
    found = _NUMERIC.fullmatch(text.rstrip("."))
    if found is None:
        return None
    first, second = int(found[1]), int(found[3])
    order = order or (DateOrder.DAY_FIRST if found[2] == "." or first == second else None)
    if order is None:
        return None
    day, month = (first, second) if order is DateOrder.DAY_FIRST else (second, first)
    return date(_year(found[4]), month, day)


def _year(digits: str) -> int:
    return int(digits) if len(digits) > 2 else datetime.strptime(digits, "%y").year  # noqa: PLR2004, DTZ007 - of two digits


def _worded(text: str) -> date | None:
    """Return the date in "Sat, May 16th, 2026", "16. Mai 2026" or "16-may-26"."""
    words = [word for word in re.split(r"[\s,./'-]+", re.sub(r"(\d)(?:st|nd|rd|th|er|e|o|a)\b", r"\1", text)) if word]
    words = [word for word in words if word not in FILLERS]
    numbers = [word for word in words if word.isdecimal()]
    names = [word for word in words if not word.isdecimal()]
    months = [word for word in names if word in MONTHS]
    # "mar" is March, and Tuesday in three languages.
    month = months[-1] if months else None
    if month is None or len(numbers) != 2 or any(one not in WEEKDAYS for one in names if one is not month):  # noqa: PLR2004
        return None
    year_at = 0 if len(numbers[0]) == 4 else 1  # noqa: PLR2004 - digits
    year, day = numbers[year_at], numbers[1 - year_at]
    return date(_year(year), MONTHS[month], int(day)) if len(year) in {2, 4} and len(day) <= 2 else None  # noqa: PLR2004
