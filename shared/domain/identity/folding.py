"""Text as identity compares it (schemas/README.md#identity): a table of equal signs."""

import re
import unicodedata
from typing import Literal

Form = Literal["NFKC", "NFKD"]

_SIGNS = {
    "'": "\u2018\u2019\u201a\u201b\u2032\u2035\u02bb\u02bc\u02b9\u0060\u00b4",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\u2039\u203a\u301d\u301e",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2043\u02d7",
    " and ": "&",
}
"""A sign or a word, and the signs that equal it."""

_LETTERS = {
    "a": "ⱥ",
    "b": "ƀ",
    "c": "ȼ",
    "d": "đð",
    "e": "ɇ",
    "g": "ǥ",
    "h": "ħ",
    "i": "ɨı",
    "j": "ɉ",
    "k": "ꝁ",
    "l": "łƚ",
    "o": "øɵ",
    "r": "ɍ",
    "t": "ŧⱦ",
    "u": "ʉ",
    "y": "ɏ",
    "z": "ƶ",
    "ae": "æ",
    "oe": "œ",
    "th": "þ",
}
"""Latin letters with a stroke, and ligatures, that Unicode doesn't decompose."""

_EQUAL = str.maketrans({one: to for to, equal in (*_SIGNS.items(), *_LETTERS.items()) for one in equal})
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Unicode's invisible characters (Default_Ignorable_Code_Point)."""


_SHORT, _MARKS_MAX = 200, 30
_SPACING_MARKS = "\uff9e\uff9f"
"""Letters that compatibility forms turn into combining marks."""


def normalized(form: Form, text: str) -> str:
    """Return `text` in a Unicode normal form. In a long text each letter keeps 30 marks.

    Python sorts a letter's marks in quadratic time: a megabyte of them would block the process for minutes.
    """
    return unicodedata.normalize(form, text if len(text) <= _SHORT or text.isascii() else _with_few_marks(text))


def _with_few_marks(text: str) -> str:
    kept, marks = [], 0
    for char in text:
        marks = marks + 1 if unicodedata.category(char)[0] == "M" or char in _SPACING_MARKS else 0
        if marks <= _MARKS_MAX:
            kept.append(char)
    return "".join(kept)


def without_invisible(text: str) -> str:
    """Return `text` without its invisible characters."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def compatible(text: str) -> str:
    """Return `text` without case, invisible characters and Unicode compatibility forms."""
    return text.lower() if text.isascii() else _normal("NFKC", text)


def folded(text: str) -> str:
    """Return `text` as `compatible`, also without accents, strokes and typographic signs."""
    if text.isascii():
        return text.lower().translate(_EQUAL)
    # Translates before decomposing too: some of these signs decompose into a space and an accent.
    return unaccented(_normal("NFKD", text.translate(_EQUAL))).translate(_EQUAL)


def unaccented(decomposed: str) -> str:
    """Return text in a decomposed form without its combining marks."""
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _normal(form: Form, text: str) -> str:
    # Folding case can undo the normal form; removing a character can join two others.
    text = normalized(form, text).casefold()
    text = without_invisible(normalized(form, text).casefold())
    return normalized(form, text)
