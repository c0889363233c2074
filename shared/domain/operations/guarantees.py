"""Checks the servers' configuration: no acknowledged event is lost, nothing happens twice."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

MIN_IN_SYNC = 2
"""Replicas that must have an event to acknowledge it: one may be away, one may be lost."""

PRIMARY = "primary"

_SAFE_REPLICAS, _SAFE_NODES = 3, 3


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker describes it. `settings`: Kafka's; None if the broker hides them."""

    name: str
    replicas: int
    settings: Mapping[str, str] | None
    retention_ms: int
    """The retention that `schemas.topics` requires."""
    largest_bytes: int
    """The largest record that the product publishes to it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The servers' settings. `write_concern` is that of our writes.

    `nodes` counts the replica set's; 0: no replica set, None: a sharded cluster. `asked_to_read_from` is the URL's read
    preference, which no read follows.
    """

    idempotence: bool
    topics: tuple[TopicState, ...]
    missing: tuple[str, ...]
    write_concern: Mapping[str, object]
    nodes: int | None
    read_concern: str = "majority"
    asked_to_read_from: str = PRIMARY


@dataclass(frozen=True, slots=True)
class Promise:
    """A setting behind a promise: `found`, whether it `holds` (None: unknown), the harm."""

    setting: str
    found: str
    holds: bool | None
    harm: str
    fix: str


def judge_promises(facts: Facts) -> list[Promise]:
    """Return all settings behind promises, in the order of `deploy/docs/operations.md`."""
    return [*_publishing(facts), *_keeping(facts), *_storing(facts)]


def _publishing(facts: Facts) -> Iterator[Promise]:
    yield Promise("acks", "all", True, "", "")  # fixed in `shared.kafka.client`
    yield Promise(
        "idempotent producer",
        "on" if facts.idempotence else "off",
        facts.idempotence,
        "an event that is sent again can be in its topic twice, under the same id and out of order",
        "PANTRY_KAFKA_IDEMPOTENCE=true, on a broker that supports it",
    )


def _keeping(facts: Facts) -> Iterator[Promise]:
    yield Promise(
        "topics",
        f"{len(facts.topics)} of {len(facts.topics) + len(facts.missing)}",
        not facts.missing,
        f"nothing can be published to {', '.join(facts.missing)}",
        "pantry topics apply",
    )
    yield _of_topics(
        facts,
        "replicas",
        lambda topic: topic.replicas >= _SAFE_REPLICAS,
        "acknowledged events are lost with a broker",
        f"PANTRY_TOPIC_REPLICATION={_SAFE_REPLICAS} before `pantry topics apply`",
        lambda topic: str(topic.replicas),
    )
    yield _setting(
        facts,
        "min.insync.replicas",
        lambda value, topic: MIN_IN_SYNC <= int(value) < max(topic.replicas, _SAFE_REPLICAS),
        "an event counts as acknowledged with a single copy, or no replica may fail",
        f"min.insync.replicas={MIN_IN_SYNC} on these topics",
    )
    yield _setting(
        facts,
        "unclean.leader.election.enable",
        lambda value, _: value == "false",
        "a replica that lags may become the leader, and the events that it lacks are lost",
        "unclean.leader.election.enable=false",
    )
    yield _setting(
        facts,
        "cleanup.policy",
        lambda value, _: value == "delete",
        "the newest event of a key replaces the earlier ones",
        "cleanup.policy=delete",
    )
    yield _setting(
        facts,
        "retention.ms",
        lambda value, topic: int(value) < 0 or int(value) >= topic.retention_ms,
        "a worker that is down for long misses events",
        "retention.ms as in `schemas/topics.py`",
    )
    yield _setting(
        facts,
        "max.message.bytes",
        lambda value, topic: int(value) >= topic.largest_bytes,
        "a record that is too large to publish blocks its partition",
        "max.message.bytes as `pantry topics apply` sets it",
    )


def _storing(facts: Facts) -> Iterator[Promise]:
    asked = facts.write_concern
    yield Promise(
        "write concern",
        f"w={asked.get('w', 1)}",
        asked.get("w") == "majority" or facts.nodes == 1,
        "stored leads are lost with a node",
        "no `w=` in PANTRY_MONGO_URL, which means `majority`",
    )
    yield Promise(
        "journal",
        f"j={str(bool(asked.get('j'))).lower()}",
        bool(asked.get("j")),
        "a database that is killed loses writes that it acknowledged",
        "no `journal=` in PANTRY_MONGO_URL, which turns it on",
    )
    yield Promise(
        "read concern",
        facts.read_concern,
        facts.read_concern == "majority" or facts.nodes == 1,
        "a worker decides by data that a new primary never had: two leads with one e-mail",
        "no `w=` in PANTRY_MONGO_URL, which means `majority`",
    )
    yield Promise(
        "read preference",
        PRIMARY
        if facts.asked_to_read_from == PRIMARY
        else f"{PRIMARY}, not {facts.asked_to_read_from} as the URL says",
        True,  # fixed in `shared.mongo.storage`
        "",
        "",
    )
    yield Promise(
        "database's nodes",
        "not visible" if facts.nodes is None else str(facts.nodes or "no replica set"),
        None if facts.nodes is None else facts.nodes >= _SAFE_NODES,
        "the leads, or the majority, are lost with a node",
        f"a replica set of {_SAFE_NODES}",
    )


def _setting(facts: Facts, name: str, good: Callable[[str, TopicState], bool], harm: str, fix: str) -> Promise:
    """Check a setting of all topics by `good(value, topic)`; unknown if the broker hides it."""
    if any(topic.settings is None or name not in topic.settings for topic in facts.topics):
        return Promise(name, "not visible", None, harm, fix)
    return _of_topics(
        facts,
        name,
        lambda topic: good((topic.settings or {})[name], topic),
        harm,
        fix,
        lambda topic: (topic.settings or {})[name],
    )


def _of_topics(  # noqa: PLR0913 - a rule's parts
    facts: Facts,
    name: str,
    good: Callable[[TopicState], bool],
    harm: str,
    fix: str,
    value: Callable[[TopicState], str],
) -> Promise:
    bad = [topic for topic in facts.topics if not good(topic)]
    shown = bad or facts.topics
    found = ", ".join(sorted({value(topic) for topic in shown}))
    where = f" ({', '.join(topic.name for topic in bad)})" if 0 < len(bad) < len(facts.topics) else ""
    return Promise(name, found + where, not bad, harm, fix)
