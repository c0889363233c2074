"""The list of leads: by what each is found, so that every question is one range of one index.

Newest first. A lead stands under a term for every combination of status, source and owner, and for its score's band of
ten, with and without its status; and under the beginnings of its words. `key` orders them: the time of creation, then
the id.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

from shared.domain.identity import email_key, plain
from shared.domain.rollups import BAND_POINTS, label

SHORT, LONG = 3, 8
"""Letters by which words are indexed; what is asked for must have as many, or be the whole word."""
PERSONAL = ("key", "terms", "words", "prefixes")
"""The fields of a row that are about its person: they go when the lead is erased."""
_WORD_MAX = 40
_WORDS_MAX = 12
_SEPARATOR = "\x1f"
_PHONE = re.compile(r"\+?[\d\s()/.-]{7,25}")


def key_of(created: datetime, lead_id: str) -> str:
    """Where a lead stands in the order; ISO times of one length order as text."""
    return f"{moment_key(created)}{lead_id}"


def moment_key(moment: datetime) -> str:
    """The part of a key that is the time, in UTC: a bound below every lead of that millisecond or later."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def terms_of(status: str, source: str, owner: str | None, score: int | None) -> list[str]:
    """Every term that a lead stands under."""
    plain_ = [_term(*choice) for choice in product(("", status), ("", source), ("", label(owner)))]
    return plain_ if score is None else [*plain_, *(_term(one, band=score // BAND_POINTS) for one in ("", status))]


def _term(status: str = "", source: str = "", owner: str = "", band: int | None = None) -> str:
    return _SEPARATOR.join((status, source, owner, "" if band is None else str(band)))


@dataclass(frozen=True, slots=True)
class Question:
    """Which leads somebody wants to see; None and nothing mean any."""

    status: str | None = None
    source: str | None = None
    owner: str | None = None
    min_score: int | None = None
    words: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms of the leads wanted: several where bands of scores are, no two of which share a lead."""
        if self.min_score is None or self.source or self.owner:
            return (_term(self.status or "", self.source or "", label(self.owner) if self.owner else ""),)
        return tuple(
            _term(self.status or "", band=band) for band in range(self.min_score // BAND_POINTS, 100 // BAND_POINTS + 1)
        )

    @property
    def prefix(self) -> str | None:
        """The beginning that the leads wanted are looked up by: that of the longest word, which is the rarest."""
        longest = max(self.words, key=len, default=None)
        return longest and longest[: LONG if len(longest) >= LONG else SHORT]

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row of the list is wanted: what an index of beginnings and bands leaves open."""
        wanted = ((self.status, "status"), (self.source, "source"), (self.owner and label(self.owner), "owner"))
        counts = row["counts"]
        return (
            all(value is None or counts.get(name) == value for value, name in wanted)
            and (self.min_score is None or (counts.get("score") is not None and counts["score"] >= self.min_score))
            and all(any(word.startswith(asked) for word in row["words"]) for asked in self.words)
        )


def asked(text: str) -> tuple[str, ...]:
    """The words of a search; those too short to be looked up narrow what others find."""
    if _PHONE.fullmatch(text.strip()):
        return ("".join(filter(str.isdigit, text)),)
    return tuple(dict.fromkeys(word for token in _tokens(text) for word in _asked(token)))[:_WORDS_MAX]


def words_of(lead: Mapping[str, Any]) -> list[str]:
    """The words that a lead can be found by: names, company, e-mail and its parts, digits of the phone."""
    contact, company = lead.get("contact") or {}, lead.get("company") or {}
    email, phone = email_key(contact.get("email")) or "", contact.get("phone") or ""
    texts = (contact.get("lastName"), contact.get("firstName"), company.get("name"))
    found = [word for text in texts for word in _words(text or "")]
    digits = "".join(filter(str.isdigit, phone))
    whole = [email, email.partition("@")[2], digits, digits[-10:]]
    return list(dict.fromkeys([*found[:_WORDS_MAX], *(one[:_WORD_MAX] for one in whole if one)]))


def prefixes_of(words: Sequence[str]) -> list[str]:
    """The beginnings that words are indexed by: a short one, and where there are enough letters a rarer one."""
    return sorted({word[:SHORT] for word in words} | {word[:LONG] for word in words if len(word) >= LONG})


def _words(text: str) -> Iterator[str]:
    for token in _tokens(text):
        yield from dict.fromkeys([*_asked(token), *_parts(token)])


def _asked(token: str) -> list[str]:
    # An address or a site is looked for as a whole: its last part is everybody's.
    return [token[:_WORD_MAX]] if "@" in token or "." in token else _parts(token)


def _tokens(text: str) -> Iterator[str]:
    for word in plain(text).replace("'", "").split():
        token = word.strip('.,;:!?()[]{}"/\\|<>')
        if token:
            yield token


def _parts(token: str) -> list[str]:
    return [part[:_WORD_MAX] for part in "".join(one if one.isalnum() else " " for one in token).split()]
