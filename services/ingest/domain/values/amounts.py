"""Read amounts of money as people and tools write them, unless they are unclear. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

# No amount is longer, and these patterns take quadratic time.
_LONGEST = 60
_SIGNS = r"(?:us|r|c|ca|a|au|nz|hk|s|mx)?\$|[€£¥₹₩₺₴₪฿₫₽]"
_CODES = (
    "usd|eur|gbp|chf|cad|aud|nzd|mxn|brl|jpy|cny|inr|sek|nok|dkk|pln|czk|huf|zar|sgd|hkd|aed"
    r"|euros?|dollars?|pounds?|fr\.?"
)
_UNITS = {
    1_000: "k|thousand|tsd|mila|t",
    1_000_000: "m|mm|mln|mio|million|millions|millionen|milliones|millones|millón|milhões|milhão|milioni|milione"
    "|miljoen|mi",
    1_000_000_000: "b|bn|bio|billion|billions|mrd|md|mds|milliarde|milliarden|milliard|milliards|miliardi|miliardo"
    "|mld|miljard|bilhões|bilhão",
}
_FACTORS = {name: factor for factor, names in _UNITS.items() for name in names.split("|")}
_UNIT = "|".join("t(?=€|eur)" if name == "t" else rf"{name}\.?" for name in sorted(_FACTORS, key=len, reverse=True))
_CURRENCY = rf"(?:{_SIGNS}|{_CODES})"
_AMOUNT = re.compile(
    rf"(?P<before>t(?=€|eur))?(?:{_CURRENCY}\s*)?(?P<number>[0-9](?:[0-9.,'’ ]*[0-9])?)(?:[.,][-–—]+)?"  # noqa: RUF001 - as people write
    rf"\s*(?P<unit>{_UNIT})?\s*{_CURRENCY}?\s*",
    re.IGNORECASE,
)
_EXPONENT = re.compile(r"[0-9](?:[.,][0-9]+)?e\+?[0-9]{1,2}", re.IGNORECASE)
_GROUPS = r"[0-9]{1,3}(?:%s[0-9]{3})+|[0-9]{1,2}(?:%s[0-9]{2})+%s[0-9]{3}"
_WHOLE = {mark: re.compile(_GROUPS.replace("%s", re.escape(mark))) for mark in (".", ",", "'", "’", " ")}  # noqa: RUF001
_EITHER_WAY = re.compile(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


def parse_amount(text: str, decimal: str | None = None) -> float | None:
    """Return the number in "$12,500.00", "12.500,00 €" or "1,2 Mio."; None if unclear.

    `decimal` is the decimal mark of the column. If it is the point, "1.234" has decimals; else the point separates
    thousands.
    """
    text = text.strip()
    if len(text) > _LONGEST:
        return None
    if _EXPONENT.fullmatch(text):
        return float(text.replace(",", "."))
    found = _AMOUNT.fullmatch(text)
    if found is None:
        return None
    number = _number(found["number"], _mark(found, decimal))
    return None if number is None else float(number * _times(_unit(found)))


def with_plain_number(text: str, decimal: str | None) -> str:
    """Return the amount with "1.234" written so that its meaning needs no column."""
    text = text.strip()
    found = _AMOUNT.fullmatch(text) if len(text) <= _LONGEST else None
    if found is None or not _EITHER_WAY.fullmatch(found["number"]):
        return text
    number = found["number"]
    # Four digits have no thousands separator.
    plain = f"{number[:-4]}.{number[-3:]}0" if number[-4] == _mark(found, decimal) else number[:-4] + number[-3:]
    return text[: found.start("number")] + plain + text[found.end("number") :]


def _unit(found: re.Match[str]) -> str | None:
    return found["unit"] or found["before"]


def _mark(found: re.Match[str], decimal: str | None) -> str | None:
    # Millions have tenths and hundredths: "1.234M".
    return "." if decimal is None and _unit(found) else decimal


def _times(unit: str | None) -> int:
    return _FACTORS[unit.casefold().strip(".")] if unit else 1


def decimals_of(columns: Mapping[str, Iterable[str]]) -> dict[str, str | None]:
    """Return the decimal mark of each column with amounts such as "1.234"; None if unknown.

    The other amounts of the column show it, else those of all columns, if they agree.
    """
    shown: dict[str, str | None] = {}
    needed: list[str] = []
    for header, texts in columns.items():
        numbers = [found["number"] for text in texts if (found := _AMOUNT.fullmatch(text.strip()[:_LONGEST]))]
        shown[header] = _most_shown(filter(None, map(_shows, numbers)))
        if any(map(_EITHER_WAY.fullmatch, numbers)):
            needed.append(header)
    marks = set(shown.values()) - {None}
    common = marks.pop() if len(marks) == 1 else None
    return {header: shown[header] or common for header in needed}


def _most_shown(marks: Iterable[str]) -> str | None:
    counts = Counter(marks).most_common(2)
    return None if not counts or (len(counts) > 1 and counts[0][1] == counts[1][1]) else counts[0][0]


def _shows(number: str) -> str | None:
    """Return the decimal mark that a number shows by itself."""
    if _EITHER_WAY.fullmatch(number):
        return None
    points, commas = number.count("."), number.count(",")
    if points and commas:
        return max(".", ",", key=number.rfind)
    if points + commas == 0:
        return None
    mark, other = (".", ",") if points else (",", ".")
    return other if points + commas > 1 else mark


def _number(text: str, decimal: str | None) -> Decimal | None:
    mark = decimal if _EITHER_WAY.fullmatch(text) else _shows(text)
    whole, _, part = text.rpartition(mark) if mark and mark in text else (text, "", "")
    if part and not part.isdecimal():
        return None
    grouped = next((divider for divider in _WHOLE if divider in whole), None)
    if grouped:
        if not _WHOLE[grouped].fullmatch(whole):
            return None
        whole = whole.replace(grouped, "")
    return Decimal(f"{whole}.{part or 0}") if whole.isdecimal() else None
