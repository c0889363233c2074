"""Numbers, times and names as English text for a report. Pure, independent of the locale.

The dashboard formats the same values in the browser's language (`dashboard/core/format.js`).
"""

import unicodedata
from datetime import date, datetime

from shared.domain.rollups import NONE

MISSING = "\N{EN DASH}"
"""The text in place of a missing figure."""
_SHORT_FROM = 1_000_000
_UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
# These characters reverse the text after them, in a terminal or a spreadsheet.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NAMES = {
    "trade_show": "Trade show",
    "social_media": "Social media",
    "email": "E-mail",
    NONE: "None given",
}


def number(value: int) -> str:
    """Format a whole number: 12,345."""
    return f"{value:,}"


def short(value: int) -> str:
    """Format a whole number in little room: exact below a million, 12.3M above."""
    return number(value) if value < _SHORT_FROM else brief(value)


def brief(value: float) -> str:
    """Format a number at an axis in about five characters: 250, 1.5k, 20M."""
    size, unit = next((one for one in _UNITS if value >= one[0]), (1, ""))
    return f"{value / size:.1f}".removesuffix(".0") + unit


def decimal(value: float) -> str:
    """Format a number with one decimal, unless that is zero: 1,234.5."""
    return f"{value:,.1f}".removesuffix(".0")


def format_percent(value: float) -> str:
    """Format a share of 0…100 with one decimal, except 0 and 100."""
    return f"{value:.0f}%" if value in {0, 100} else f"{value:.1f}%"


def share(part: int, whole: int) -> str:
    """Format `part` as per cent of `whole`; `MISSING` if `whole` is 0."""
    return format_percent(100 * part / whole) if whole else MISSING


def signed(value: float, unit: str, *, places: int = 0) -> str:
    """Format a change with its sign. A change that rounds to 0 has none."""
    if not round(value, places):
        return "no change"
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(value):,.{places}f}{unit}"


def count_noun(count: int, noun: str) -> str:
    """Format a count with its noun: 1 lead, 2 leads."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def hours(value: float) -> str:
    """Format a duration given in hours: 12 minutes, 3.5 hours, 12 days."""
    if value * 60 < 1:
        return "under a minute"
    if value < 1:
        return count_noun(round(value * 60), "minute")
    size, noun = (1, "hour") if value < 48 else (24, "day")  # noqa: PLR2004 - two days are still hours
    amount = value / size
    text = decimal(amount) if amount < 10 else number(round(amount))  # noqa: PLR2004 - a decimal of 10 says nothing
    return f"{text} {noun}{'' if text == '1' else 's'}"


def within(value: float) -> str:
    """Format a duration given in hours: within a minute, within 3 days."""
    return f"within {hours(value).removeprefix('under ')}"


def span(first: float, end: float | None) -> str:
    """Format a span of hours in little room: 3 d; > 90 d."""
    size, unit = (24, "d") if (first if end is None else end) >= 48 else (1, "h")  # noqa: PLR2004 - as `hours` has it
    start = decimal(first / size)
    return f"> {start} {unit}" if end is None else f"{start}\N{EN DASH}{decimal(end / size)} {unit}"


def day(of: date) -> str:
    """Format a day without its year: 2 Mar."""
    return f"{of.day} {of:%b}"


def stretch(first: date, last: date) -> str:
    """Format a range of days for a table, both ends included."""
    return f"{day(first)} \N{EN DASH} {day(last)}"


def weekday(of: date) -> str:
    """Format a day with its weekday: Mon 2 Mar."""
    return f"{of:%a} {day(of)}"


def days(first: date, last: date) -> str:
    """Format a range of days with the year for a heading, both ends included."""
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%B}{year} \N{EN DASH} {last.day} {last:%B %Y}"


def format_moment(at: datetime) -> str:
    """Format a moment to the minute, in its own zone: 2 March 2026, 14:05."""
    return f"{at.day} {at:%B %Y, %H:%M}"


def seconds(value: float) -> str:
    """Format a delay given in seconds: 45 seconds, 5 minutes, 3 hours."""
    return count_noun(round(value), "second") if value < 90 else hours(value / 3_600)  # noqa: PLR2004 - under 1½ minutes


def printable(name: str) -> str:
    """Return a typed name without terminal control and text direction characters."""
    return "".join(one for one in name if unicodedata.category(one) != "Cc" and one not in _TURNING)


def heading(word: str) -> str:
    """Return a source, status or industry as a heading."""
    text = printable(word).replace("_", " ")
    return _NAMES.get(word) or text[:1].upper() + text[1:]


def owner(name: str) -> str:
    """Return an owner's name; "Unassigned" for leads without one."""
    return "Unassigned" if name == NONE else printable(name)
