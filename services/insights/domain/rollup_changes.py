"""Roll-ups: a lead's row, and the changes of buckets that bring counts up to date. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from hashlib import blake2b

from shared.domain.listing import attribute_terms, joined, key_of, on_levels, prefixes_of, terms_of, words_of
from shared.domain.rollups import counts_for, shift
from shared.domain.stored.insights_documents import (
    BucketDelta,
    LeadRow,
    LeadWords,
    PendingChanges,
    RowContent,
    ShardDocument,
    WordsContent,
)
from shared.domain.stored.lead_document import LeadDocument

SECTIONS = ("source", "status", "score", "company", "contact", "assignedTo", "attributes", "createdAt", "convertedAt")
"""The sections of a lead that its row is made of."""


def rollup_row(lead: LeadDocument, zone: tzinfo) -> RowContent:
    """Return a lead's row: its buckets, and the fields that the list filters by."""
    terms = terms_of(lead["status"], lead["source"], lead.get("assignedTo"), lead.get("score"))
    counts = counts_for(lead, zone)
    return {
        "counts": counts,
        "key": key_of(lead["createdAt"], lead["_id"]),
        "terms": on_levels(lead["_id"], terms | attribute_terms(counts.get("attributes", {}))),
        "named": _digest(words_of(lead)),
    }


def words_row(lead: LeadDocument) -> WordsContent:
    """Return a lead's words, and the prefixes that searches look up."""
    words = words_of(lead)
    return {
        "key": key_of(lead["createdAt"], lead["_id"]),
        "words": joined(words),
        "prefixes": on_levels(lead["_id"], prefixes_of(words)),
    }


def _digest(words: Iterable[str]) -> str:
    return blake2b(joined(words).encode(), digest_size=8).hexdigest()


@dataclass(slots=True)
class ShardUpdate:
    """A shard's next version: rows and words to store, and changes of buckets."""

    shard: str
    version: int
    generation: int
    new: list[LeadRow] = field(default_factory=list)
    rows: list[LeadRow] = field(default_factory=list)
    words: list[LeadWords] = field(default_factory=list)
    deltas: dict[str, Counter[str]] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether this version changes a row."""
        return bool(self.new or self.rows)

    @property
    def document(self) -> ShardDocument:
        """Return the shard's document with this version, not yet applied."""
        deltas: list[BucketDelta] = [
            {"bucket": bucket, "add": dict(added)} for bucket, added in self.deltas.items() if added
        ]
        pending: PendingChanges = {"new": self.new, "rows": self.rows, "words": self.words, "deltas": deltas}
        return {
            "_id": self.shard,
            "version": self.version,
            "generation": self.generation,
            "pending": pending if self.changes else None,
        }


def shard_updates(
    shards: Mapping[str, ShardDocument],
    of: Mapping[str, str],
    leads: Mapping[str, LeadDocument],
    rows: Mapping[str, LeadRow],
    zone: tzinfo,
) -> list[ShardUpdate]:
    """Return the updates that bring these leads' rows up to date. `of`: each lead's shard.

    A shard whose rows are up to date gets a version too: a frozen process that read its leads earlier must conflict.
    A deleted lead keeps a row that says so: a late write of an older version then finds a newer one.
    """
    found = {shard: ShardUpdate(shard, row["version"] + 1, row["generation"]) for shard, row in shards.items()}
    for lead_id, shard in of.items():
        _count(found[shard], lead_id, leads.get(lead_id), rows.get(lead_id), zone)
    return list(found.values())


def _count(step: ShardUpdate, lead_id: str, lead: LeadDocument | None, row: LeadRow | None, zone: tzinfo) -> None:
    fresh: RowContent | None = rollup_row(lead, zone) if lead else {"gone": True} if row else None
    # The buckets of this generation don't include what another generation counted.
    held = row if row and row["generation"] == step.generation else None
    if fresh is None or (held and _same(held, fresh)):
        return
    (step.rows if row else step.new).append({"_id": lead_id, "v": step.version, "generation": step.generation, **fresh})
    if held is None or held.get("named") != fresh.get("named") or not lead:
        content: WordsContent = words_row(lead) if lead else {}
        step.words.append({"_id": lead_id, "v": step.version, **content})
    for bucket, added in shift(held.get("counts") if held else None, fresh.get("counts")).items():
        step.deltas.setdefault(bucket, Counter()).update(added)


def _same(row: LeadRow, fresh: RowContent) -> bool:
    return {name: value for name, value in row.items() if name not in ("_id", "v", "generation")} == fresh


def add_counts(leads: Iterable[LeadDocument], zone: tzinfo, into: dict[str, Counter[str]]) -> None:
    """Add to `into` the counts that the buckets must have for these leads."""
    for lead in leads:
        for bucket, added in shift(None, counts_for(lead, zone)).items():
            into.setdefault(bucket, Counter()).update(added)
