"""The list of leads, newest first: terms and prefixes make each query one range of one index.

A lead has terms: for its status, source and owner, for some pairs of them, and for each of `_LEAST` that its score
reaches. It has prefixes of its words. `key` orders leads by time of creation, then by id.

One lead in `SAMPLED` has each of its terms and prefixes on level 1 too, one of these in `SAMPLED` on level 2, and so
on. A reader of levels knows where the next leads end without reading them, however many have one name or one time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

from shared.domain.identity.normal_forms import email_key, search_form
from shared.domain.rollups import group_name
from shared.domain.stored.insights_documents import LeadFacts
from shared.domain.stored.lead_document import LeadDocument

LENGTHS = (3, 8, 16)
"""Lengths of indexed prefixes. A searched word that is shorter than the first must be a whole word."""
LEVELS, _LEVEL_BITS = 4, 4
SAMPLED = 2**_LEVEL_BITS
"""One lead in so many is on the next level."""
PERSONAL = ("key", "terms", "named", "words", "prefixes")
"""The fields of a row with personal data: an erasure removes them. Rows of earlier releases have the last two."""
PERSONAL_WORDS = ("key", "words", "prefixes")
"""The same, of a lead's words."""
PREFIXES_MAX = 3
"""The most words of a search that are looked up. All of them must match."""
_LEAST = (90, 75, 50, 25)
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


def on_levels(lead_id: str, found: Iterable[str]) -> list[str]:
    """Return these terms or prefixes of a lead on each level that the lead is on."""
    drawn = crc32(lead_id.encode())
    level = next((one for one in range(LEVELS) if drawn >> one * _LEVEL_BITS & SAMPLED - 1), LEVELS)
    plain = sorted(found)
    return [at_level(one, number) for number in range(level + 1) for one in plain]


def at_level(term: str, level: int) -> str:
    """Return the form of a term or prefix on a level. Level 0 has every lead."""
    return f"{level}{_SEPARATOR}{term}" if level else term


def terms_of(status: str, source: str, owner: str | None, score: int | None) -> set[str]:
    """Return all terms of a lead."""
    group = group_name(owner)
    plain = {_term(), _term(status), _term(source=source), _term(owner=group)}
    pairs = {_term(status, source), _term(status, owner=group)}
    return plain | pairs | {_term(least=least) for least in _LEAST if score is not None and score >= least}


def attribute_terms(attributes: Mapping[str, str]) -> set[str]:
    """Return the terms of attributes with these values."""
    return {f"#{_SEPARATOR}{name}{_SEPARATOR}{value}" for name, value in attributes.items()}


def _term(status: str = "", source: str = "", owner: str = "", least: int | None = None) -> str:
    return _SEPARATOR.join((status, source, owner, "" if least is None else f">{least}"))


@dataclass(frozen=True, slots=True)
class Question:
    """A query of the list: filters and searched words. None or no words match any lead."""

    status: str | None = None
    source: str | None = None
    owner: str | None = None
    min_score: int | None = None
    words: tuple[str, ...] = ()
    attributes: tuple[tuple[str, str], ...] = ()
    """Names and values of attributes."""

    @property
    def filters(self) -> bool:
        """Whether any filter is set."""
        return bool(self.status or self.source or self.owner or self.attributes or self.min_score is not None)

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms, each of which all matching leads have. Look up one; the rarest is the cheapest."""
        status, owner = self.status or "", group_name(self.owner) if self.owner else ""
        single = [_term(status, self.source)] if self.source else []
        single += [_term(status, owner=owner)] if owner else []
        least = next((least for least in _LEAST if self.min_score is not None and self.min_score >= least), None)
        score = [] if least is None else [_term(least=least)]
        score += [term for one in self.attributes for term in attribute_terms(dict([one]))]
        return tuple(single or ([_term(status)] if status or not score else [])) + tuple(score)

    @property
    def prefixes(self) -> tuple[str, ...]:
        """The same, of prefixes: of the longest searched words. A short word is looked up only alone."""
        longest = sorted(self.words, key=len, reverse=True)[:PREFIXES_MAX]
        long = [max(one for one in LENGTHS if one <= len(word)) for word in longest if len(word) >= LENGTHS[0]]
        looked_up = [word[:length] for word, length in zip(longest, long, strict=False)]
        return tuple(dict.fromkeys(looked_up or longest[:1]))

    def fits(self, counts: LeadFacts) -> bool:
        """Return whether a lead passes the filters: a term finds more leads than match."""
        held = counts.get("attributes", {})
        if any(held.get(name) != value for name, value in self.attributes):
            return False
        wanted = ((self.status, "status"), (self.source, "source"), (self.owner and group_name(self.owner), "owner"))
        return all(value is None or counts.get(name) == value for value, name in wanted) and (
            self.min_score is None or (counts.get("score") is not None and counts["score"] >= self.min_score)
        )

    def names(self, words: str) -> bool:
        """Return whether a lead with these words (`joined`) matches all searched ones."""
        whole = [f"{one} " for one in self.prefixes if len(one) < LENGTHS[0]]
        return all(f" {searched}" in words for searched in (*self.words, *whole))


def joined(words: Iterable[str]) -> str:
    """Return words as one text, each between spaces."""
    return "".join(f" {word}" for word in words) + " "


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


def prefixes_of(words: Sequence[str]) -> set[str]:
    """Return the indexed prefixes of words: a short one, and longer ones of long words."""
    longer = {word[:length] for word in words for length in LENGTHS if len(word) >= length}
    return longer | {word[: LENGTHS[0]] for word in words}


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
