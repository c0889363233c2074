"""The list of leads, newest first: terms make each query one range of one index.

A lead has a term for every combination of status, source and owner. It has terms for its score's band of ten points,
with and without its status, and prefixes of its words. `key` orders leads by time of creation, then by id.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product

from shared.domain.identity.normal_forms import email_key, search_form
from shared.domain.rollups import BAND_POINTS, group_name
from shared.domain.stored.insights_documents import LeadRow
from shared.domain.stored.lead_document import LeadDocument

SHORT, LONG = 3, 8
"""Lengths of indexed prefixes. A shorter searched word must be a whole word."""
PERSONAL = ("key", "terms", "words", "prefixes")
"""The fields of a row with personal data: an erasure removes them."""
_WORD_MAX = 40
_WORDS_MAX = 12
_SEPARATOR = "\x1f"
_PHONE = re.compile(r"\+?[\d\s()/.-]{7,25}")


def key_of(created: datetime, lead_id: str) -> str:
    """Return the sort key of a lead. ISO times of one length sort as text."""
    return f"{moment_key(created)}{lead_id}"


def moment_key(moment: datetime) -> str:
    """Return the time part of a key, in UTC: a lower bound of leads from that millisecond on."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def terms_of(status: str, source: str, owner: str | None, score: int | None) -> list[str]:
    """Return all terms of a lead."""
    plain_ = [_term(*choice) for choice in product(("", status), ("", source), ("", group_name(owner)))]
    return plain_ if score is None else [*plain_, *(_term(one, band=score // BAND_POINTS) for one in ("", status))]


def _term(status: str = "", source: str = "", owner: str = "", band: int | None = None) -> str:
    return _SEPARATOR.join((status, source, owner, "" if band is None else str(band)))


@dataclass(frozen=True, slots=True)
class Question:
    """A query of the list: filters and searched words. None or no words match any lead."""

    status: str | None = None
    source: str | None = None
    owner: str | None = None
    min_score: int | None = None
    words: tuple[str, ...] = ()

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms to look up; no two of them share a lead."""
        if self.min_score is None or self.source or self.owner:
            return (_term(self.status or "", self.source or "", group_name(self.owner) if self.owner else ""),)
        return tuple(
            _term(self.status or "", band=band) for band in range(self.min_score // BAND_POINTS, 100 // BAND_POINTS + 1)
        )

    @property
    def prefix(self) -> str | None:
        """The prefix to look up: that of the longest word, the rarest; None without words."""
        longest = max(self.words, key=len, default=None)
        return longest and longest[: LONG if len(longest) >= LONG else SHORT]

    def fits(self, row: LeadRow) -> bool:
        """Return whether a row matches: terms and prefixes find more rows than match."""
        wanted = ((self.status, "status"), (self.source, "source"), (self.owner and group_name(self.owner), "owner"))
        counts = row["counts"]
        return (
            all(value is None or counts.get(name) == value for value, name in wanted)
            and (self.min_score is None or (counts.get("score") is not None and counts["score"] >= self.min_score))
            and all(any(word.startswith(search_words) for word in row["words"]) for search_words in self.words)
        )


def search_words(text: str) -> tuple[str, ...]:
    """Return the words of a search text; a phone number is one word, of its digits."""
    if _PHONE.fullmatch(text.strip()):
        return ("".join(filter(str.isdigit, text)),)
    return tuple(dict.fromkeys(word for token in _tokens(text) for word in _searched(token)))[:_WORDS_MAX]


def words_of(lead: LeadDocument) -> list[str]:
    """Return the words by which searches find a lead: names, company, e-mail, phone digits."""
    contact, company = lead.get("contact") or {}, lead.get("company") or {}
    email, phone = email_key(contact.get("email")) or "", contact.get("phone") or ""
    texts = (contact.get("lastName"), contact.get("firstName"), company.get("name"))
    found = [word for text in texts for word in _words(text or "")]
    digits = "".join(filter(str.isdigit, phone))
    whole = [email, email.partition("@")[2], digits, digits[-10:]]
    return list(dict.fromkeys([*found[:_WORDS_MAX], *(one[:_WORD_MAX] for one in whole if one)]))


def prefixes_of(words: Sequence[str]) -> list[str]:
    """Return the indexed prefixes of words: a short one, and a long one of long words."""
    return sorted({word[:SHORT] for word in words} | {word[:LONG] for word in words if len(word) >= LONG})


def _words(text: str) -> Iterator[str]:
    for token in _tokens(text):
        yield from dict.fromkeys([*_searched(token), *_parts(token)])


def _searched(token: str) -> list[str]:
    # An address or a site is one word: its last part is too common.
    return [token[:_WORD_MAX]] if "@" in token or "." in token else _parts(token)


def _tokens(text: str) -> Iterator[str]:
    for word in search_form(text).replace("'", "").split():
        token = word.strip('.,;:!?()[]{}"/\\|<>')
        if token:
            yield token


def _parts(token: str) -> list[str]:
    return [part[:_WORD_MAX] for part in "".join(one if one.isalnum() else " " for one in token).split()]
