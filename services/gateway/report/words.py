"""Numbers, times and names as a person reads them on paper: in English, whoever's machine it is. All is pure.

The dashboard says the same in the browser's own language (`dashboard/format.js`).
"""

import unicodedata
from datetime import date, datetime

from shared.domain.rollups import NONE

MISSING = "\N{EN DASH}"
"""What stands where there is no figure."""
_SHORT_FROM = 1_000_000
_UNITS = ((1_000_000_000, "B"), (1_000_000, "M"), (1_000, "k"))
# They would turn round what stands after them, in a terminal or a spreadsheet.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_NAMES = {
    "trade_show": "Trade show",
    "social_media": "Social media",
    "email": "E-mail",
    NONE: "None given",
}


def number(value: int) -> str:
    """A whole number: 12,345."""
    return f"{value:,}"


def short(value: int) -> str:
    """A whole number for a place of little room: exact below a million, 12.3M above."""
    return number(value) if value < _SHORT_FROM else brief(value)


def brief(value: float) -> str:
    """A number at an axis, in five characters or about: 250, 1.5k, 20M."""
    size, unit = next((one for one in _UNITS if value >= one[0]), (1, ""))
    return f"{value / size:.1f}".removesuffix(".0") + unit


def decimal(value: float) -> str:
    """A number with one decimal, if that is not zero: 1,234.5."""
    return f"{value:,.1f}".removesuffix(".0")


def percent(value: float) -> str:
    """A share of 0…100: one decimal, but for all and nothing."""
    return f"{value:.0f}%" if value in {0, 100} else f"{value:.1f}%"


def share(part: int, whole: int) -> str:
    """What per cent `part` is; `MISSING` of nothing."""
    return percent(100 * part / whole) if whole else MISSING


def signed(value: float, unit: str, *, places: int = 0) -> str:
    """A change, with its sign; what rounds to nothing is none."""
    if not round(value, places):
        return "no change"
    sign = "+" if value > 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(value):,.{places}f}{unit}"


def counted(count: int, noun: str) -> str:
    """So many of something: 1 lead, 2 leads."""
    return f"{number(count)} {noun}{'' if count == 1 else 's'}"


def hours(value: float) -> str:
    """A length of time, given in hours: 12 minutes, 3.5 hours, 12 days."""
    if value * 60 < 1:
        return "under a minute"
    if value < 1:
        return counted(round(value * 60), "minute")
    size, noun = (1, "hour") if value < 48 else (24, "day")  # noqa: PLR2004 - two days are still told in hours
    amount = value / size
    told = decimal(amount) if amount < 10 else number(round(amount))  # noqa: PLR2004 - a decimal of 10 says nothing
    return f"{told} {noun}{'' if told == '1' else 's'}"


def within(value: float) -> str:
    """`hours` as the end of a sentence about what came in that time: within a minute, within 3 days."""
    return f"within {hours(value).removeprefix('under ')}"


def span(first: float, end: float | None) -> str:
    """A span of hours, as narrow as it can be, its end with the unit: 3 d; > 90 d."""
    size, unit = (24, "d") if (first if end is None else end) >= 48 else (1, "h")  # noqa: PLR2004 - as `hours` has it
    start = decimal(first / size)
    return f"> {start} {unit}" if end is None else f"{start}\N{EN DASH}{decimal(end / size)} {unit}"


def day(of: date) -> str:
    """A day without its year: 2 Mar."""
    return f"{of.day} {of:%b}"


def stretch(first: date, last: date) -> str:
    """From a day to a day, both among them, as a table has it."""
    return f"{day(first)} \N{EN DASH} {day(last)}"


def weekday(of: date) -> str:
    """A day with its name: Mon 2 Mar."""
    return f"{of:%a} {day(of)}"


def days(first: date, last: date) -> str:
    """From a day to a day, both among them, with the year, as a heading has it."""
    year = "" if first.year == last.year else f" {first.year}"
    return f"{first.day} {first:%B}{year} \N{EN DASH} {last.day} {last:%B %Y}"


def moment(at: datetime) -> str:
    """A moment to the minute, in its own zone: 2 March 2026, 14:05."""
    return f"{at.day} {at:%B %Y, %H:%M}"


def seconds(value: float) -> str:
    """A delay, given in seconds: 45 seconds, 5 minutes, 3 hours."""
    return counted(round(value), "second") if value < 90 else hours(value / 3_600)  # noqa: PLR2004 - under 1½ minutes


def clean(name: str) -> str:
    """A name as somebody typed it, without characters that command a terminal or turn the text around them."""
    return "".join(one for one in name if unicodedata.category(one) != "Cc" and one not in _TURNING)


def named(word: str) -> str:
    """A source, status or industry as a heading reads."""
    text = clean(word).replace("_", " ")
    return _NAMES.get(word) or text[:1].upper() + text[1:]


def owner(name: str) -> str:
    """An owner's name; leads without one are unassigned."""
    return "Unassigned" if name == NONE else clean(name)
