"""The list of leads in pages: a page reads about as many rows as it has leads, however many match.

The database may collect all that a query finds before it applies a limit. So each read has a lower bound, which the
levels of a term give (`shared/domain/listing.py`).
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from pydantic import JsonValue

from services.gateway.leads.domain.date_ranges import BEGINNING
from services.gateway.leads.queries import public_lead
from services.gateway.web.middleware import UnreadableLead
from shared.domain.listing import LEVELS, SAMPLED, Question, at_level
from shared.domain.stored.insights_documents import LeadFacts
from shared.mongo.names import LEAD_ROWS, LEAD_WORDS, LEADS, CollectionName
from shared.mongo.storage import Storage

_READ_MAX = 400
"""The most rows of one read."""
_SEEN_MAX = 10_000
"""The most rows that a page looks at: it ends then, full or not, and the next one goes on."""


class _Found(TypedDict):
    """What is read of a row, or of a lead's words."""

    _id: str
    key: str
    counts: NotRequired[LeadFacts]
    words: NotRequired[str]


_ROWS, _WORDS = CollectionName[_Found](LEAD_ROWS), CollectionName[_Found](LEAD_WORDS)


@dataclass(frozen=True, slots=True)
class Page:
    """Leads, and the key after which more may follow. `unreadable`: ids of leads that can't be shown as stored."""

    leads: list[dict[str, JsonValue]]
    last: str | None
    unreadable: list[str]


async def find_page(storage: Storage, question: Question, upper: str, most: int, floor: str = BEGINNING) -> Page:
    """Return up to `most` leads that match the question and have a key from `floor` to below `upper`, newest first.

    A page can have fewer, or none, although more follow: if most rows that it looked at don't match.
    """
    rows, reached = await _matching(storage, question, upper, most + 1, floor)
    rest = reached if reached > floor else None
    leads = await storage.read(LEADS, [lead_id for lead_id, _ in rows[:most]])
    shown = {lead_id: _shown(leads[lead_id]) for lead_id, _ in rows[:most] if lead_id in leads}
    return Page(
        [one for one in shown.values() if one is not None],
        rows[most - 1][1] if len(rows) > most else rest,
        [lead_id for lead_id, one in shown.items() if one is None],
    )


async def _matching(
    storage: Storage, question: Question, upper: str, wanted: int, floor: str
) -> tuple[list[tuple[str, str]], str]:
    """Return the ids and keys of about `wanted` matching leads, and the key down to which they are complete."""
    terms = question.terms if question.filters or not question.words else ()
    ladders = [_Ladder(storage, _WORDS, "prefixes", one, (floor, upper)) for one in question.prefixes]
    ladders += [_Ladder(storage, _ROWS, "terms", one, (floor, upper)) for one in terms]
    found: list[tuple[str, str]] = []
    seen, part = 0, wanted
    while upper > floor and len(found) < wanted and seen < _SEEN_MAX:
        bounds = await asyncio.gather(*(one.bound(upper, part) for one in ladders))
        # The term that reaches down farthest is the rarest here.
        lower, rarest = min(zip(bounds, range(len(ladders)), strict=True))
        ladders, (rows, upper) = [ladders[rarest]], await ladders[rarest].read(lower, upper)
        seen += len(rows)
        found += await _fitting(storage, question, rows)
        # As many as have the missing ones, at the rate so far, and some more.
        part = min(_READ_MAX // 2, (wanted - len(found)) * seen * 5 // (4 * max(len(found), 1)) + 1)
    return found, upper


async def _fitting(storage: Storage, question: Question, rows: Sequence[_Found]) -> list[tuple[str, str]]:
    """Return the ids and keys of those that match the whole question."""
    found = list(rows)
    if question.words:
        lacking = [row["_id"] for row in found if "words" not in row]
        others = await storage.read(LEAD_WORDS, lacking, fields=("words",))
        words = {id_: one["words"] for id_, one in others.items() if "words" in one}
        found = [row for row in found if question.names(row.get("words") or words.get(row["_id"], ""))]
    if question.filters:
        lacking = [row["_id"] for row in found if "counts" not in row]
        counted = await storage.read(LEAD_ROWS, lacking, fields=("counts",))
        counts = {id_: one["counts"] for id_, one in counted.items() if "counts" in one}
        all_counts = [(row, row.get("counts") or counts.get(row["_id"])) for row in found]
        found = [row for row, one in all_counts if one is not None and question.fits(one)]
    return [(row["_id"], row["key"]) for row in found]


class _Ladder:
    """Steps down what one term finds, newest first. Each level gives the bounds for reading the one below it."""

    def __init__(
        self, storage: Storage, collection: CollectionName[_Found], field: str, term: str, between: tuple[str, str]
    ) -> None:
        self._storage, self._collection, self._field, self._term = storage, collection, field, term
        self._floor, upper = between
        self._keys: list[list[str]] = [[] for _ in range(LEVELS + 1)]
        self._reached = [upper] * (LEVELS + 1)
        """By level, the key down to which `_keys` are complete."""

    async def bound(self, upper: str, wanted: int, level: int = 1) -> str:
        """Return a key above which, and below `upper`, about `wanted` rows of the level below are."""
        if level > LEVELS:
            return self._floor
        keys, steps = self._keys[level], wanted // SAMPLED + 2
        keys[:] = [one for one in keys if one < upper]
        if len(keys) < steps and self._reached[level] > self._floor:
            lower = await self.bound(self._reached[level], steps, level + 1)
            rows, self._reached[level] = await self.read(lower, self._reached[level], level)
            keys += [row["key"] for row in rows if row["key"] < upper]
        return keys[steps - 1] if len(keys) >= steps else self._reached[level]

    async def read(self, lower: str, upper: str, level: int = 0) -> tuple[Sequence[_Found], str]:
        """Return rows of a level between these keys, newest first, and the key down to which they are complete."""
        # A row that an earlier release wrote has words in another form.
        fields = ("key",) if level else ("key", "words" if self._collection is _WORDS else "counts")

        async def find(*sort: tuple[str, int]) -> Sequence[_Found]:
            query = {self._field: at_level(self._term, level), "key": {"$gte": lower, "$lt": upper}}
            return await self._storage.find(self._collection, query, fields=fields, sort=sort, limit=_READ_MAX)

        # Sorting takes the embedded database longer than all else, and only a read that is cut off needs it.
        rows = await find()
        if len(rows) == _READ_MAX:
            rows = await find(("key", -1))
            # Rows may have left the term since the first read.
            return rows, rows[-1]["key"] if len(rows) == _READ_MAX else lower
        return sorted(rows, key=lambda row: row["key"], reverse=True), lower


def _shown(document: Mapping[str, object]) -> dict[str, JsonValue] | None:
    try:
        return public_lead(document)
    except UnreadableLead:
        return None
