"""Rights of each process at Kafka and MongoDB: the least that it needs.

Kafka's rights come from the topics' producers and the workers' topics. MongoDB's rights are here, and a worker's in its
manifest; tests compare them with what the processes do.
"""

import json
from collections.abc import Iterator, Mapping

from schemas.topics import DEADLETTER, TOPICS
from services.composition.workers import MANIFESTS, TOPICS_OF
from shared.domain.operations.server_rights import Acl, Operation, Resource, RoleDocument, role
from shared.mongo import names as c

GATEWAY, OPERATIONS, SETUP = "gateway", "operations", "setup"
PROCESSES = (*TOPICS_OF, GATEWAY, OPERATIONS, SETUP)
"""Each has its own user: every worker, the gateway, operations (`pantry deadletter`, `keys`, …), and setup
(`pantry topics apply`, `pantry indexes apply`)."""

_ANY = ""
_READS_LEADS: Mapping[str, str] = dict.fromkeys(
    (c.LEADS, c.ACTIVITIES, c.STEPS, c.INSIGHTS, c.ROLLUPS, c.PREDICTIONS), "find"
)

_ACTIONS: Mapping[str, Mapping[str, str]] = {
    **{one.name: one.rights for one in MANIFESTS},
    GATEWAY: {
        **_READS_LEADS,
        # They show what became of an event.
        **dict.fromkeys((c.CAPTURES, c.COMMANDS, c.PENDING_EVENTS, c.OUTCOMES), "find"),
        # It exports all that is kept about a lead.
        **dict.fromkeys((c.EDITS, c.ENROLMENTS), "find"),
        **dict.fromkeys((c.TIMELINE, c.NOTES, c.LEAD_ROWS, c.LEAD_WORDS, c.TASKS, c.MODELS, c.KEYS, c.USERS), "find"),
        # It shows the files that every process refused, and reads a configuration file itself.
        c.CONFIGURATION: "find insert update remove",
        c.RATES: "find insert update",
        c.SESSIONS: "find insert update remove",
        c.REPLAYS: "find insert update",
    },
    OPERATIONS: {
        **_READS_LEADS,
        **dict.fromkeys((c.ENROLMENTS, c.EDITS, c.IDENTITIES, c.NOTES, c.TASKS, c.PENDING_EVENTS, c.RESCORING), "find"),
        # `pantry leads check --repair` renames unreadable fields.
        **dict.fromkeys((c.LEADS, c.CAPTURES, c.ACTIVITIES, c.COMMANDS, c.TIMELINE), "find update"),
        **dict.fromkeys((c.INSIGHTS, c.LEAD_ROWS, c.LEAD_WORDS, c.KEYS, c.USERS), "find insert update"),
        c.ROLLUPS: "find insert update remove",
        c.MODELS: "find insert update remove",
    },
    # `pantry indexes apply` rewrites claims of earlier releases. A claim of phone + company + name is a hash: only the
    # texts of leads and captures show its current form.
    SETUP: {
        _ANY: "createIndex dropIndex",
        c.LEADS: "find",
        c.CAPTURES: "find update",
        c.IDENTITIES: "find insert update remove",
    },
}


def kafka_acls() -> list[Acl]:
    """Return the Kafka rights of all processes, in one order."""
    return sorted(acl for process in PROCESSES for acl in acls(process))


def mongo_roles(database: str) -> list[RoleDocument]:
    """Return the `createRole` commands of all processes."""
    return [role(user_of(process), database, mongo_actions(process)) for process in PROCESSES]


def kafka_acls_text() -> str:
    """Return the rights at Kafka as options of `kafka-acls.sh`, one right per line."""
    return "".join(f"{acl.command}\n" for acl in kafka_acls())


def mongo_roles_text(database: str) -> str:
    """Return the roles at MongoDB as a JSON list, one role per line."""
    return "[" + ",\n ".join(json.dumps(one) for one in mongo_roles(database)) + "]\n"


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
    # A replay sends a dead letter back to its topic, which is never that of the dead letters.
    back = {name for names in TOPICS_OF.values() for name in names} - {DEADLETTER.name} if process != SETUP else set()
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
