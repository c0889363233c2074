"""Rights of each process at Kafka and MongoDB: the least that it needs.

Kafka's rights come from the topics' producers and the workers' topics. MongoDB's rights are here; tests compare them
with what the processes do.
"""

from collections.abc import Iterator, Mapping

from schemas.topics import DEADLETTER, TOPICS
from services.composition.workers import TOPICS_OF
from shared.domain.operations.server_rights import Acl, Operation, Resource
from shared.mongo import names as c

GATEWAY, OPERATIONS, SETUP = "gateway", "operations", "setup"
PROCESSES = (*TOPICS_OF, GATEWAY, OPERATIONS, SETUP)
"""Each has its own user: every worker, the gateway, operations (`pantry deadletter`, `keys`, …), and setup
(`pantry topics apply`, `pantry indexes apply`)."""

_ANY = ""
_PENDING = {c.PENDING_EVENTS: "find insert update remove", c.IDENTITIES: "find", c.ERASURE_MARKERS: "find"}
"""Rights of each worker with pending events."""
_COMMANDED = {c.COMMANDS: "find insert update", c.LEADS: "find update", c.ACTIVITIES: "insert", **_PENDING}
_CONFIGURED = {c.CONFIGURATION: "insert update remove"}
"""Rights of each worker with a configuration file: it reports there which files it refused."""
_READS_LEADS = dict.fromkeys((c.LEADS, c.ACTIVITIES, c.STEPS, c.INSIGHTS, c.ROLLUPS, c.PREDICTIONS), "find")

_ACTIONS: Mapping[str, Mapping[str, str]] = {
    "capture": {
        # It deletes leads that it stored after their erasure.
        c.LEADS: "find insert update remove",
        c.CAPTURES: "find insert update",
        c.IDENTITIES: "find insert update remove",
        c.ERASURE_MARKERS: "find",
        **_CONFIGURED,
    },
    "scoring": {c.LEADS: "find update", c.RESCORING: "find insert update", **_CONFIGURED},
    "assignment": {c.LEADS: "find update", c.OWNERS: "find insert update", c.ERASURE_MARKERS: "find", **_CONFIGURED},
    "engagement": {c.LEADS: "find update", c.ACTIVITIES: "find insert update remove", **_PENDING, **_CONFIGURED},
    "qualification": _COMMANDED,
    "nurture": {c.LEADS: "find", **dict.fromkeys((c.ENROLMENTS, c.STEPS), "find insert update remove"), **_CONFIGURED},
    "conversion": _COMMANDED,
    "erasure": {
        **_PENDING,
        c.COMMANDS: "find insert update",
        c.LEADS: "find remove",
        c.CAPTURES: "find insert update",
        c.IDENTITIES: "find update remove",
        c.ERASURE_MARKERS: "find insert update",
        c.LEAD_ROWS: "update",
        **dict.fromkeys((c.ACTIVITIES, c.ENROLMENTS, c.STEPS, c.TIMELINE, c.PREDICTIONS), "remove"),
    },
    "insights": {
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.COMMANDS, c.IDENTITIES), "find"),
        **dict.fromkeys((c.INSIGHTS, c.ROLLUPS, c.LEAD_ROWS), "find insert update"),
        **dict.fromkeys((c.TIMELINE, c.TIMELINE_PENDING), "find insert remove"),
    },
    "prediction": {
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.TIMELINE, c.INSIGHTS, c.ROLLUPS), "find"),
        **dict.fromkeys((c.PREDICTIONS, c.MODELS), "find insert update remove"),
    },
    GATEWAY: {
        **_READS_LEADS,
        **dict.fromkeys((c.TIMELINE, c.LEAD_ROWS, c.MODELS, c.KEYS, c.USERS), "find"),
        # It shows the files that every process refused, and reads a configuration file itself.
        c.CONFIGURATION: "find insert update remove",
        c.RATES: "find insert update",
        c.SESSIONS: "find insert update remove",
        c.REPLAYS: "find insert update",
    },
    OPERATIONS: {
        **_READS_LEADS,
        **dict.fromkeys((c.ENROLMENTS, c.RESCORING), "find"),
        # `pantry leads check --repair` renames unreadable fields.
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.COMMANDS, c.TIMELINE), "find update"),
        **dict.fromkeys((c.INSIGHTS, c.LEAD_ROWS, c.KEYS, c.USERS), "find insert update"),
        c.ROLLUPS: "find insert update remove",
        c.MODELS: "find insert update remove",
    },
    # `pantry indexes apply` rewrites claims of earlier releases. A claim of phone + company + name is a hash: only the
    # texts of leads and captures show its current form.
    SETUP: {
        _ANY: "createIndex",
        c.LEADS: "find",
        c.CAPTURES: "find update",
        c.IDENTITIES: "find insert update remove",
    },
}


def user_of(process: str) -> str:
    """Return the name of this process's user at Kafka and MongoDB, and of its role there."""
    return f"pantry.{process}"


def mongo_actions(process: str) -> dict[str, tuple[str, ...]]:
    """Return the MongoDB actions that this process may do, by collection."""
    return {collection: tuple(words.split()) for collection, words in _ACTIONS[process].items()}


def reads(process: str) -> tuple[str, ...]:
    """Return the topics that this process reads."""
    others = {GATEWAY: (DEADLETTER.name,), OPERATIONS: tuple(TOPICS)}
    return TOPICS_OF.get(process) or others.get(process, ())


def writes(process: str) -> tuple[str, ...]:
    """Return the topics that this process writes."""
    if process in TOPICS_OF:
        return tuple(name for name, topic in TOPICS.items() if {process, "every worker"} & set(topic.producers))
    # A replay sends a dead letter back to its topic.
    back = {name for names in TOPICS_OF.values() for name in names} if process != SETUP else set()
    return tuple(name for name, topic in TOPICS.items() if name in back or process in topic.producers)


def acls(process: str) -> Iterator[Acl]:
    """Yield the Kafka rights of this process."""
    user = user_of(process)
    for operation, names in ((Operation.READ, reads(process)), (Operation.WRITE, writes(process))):
        yield from (Acl(user, Resource.TOPIC, name, operation) for name in names)
    # Each process checks at its start which topics exist and how Kafka keeps them (preflight).
    for operation in (
        Operation.DESCRIBE,
        Operation.DESCRIBE_CONFIGS,
        *((Operation.CREATE,) if process == SETUP else ()),
    ):
        yield from (Acl(user, Resource.TOPIC, name, operation) for name in TOPICS)
    if process in TOPICS_OF:
        yield Acl(user, Resource.GROUP, user, Operation.READ)
    if process == OPERATIONS:
        # `pantry lag` reads each worker's offsets.
        yield from (Acl(user, Resource.GROUP, user_of(worker), Operation.DESCRIBE) for worker in TOPICS_OF)
