"""The registry of collections: their names, owners, and what an erasure does with a lead's data in them.

A new collection must be in `COLLECTIONS`: a test fails if one is missing. Topics have data of a lead too: Kafka deletes
a record when the retention of its topic ends, and no sooner (`schemas/topics.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from shared.domain.stored.access_documents import (
    ApiKeyDocument,
    RateDocument,
    ReplayDocument,
    SessionDocument,
    UserDocument,
)
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.command_documents import PendingEventDocument, VerdictDocument
from shared.domain.stored.configuration_documents import RefusedFileDocument
from shared.domain.stored.identity_documents import CaptureRow, ErasureMarker, IdentityClaim
from shared.domain.stored.insights_documents import (
    InsightsMeta,
    LeadRow,
    LeadWords,
    OutcomeRow,
    RollupBucket,
    ShardDocument,
    TimelinePendingRow,
    TimelineRow,
)
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import EnrolmentDocument, StepDocument
from shared.domain.stored.prediction_documents import JobRow, ModelDocument, PredictionRow
from shared.domain.stored.sales_documents import EditRow, NoteRow
from shared.domain.stored.task_document import TaskDocument
from shared.domain.stored.work_documents import OwnerDocument, RescoringDocument

D = TypeVar("D", bound=Mapping[str, object])
"""The type of a collection's documents."""
D_co = TypeVar("D_co", bound=Mapping[str, object], covariant=True)
"""The same, of a name: a collection of leads is also one of mappings."""


class CollectionName(str, Generic[D_co]):
    """The name of a collection with documents of type `D_co`."""

    __slots__ = ()


AnyCollection = CollectionName[Mapping[str, object]]
"""The name of a collection, whatever its documents are."""


LEADS = CollectionName[LeadDocument]("leads")
CAPTURES = CollectionName[CaptureRow]("captures")
IDENTITIES = CollectionName[IdentityClaim]("identities")
ACTIVITIES = CollectionName[ActivityRow]("activities")
EDITS = CollectionName[EditRow]("edits")
NOTES = CollectionName[NoteRow]("notes")
COMMANDS = CollectionName[VerdictDocument]("commands")
OWNERS = CollectionName[OwnerDocument]("owners")
ENROLMENTS = CollectionName[EnrolmentDocument]("enrolments")
STEPS = CollectionName[StepDocument]("nurture_steps")
TASKS = CollectionName[TaskDocument]("tasks")
PENDING_EVENTS = CollectionName[PendingEventDocument]("orphans")
RESCORING = CollectionName[RescoringDocument]("rescoring")
ERASURE_MARKERS = CollectionName[ErasureMarker]("tombstones")
INSIGHTS = CollectionName[ShardDocument]("insights")
INSIGHTS_META = CollectionName[InsightsMeta](INSIGHTS)
"""The one row of `insights` that is no shard."""
ROLLUPS = CollectionName[RollupBucket]("rollups")
LEAD_ROWS = CollectionName[LeadRow]("lead_rows")
LEAD_WORDS = CollectionName[LeadWords]("lead_words")
TIMELINE = CollectionName[TimelineRow]("timeline")
TIMELINE_PENDING = CollectionName[TimelinePendingRow]("unplaced")
OUTCOMES = CollectionName[OutcomeRow]("outcomes")
PREDICTIONS = CollectionName[PredictionRow]("predictions")
MODELS = CollectionName[ModelDocument]("models")
MODEL_JOBS = CollectionName[JobRow](MODELS)
"""The rows of `models` that are no model."""
KEYS = CollectionName[ApiKeyDocument]("api_keys")
RATES = CollectionName[RateDocument]("rate_limits")
USERS = CollectionName[UserDocument]("people")
SESSIONS = CollectionName[SessionDocument]("sessions")
REPLAYS = CollectionName[ReplayDocument]("replays")
CONFIGURATION = CollectionName[RefusedFileDocument]("configuration")


