"""Remove what spreadsheets leave in cells, and guard cells that we write. Pure."""

import re
from typing import TypeVar

# The error words of spreadsheets in several languages, and the marks of too narrow columns.
_ERRORS = frozenset(
    "#N/A #REF! #VALUE! #NAME? #DIV/0! #NUM! #NULL! #SPILL! #CALC! #FIELD! #BLOCKED! #GETTING_DATA #ERROR! #N/D"
    " #NV #N/V #BEZUG! #WERT! #ZAHL! #VALEUR! #NOM? #NOMBRE! #NUL!"
    " #¡REF! #¡VALOR! #¿NOMBRE? #¡DIV/0! #¡NUM! #¡NULO!"
    " #VALOR! #LEEG! #NOME? #NULO! #RIF! #VALORE! #VERW! #WAARDE! #NAAM? #GETAL! #DEEL/0!".split()
)
_NARROW = re.compile(r"#{3,}")
# Invisible: byte order and direction marks, soft hyphens, zero-width spaces, control characters.
_INVISIBLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\ufff9-\ufffc]"
)
# Persian and Indian names and emoji need joiners, so those between non-Latin characters stay.
_STRAY_JOINERS = re.compile(r"(?<![^\x00-\u024f\s])[\u200c\u200d]+|[\u200c\u200d]+(?![^\x00-\u024f\s])")
_SPACES = re.compile("[\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
# Spreadsheets take these beginnings for a formula, also after spaces or as wide signs (OWASP).
_FORMULA = re.compile(r"'*\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]|'+\d")
_AS_TEXT = re.compile(r'=\(?"((?:[^"]|"")*)"\)?')
_T = TypeVar("_T")


def clean_cell(cell: str) -> str:
    """Return the cell without invisible characters, guards, `="…"` and spreadsheet errors."""
    text = visible_text(cell)
    first = text[:1]
    # A guard before a digit keeps leading zeros, as in "'01234".
    if first == "'" and (text[1:2].isdecimal() or _FORMULA.match(text, 1)):
        return text[1:].strip()
    if first == "=" and (found := _AS_TEXT.fullmatch(text)):
        return found[1].replace('""', '"').strip()
    return "" if first == "#" and (text in _ERRORS or _NARROW.fullmatch(text)) else text


def visible_text(text: str) -> str:
    """Return the text trimmed, without invisible characters, with plain spaces only."""
    if text.isascii() and text.isprintable():
        return text.strip()
    plain = _INVISIBLE.sub("", _SPACES.sub(" ", text))
    return _STRAY_JOINERS.sub("", plain).strip()


def disarm_formula(cell: _T) -> _T | str:
    """Return the cell with `'` before a text that spreadsheets would run as a formula.

    `clean_cell` removes exactly that guard. Numbers stay unchanged.
    """
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
