"""Who may do what at Kafka and at MongoDB: the least that each process needs, and nothing besides.

Kafka's rights follow from what the topics say of their producers and what the workers read. MongoDB's stand here, and
tests compare them with what the processes do.
"""

from collections.abc import Iterator, Mapping

from schemas.topics import DEADLETTER, TOPICS
from services.catalogue import TOPICS_OF
from shared import collections as c
from shared.domain.access import Acl, Operation, Resource

GATEWAY, OPERATIONS, SETUP = "gateway", "operations", "setup"
PROCESSES = (*TOPICS_OF, GATEWAY, OPERATIONS, SETUP)
"""Each has a user of its own: every worker, the gateway, who looks after all of it (`pantry deadletter`, `keys`, …),
and who prepares the servers (`pantry topics apply`, `pantry indexes apply`)."""

_ANY = ""
_WAITS = {c.ORPHANS: "find insert update remove", c.IDENTITIES: "find", c.TOMBSTONES: "find"}
"""What each worker needs whose events wait for a lead that nobody knows yet."""
_COMMANDED = {c.COMMANDS: "find insert update", c.LEADS: "find update", c.ACTIVITIES: "insert", **_WAITS}
_LOOKS = dict.fromkeys((c.LEADS, c.ACTIVITIES, c.STEPS, c.INSIGHTS, c.ROLLUPS, c.PREDICTIONS), "find")

_ACTIONS: Mapping[str, Mapping[str, str]] = {
    "capture": {
        # It takes back what it stored after an erasure.
        c.LEADS: "find insert update remove",
        c.CAPTURES: "find insert update",
        c.IDENTITIES: "find insert update remove",
        c.TOMBSTONES: "find",
    },
    "scoring": {c.LEADS: "find update", c.RESCORING: "find insert update"},
    "assignment": {c.LEADS: "find update", c.OWNERS: "find insert update", c.TOMBSTONES: "find"},
    "engagement": {c.LEADS: "find update", c.ACTIVITIES: "find insert update remove", **_WAITS},
    "qualification": _COMMANDED,
    "nurture": {c.LEADS: "find", **dict.fromkeys((c.ENROLMENTS, c.STEPS), "find insert update remove")},
    "conversion": _COMMANDED,
    "erasure": {
        **_WAITS,
        c.COMMANDS: "find insert update",
        c.LEADS: "find remove",
        c.CAPTURES: "find insert update",
        c.IDENTITIES: "find update remove",
        c.TOMBSTONES: "find insert update",
        c.ROWS: "update",
        **dict.fromkeys((c.ACTIVITIES, c.ENROLMENTS, c.STEPS, c.TIMELINE, c.PREDICTIONS), "remove"),
    },
    "insights": {
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.COMMANDS, c.IDENTITIES), "find"),
        **dict.fromkeys((c.INSIGHTS, c.ROLLUPS, c.ROWS), "find insert update"),
        **dict.fromkeys((c.TIMELINE, c.UNPLACED), "find insert remove"),
    },
    "prediction": {
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.TIMELINE, c.INSIGHTS, c.ROLLUPS), "find"),
        **dict.fromkeys((c.PREDICTIONS, c.MODELS), "find insert update remove"),
    },
    GATEWAY: {
        **_LOOKS,
        **dict.fromkeys((c.TIMELINE, c.ROWS, c.MODELS, c.KEYS, c.PEOPLE), "find"),
        c.RATES: "find insert update",
        c.SESSIONS: "find insert update remove",
        c.REPLAYS: "find insert update",
    },
    OPERATIONS: {
        **_LOOKS,
        **dict.fromkeys((c.ENROLMENTS, c.RESCORING), "find"),
        # `pantry leads check --repair` renames what nobody can read.
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.COMMANDS, c.TIMELINE), "find update"),
        **dict.fromkeys((c.INSIGHTS, c.ROWS, c.KEYS, c.PEOPLE), "find insert update"),
        c.ROLLUPS: "find insert update remove",
        c.MODELS: "find insert update remove",
    },
    SETUP: {_ANY: "createIndex"},
}


def user_of(process: str) -> str:
    """The name of this process's user at Kafka and at MongoDB, and of its role there."""
    return f"pantry.{process}"


def actions(process: str) -> dict[str, tuple[str, ...]]:
    """What this process may do at MongoDB, by collection."""
    return {collection: tuple(words.split()) for collection, words in _ACTIONS[process].items()}


def reads(process: str) -> tuple[str, ...]:
    """The topics that this process reads."""
    others = {GATEWAY: (DEADLETTER.name,), OPERATIONS: tuple(TOPICS)}
    return TOPICS_OF.get(process) or others.get(process, ())


def writes(process: str) -> tuple[str, ...]:
    """The topics that this process writes."""
    if process == SETUP:
        return ()
    if process in TOPICS_OF:
        return tuple(name for name, topic in TOPICS.items() if {process, "every worker"} & set(topic.producers))
    # A dead letter goes back to whichever topic it came from, mended or not.
    back = {name for names in TOPICS_OF.values() for name in names}
    return tuple(name for name, topic in TOPICS.items() if name in back or process in topic.producers)


def acls(process: str) -> Iterator[Acl]:
    """What this process may do at Kafka."""
    user = user_of(process)
    for operation, names in ((Operation.READ, reads(process)), (Operation.WRITE, writes(process))):
        yield from (Acl(user, Resource.TOPIC, name, operation) for name in names)
    # Each process asks, as it begins, which topics there are and how they are kept: its promises stand on that.
    for operation in (
        Operation.DESCRIBE,
        Operation.DESCRIBE_CONFIGS,
        *((Operation.CREATE,) if process == SETUP else ()),
    ):
        yield from (Acl(user, Resource.TOPIC, name, operation) for name in TOPICS)
    if process in TOPICS_OF:
        yield Acl(user, Resource.GROUP, user, Operation.READ)
    if process == OPERATIONS:
        # `pantry lag` asks how far each worker is.
        yield from (Acl(user, Resource.GROUP, user_of(worker), Operation.DESCRIBE) for worker in TOPICS_OF)
