"""Decode the text of a file in any encoding. Pure."""

import codecs
from dataclasses import dataclass
from itertools import islice

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LOOKED_AT = 4_096
# In UTF-16 every second byte is zero: of Western text nearly always, else of commas and line ends.
_LEAST_ZEROS = 0.05
_SEPARATORS = frozenset(b",;\t|\r\n")
_SHOWN = 5
_NAMES = (
    "utf-8 utf-16 utf-16-le utf-16-be mac-roman mac-latin2 mac-cyrillic cp437 cp850 cp852 cp866 koi8-r koi8-u"
    " shift_jis cp932 euc-jp gb18030 big5 euc-kr cp949"
).split()
_NAMES += [f"cp{number}" for number in range(1250, 1259)]
_NAMES += [f"iso8859-{number}" for number in (*range(1, 12), *range(13, 17))]
_KNOWN = frozenset(codecs.lookup(name).name for name in _NAMES)


@dataclass(frozen=True, slots=True)
class DecodedText:
    """The text, and notes on how the whole of it was decoded."""

    text: str
    notes: tuple[str, ...] = ()


def encoding_of(name: str) -> str | None:
    """Return Python's name of this encoding; None if it is unknown or no text encoding."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if found in _KNOWN else None


def decode_text(body: bytes, encoding: str | None = None) -> DecodedText:
    """Decode a file by its byte order mark, else by `encoding`, which the sender states.

    Without either it is UTF-16 if it looks like it, else UTF-8. A line that is no UTF-8 is decoded as Windows-1252, so
    that one broken line spoils no other. A note says so, since nothing in the line proves it.
    """
    for mark, marked in _MARKS:
        if body.startswith(mark):
            return _as(body[len(mark) :], marked)
    if encoding is not None:
        return _in(body, encoding)
    return _as(body, _without_mark(body[:_LOOKED_AT]))


def _in(body: bytes, encoding: str) -> DecodedText:
    text = body.decode(encoding, "replace")
    lost = text.count("\ufffd")
    return DecodedText(text, (f"{lost} characters can't be read in {encoding}: \ufffd replaces them",) if lost else ())


def _as(body: bytes, encoding: str) -> DecodedText:
    if encoding != "utf-8":
        return _in(body, encoding)
    try:
        return DecodedText(body.decode())
    except UnicodeDecodeError:
        return _line_by_line(body)


def _without_mark(start: bytes) -> str:
    even, odd = start[::2].count(0), start[1::2].count(0)
    if max(even, odd) < max(1, len(start) * _LEAST_ZEROS) or min(even, odd) * 10 > max(even, odd):
        return "utf-8"
    little = odd > even
    if not _has_wide_separators(start, little=little):
        return "utf-8"
    return "utf-16-le" if little else "utf-16-be"


def _has_wide_separators(start: bytes, *, little: bool) -> bool:
    """Return whether most separators are two bytes, as in UTF-16: in other text, a zero beside one is an accident."""
    first, second = start[::2], start[1::2]
    pairs = zip(first, second, strict=False) if little else zip(second, first, strict=False)
    wide = sum(one in _SEPARATORS and beside == 0 for one, beside in pairs)
    return 2 * wide >= sum(one in _SEPARATORS for one in start)


def _line_by_line(body: bytes) -> DecodedText:
    found: list[str] = []
    others: list[int] = []
    for number, line in enumerate(body.splitlines(keepends=True), 1):
        try:
            found.append(line.decode())
        except UnicodeDecodeError:
            found.append(_windows(line))
            others.append(number)
    return DecodedText("".join(found), (_taken_for_western(others),))


def _taken_for_western(lines: list[int]) -> str:
    listed = ", ".join(map(str, islice(lines, _SHOWN))) + (", …" if len(lines) > _SHOWN else "")
    many = f"line {listed} is" if len(lines) == 1 else f"{len(lines)} lines ({listed}) are"
    return (
        f"{many} not in UTF-8: read as Windows-1252 (Western Europe). If letters look wrong there, give the encoding,"
        " such as windows-1250 (Central Europe) or windows-1251 (Cyrillic)"
    )


def _windows(line: bytes) -> str:
    try:
        return line.decode("cp1252")
    except UnicodeDecodeError:
        # Windows-1252 leaves five bytes undefined; only these are decoded as Latin-1.
        return "".join(_byte(one) for one in line)


def _byte(one: int) -> str:
    return bytes((one,)).decode("cp1252", "ignore") or chr(one)
