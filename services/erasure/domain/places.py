"""The registry of collections with data of a lead, and what an erasure does there.

It also lists collections that only refer to a lead.

A new collection must be here: a test fails if one is missing. Topics have such data too: Kafka deletes a record when
the retention of its topic ends, and no sooner (`schemas/topics.py`).
"""

from dataclasses import dataclass
from enum import StrEnum

from shared.mongo import names


class ErasureAction(StrEnum):
    """What an erasure does with a lead's documents in a collection."""

    DELETED = "deleted"
    STRIPPED = "stripped to what a redelivery, or its leaving the count, is recognised by"
    KEPT = "kept, for it holds no personal data"


@dataclass(frozen=True, slots=True)
class Place:
    """A collection: what it `holds` of a lead, and the erasure's `action`.

    `by` is the field that names the lead; None if the collection names none.
    """

    collection: str
    holds: str
    by: str | None
    action: ErasureAction


PLACES = (
    Place(names.LEADS, "the lead document", "_id", ErasureAction.DELETED),
    Place(names.IDENTITIES, "e-mail addresses; hashed phone + company + name", "leadIds", ErasureAction.DELETED),
    Place(names.CAPTURES, "each capture, and what differed from the lead", "leadId", ErasureAction.STRIPPED),
    Place(names.ACTIVITIES, "what was done and said, in words", "leadId", ErasureAction.DELETED),
    Place(names.ENROLMENTS, "what it was enrolled in, and why", "leadId", ErasureAction.DELETED),
    Place(names.STEPS, "rendered messages and their recipients", "leadId", ErasureAction.DELETED),
    Place(
        names.PENDING_EVENTS,
        "events that wait for it, as they came; commands end at once",
        "name",
        ErasureAction.DELETED,
    ),
    Place(names.TIMELINE, "which events touched it, in words and numbers", "leadId", ErasureAction.DELETED),
    Place(names.LEAD_ROWS, "words that it is found by; what it counts as", "_id", ErasureAction.STRIPPED),
    Place(names.TIMELINE_PENDING, "events that name no known lead yet, by their ids", None, ErasureAction.KEPT),
    Place(names.INSIGHTS, "rows on their way, until the lead's erasure is counted", None, ErasureAction.KEPT),
    Place(names.ROLLUPS, "numbers of leads", None, ErasureAction.KEPT),
    Place(names.PREDICTIONS, "how likely it converts, and by which facts", "_id", ErasureAction.DELETED),
    Place(names.MODELS, "what predictions are computed by: numbers, names of industries", None, ErasureAction.KEPT),
    Place(names.COMMANDS, "verdicts by the lead's id", "leadId", ErasureAction.KEPT),
    Place(
        names.ERASURE_MARKERS,
        "that it was erased: its id, peppered hashes of its names, what was refused there, how many shared an e-mail;"
        " a hash of the pepper",
        "leadId",
        ErasureAction.KEPT,
    ),
    Place(names.OWNERS, "numbers of open leads", None, ErasureAction.KEPT),
    Place(names.KEYS, "hashes of the channels' keys", None, ErasureAction.KEPT),
    Place(names.RATES, "requests a minute by key and by hash of an address, for minutes", None, ErasureAction.KEPT),
    Place(names.USERS, "who works with leads: names, roles, hashes of passwords", None, ErasureAction.KEPT),
    Place(names.SESSIONS, "hashes of their sessions' tokens, used sign-in links, for days", None, ErasureAction.KEPT),
    Place(names.REPLAYS, "which dead letters a user replayed, and when", None, ErasureAction.KEPT),
    Place(names.CONFIGURATION, "which configuration files are refused, and why", None, ErasureAction.KEPT),
    Place(names.RESCORING, "how far scoring is with changed rules", None, ErasureAction.KEPT),
)