class ErasureAction(StrEnum):
    """What an erasure does with a lead's documents in a collection."""

    DELETED = "deleted"
    STRIPPED = "stripped to what a redelivery, or its leaving the count, is recognised by"
    KEPT = "kept, for it holds no personal data"


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection: the service that owns it, what it `holds` of a lead, and the erasure's `action`.

    The owner creates the documents and their indexes; "shared": several services do, by the functions of `shared`.
    `by` is the field that names the lead; None if the collection names none.
    """

    name: AnyCollection
    owner: str
    holds: str
    by: str | None
    action: ErasureAction


COLLECTIONS = (
    Collection(LEADS, "capture", "the lead document", "_id", ErasureAction.DELETED),
    Collection(
        IDENTITIES, "capture", "e-mail addresses; hashed phone + company + name", "leadIds", ErasureAction.DELETED
    ),
    Collection(CAPTURES, "capture", "each capture, and what differed from the lead", "leadId", ErasureAction.STRIPPED),
    Collection(ACTIVITIES, "engagement", "what was done and said, in words", "leadId", ErasureAction.DELETED),
    Collection(EDITS, "qualification", "former values of its fields", "leadId", ErasureAction.DELETED),
    Collection(NOTES, "qualification", "what sales people wrote about it", "leadId", ErasureAction.DELETED),
    Collection(ENROLMENTS, "nurture", "what it was enrolled in, and why", "leadId", ErasureAction.DELETED),
    Collection(STEPS, "nurture", "rendered messages and their recipients", "leadId", ErasureAction.DELETED),
    Collection(TASKS, "tasks", "its tasks: titles, outcomes, people who do them", "leadId", ErasureAction.DELETED),
    Collection(
        PENDING_EVENTS,
        "shared",
        "events that wait for it, as they came; commands end at once",
        "name",
        ErasureAction.DELETED,
    ),
    Collection(TIMELINE, "insights", "which events touched it, in words and numbers", "leadId", ErasureAction.DELETED),
    Collection(LEAD_ROWS, "insights", "what it counts as", "_id", ErasureAction.STRIPPED),
    Collection(LEAD_WORDS, "insights", "words that it is found by", "_id", ErasureAction.STRIPPED),
    Collection(
        TIMELINE_PENDING, "insights", "events that name no known lead yet, by their ids", None, ErasureAction.KEPT
    ),
    Collection(
        OUTCOMES,
        "insights",
        "which activities were its, by a hash of source and id; which events are dead letters",
        "leadId",
        ErasureAction.KEPT,
    ),
    Collection(
        INSIGHTS, "insights", "rows on their way, until the lead's erasure is counted", None, ErasureAction.KEPT
    ),
    Collection(ROLLUPS, "insights", "numbers of leads", None, ErasureAction.KEPT),
    Collection(PREDICTIONS, "prediction", "how likely it converts, and by which facts", "_id", ErasureAction.DELETED),
    Collection(
        MODELS, "prediction", "what predictions are computed by: numbers, names of industries", None, ErasureAction.KEPT
    ),
    Collection(COMMANDS, "shared", "verdicts by the lead's id", "leadId", ErasureAction.KEPT),
    Collection(
        ERASURE_MARKERS,
        "erasure",
        "that it was erased: its id, peppered hashes of its names, what was refused there, how many shared an e-mail;"
        " a hash of the pepper",
        "leadId",
        ErasureAction.KEPT,
    ),
    Collection(OWNERS, "assignment", "numbers of open leads", None, ErasureAction.KEPT),
    Collection(KEYS, "gateway", "hashes of the channels' keys", None, ErasureAction.KEPT),
    Collection(
        RATES, "gateway", "requests a minute by key and by hash of an address, for minutes", None, ErasureAction.KEPT
    ),
    Collection(USERS, "gateway", "who works with leads: names, roles, hashes of passwords", None, ErasureAction.KEPT),
    Collection(
        SESSIONS, "gateway", "hashes of their sessions' tokens, used sign-in links, for days", None, ErasureAction.KEPT
    ),
    Collection(REPLAYS, "gateway", "which dead letters a user replayed, and when", None, ErasureAction.KEPT),
    Collection(CONFIGURATION, "shared", "which configuration files are refused, and why", None, ErasureAction.KEPT),
    Collection(RESCORING, "scoring", "how far scoring is with changed rules", None, ErasureAction.KEPT),
)
