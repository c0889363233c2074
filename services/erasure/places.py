"""The registry of every place that holds something of a lead, or refers to one, and what an erasure does there.

Whoever adds a collection adds it here: a test fails on one that is missing. Topics are places too: what stands in Kafka
goes when the retention of its topic ends, and not before (`schemas/topics.py`).
"""

from dataclasses import dataclass
from enum import StrEnum

from shared import collections


class Fate(StrEnum):
    """What becomes of a lead's documents in a collection when the lead is erased."""

    DELETED = "deleted"
    STRIPPED = "stripped to what a redelivery, or its leaving the count, is recognised by"
    KEPT = "kept, for it holds no personal data"


@dataclass(frozen=True, slots=True)
class Place:
    """A collection: what it `holds` of a lead, `by` which field it names the lead (None: not at all), and its fate."""

    collection: str
    holds: str
    by: str | None
    fate: Fate


PLACES = (
    Place(collections.LEADS, "the lead document", "_id", Fate.DELETED),
    Place(collections.IDENTITIES, "e-mail addresses; hashed phone + company + name", "leadIds", Fate.DELETED),
    Place(collections.CAPTURES, "each capture, and what differed from the lead", "leadId", Fate.STRIPPED),
    Place(collections.ACTIVITIES, "what was done and said, in words", "leadId", Fate.DELETED),
    Place(collections.ENROLMENTS, "what it was enrolled in, and why", "leadId", Fate.DELETED),
    Place(collections.STEPS, "messages as they were rendered, and whom to", "leadId", Fate.DELETED),
    Place(collections.ORPHANS, "events that wait for it, as they came; commands end at once", "name", Fate.DELETED),
    Place(collections.TIMELINE, "which events touched it, in words and numbers", "leadId", Fate.DELETED),
    Place(collections.ROWS, "words that it is found by; what it counts as", "_id", Fate.STRIPPED),
    Place(collections.UNPLACED, "events that name nobody yet, by their ids", None, Fate.KEPT),
    Place(collections.INSIGHTS, "rows on their way, until the lead's erasure is counted", None, Fate.KEPT),
    Place(collections.ROLLUPS, "numbers of leads", None, Fate.KEPT),
    Place(collections.PREDICTIONS, "how likely it converts, and by which facts", "_id", Fate.DELETED),
    Place(collections.MODELS, "what predictions are computed by: numbers, names of industries", None, Fate.KEPT),
    Place(collections.COMMANDS, "verdicts by the lead's id", "leadId", Fate.KEPT),
    Place(
        collections.TOMBSTONES,
        "that it was erased: its id, peppered hashes of its names, what was refused there",
        "leadId",
        Fate.KEPT,
    ),
    Place(collections.OWNERS, "numbers of open leads", None, Fate.KEPT),
    Place(collections.KEYS, "hashes of the channels' keys", None, Fate.KEPT),
    Place(collections.RATES, "requests a minute by key, and by keyed hash of an address, for minutes", None, Fate.KEPT),
    Place(collections.PEOPLE, "who works with leads: names, roles, hashes of passwords", None, Fate.KEPT),
    Place(collections.SESSIONS, "hashes of their sessions' tokens, used sign-in links, for days", None, Fate.KEPT),
    Place(collections.REPLAYS, "which dead letters were replayed, when and by whom", None, Fate.KEPT),
    Place(collections.RESCORING, "how far scoring is with changed rules", None, Fate.KEPT),
)
