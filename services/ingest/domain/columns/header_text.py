"""Normalise header text: remove what tools and people add to it. Pure."""

import re
import unicodedata
from collections.abc import Iterator

from services.ingest.domain.values.blanks import spelling_key

# A header may be a whole consent sentence.
_LONGEST = 1_000


def clean_header(header: str) -> str:
    """Return the header without marks, quotes, case and accents, its words separated.

    >>> cleaned("* contactFirstName__c:")
    'contact first name'
    """
    text = unicodedata.normalize("NFKC", header[:_LONGEST])
    text = "".join(char for char in text if unicodedata.category(char) != "Cf")
    text = re.sub(r"__c\b", "", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text))
    text = "".join(char for char in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(char))
    text = re.sub(r"[\u2018\u2019\u00b4`]", "'", text)
    return " ".join(re.sub(r"[*_]", " ", text).split()).strip(" \"':;?!,.-\u2013\u2014\u00bf\u00a1")


def header_key(text: str) -> str:
    """Return the form in which two spellings of a header are equal: "Phone #", "phone number"."""
    return spelling_key(text.replace("#", " number "))


def one_letter_shorter(word: str) -> Iterator[str]:
    """Yield the word, then each form of it with one letter removed."""
    yield word
    for at in range(len(word)):
        yield word[:at] + word[at + 1 :]


def is_slip(one: str, other: str) -> bool:
    """Return whether the words are equal up to one letter added, missing, wrong or swapped."""
    if abs(len(one) - len(other)) > 1 or one == other:
        return one == other
    start = next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
    a, b = one[start:], other[start:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
