"""What people type into one cell, read as what they mean. What isn't plain stays as it is, for the schema to fault."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from itertools import product

from shared.domain.identity import name_key

# No amount or moment is longer; matching these patterns takes quadratic time.
_LONGEST = 60
_AMOUNT = re.compile(
    r"(?:[$€£]|USD|EUR|GBP)?\s*(?P<number>[0-9]{1,3}(?:,[0-9]{3}){1,5}(?:\.[0-9]+)?|[0-9]{1,18}(?:\.[0-9]+)?)"
    r"\s*(?P<unit>k|thousand|m|mm|million|b|bn|billion)?\s*(?:[$€£]|USD|EUR|GBP)?",
    re.IGNORECASE,
)
_UNITS = {"": 1, "k": 10**3, "t": 10**3, "m": 10**6, "b": 10**9}
_YES = frozenset("yes y true 1 x on ✓ ✔".split())
_NO = frozenset("no n false 0 off".split())
_DATES = ("%m/%d/%Y", "%m/%d/%y", "%Y/%m/%d", "%d-%b-%Y", "%b %d, %Y", "%B %d, %Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p")
_FORMATS = tuple(date + time for date, time in product((*_DATES, "%Y-%m-%d"), _TIMES))
_PARTICLES = frozenset("bin da de del della der di dos du ibn la van von".split())
_TITLES_AFTER = frozenset("jr sr ii iii iv md phd cec cpa mba esq".split())


def plain(text: str) -> str:
    """`text` without case, accents, spaces and punctuation: what two spellings of one word have in common."""
    return re.sub(r"[\W_]+", "", name_key(text) or "")


def amount(text: str) -> float | str:
    """The number in "$12,500.00", "12.5k" or "1.2M"; a comma divides thousands, a point decimals."""
    found = _AMOUNT.fullmatch(text[: _LONGEST + 1])
    if found is None or len(text) > _LONGEST:
        return text
    unit = _UNITS[(found["unit"] or "").lower()[:1]]
    return float(Decimal(found["number"].replace(",", "")) * unit)


def flag(text: str) -> bool | str:
    """Whether a box was ticked."""
    word = text.casefold()
    return word in _YES if word in _YES | _NO else text


def words(text: str) -> list[str]:
    """The entries of a list that `;`, `|` or line breaks divide."""
    return [entry for entry in map(str.strip, re.split(r"[;|\r\n]", text)) if entry]


def choice(text: str, choices: Iterable[str]) -> str:
    """The one of `choices` that `text` spells: "Trade Show" is "trade_show"."""
    wanted = plain(text)
    return next((one for one in choices if plain(one) == wanted), text)


def moment(text: str, zone: tzinfo = UTC) -> str:
    """The date and time in ISO 8601. Without a zone of its own it is read in `zone`; month before day, as in the US."""
    read = _read(text)
    if read is None or read.tzinfo:
        return text
    return read.replace(tzinfo=zone).isoformat()


def moment_of(date: str, time: str, zone: tzinfo = UTC) -> str:
    """The moment in two cells; either may be all there is, and `time` may be complete by itself."""
    if not (date and time) or _read(time):
        return moment(time or date, zone)
    day = _read(date)
    return moment(f"{day:%Y-%m-%d} {time}" if day else f"{date} {time}", zone)


def _read(text: str) -> datetime | None:
    if len(text) > _LONGEST:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        text = re.sub(r"\s*([ap])\.?m\.?$", r" \1m", text, flags=re.IGNORECASE)
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the caller adds the zone
        except ValueError:
            continue
    return None


def names(full: str) -> tuple[str, str]:
    """First and last name in "Reyes, Ana", "Ana Maria Reyes" or "Ludwig van Beethoven"; a lone word is the first."""
    last, comma, first = (part.strip() for part in full.partition(","))
    if comma and not set(map(plain, first.replace(",", " ").split())) <= _TITLES_AFTER:
        return first, last
    parts = full.replace(",", " ").split()
    end = len(parts) - 1
    while end > 1 and plain(parts[end]) in _TITLES_AFTER:
        end -= 1
    starts = (at for at in range(1, end) if parts[at] in _PARTICLES)
    at = max(1, next(starts, end))
    return " ".join(parts[:at]), " ".join(parts[at:])
