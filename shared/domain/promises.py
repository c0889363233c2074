"""What the servers' configuration makes of our promises: nothing acknowledged is lost, nothing happens twice."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MIN_IN_SYNC = 2
"""Replicas that must have an event before it counts as acknowledged: one may be away, and one may be lost."""

PRIMARY = "primary"

_SAFE_REPLICAS, _SAFE_NODES = 3, 3


@dataclass(frozen=True, slots=True)
class TopicState:
    """A topic as the broker keeps it; `settings` are Kafka's, and None where the broker doesn't tell them."""

    name: str
    replicas: int
    settings: Mapping[str, str] | None
    retention_ms: int
    """What `schemas.topics` asks for."""
    largest_bytes: int
    """The largest record that is ever published to it."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. `write_concern` is what we ask of the database; `nodes` are those of its replica set.

    Of nodes 0 means that it is no replica set, None that a sharded cluster does not tell. `asked_to_read_from` is the
    URL's read preference, which no read follows.
    """

    idempotence: bool
    topics: tuple[TopicState, ...]
    missing: tuple[str, ...]
    write_concern: Mapping[str, Any]
    nodes: int | None
    read_concern: str = "majority"
    asked_to_read_from: str = PRIMARY


@dataclass(frozen=True, slots=True)
class Promise:
    """A setting that a promise stands on: what was `found`, whether it `holds` (None: nobody tells), else the harm."""

    setting: str
    found: str
    holds: bool | None
    harm: str
    mend: str


def promises(facts: Facts) -> list[Promise]:
    """All that can be asked about, in the order that README has them."""
    return [*_publishing(facts), *_keeping(facts), *_storing(facts)]


def _publishing(facts: Facts) -> Iterator[Promise]:
    yield Promise("acks", "all", True, "", "")  # fixed in `shared.broker`, and asked of nobody
    yield Promise(
        "idempotent producer",
        "on" if facts.idempotence else "off",
        facts.idempotence,
        "an event that is sent again can stand in its topic twice, under one id, and out of order",
        "PANTRY_KAFKA_IDEMPOTENCE=true, on a broker that takes it",
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
        "a broker that is lost takes acknowledged events with it",
        f"PANTRY_TOPIC_REPLICATION={_SAFE_REPLICAS} before `pantry topics apply`",
        lambda topic: str(topic.replicas),
    )
    yield _setting(
        facts,
        "min.insync.replicas",
        lambda value, topic: MIN_IN_SYNC <= int(value) < max(topic.replicas, _SAFE_REPLICAS),
        "an event counts as acknowledged though one replica alone has it, or none may be away",
        f"min.insync.replicas={MIN_IN_SYNC} on these topics",
    )
    yield _setting(
        facts,
        "unclean.leader.election.enable",
        lambda value, _: value == "false",
        "a replica that lags may lead, and what it lacks is lost",
        "unclean.leader.election.enable=false",
    )
    yield _setting(
        facts,
        "cleanup.policy",
        lambda value, _: value == "delete",
        "the newest event of a key replaces those before it",
        "cleanup.policy=delete",
    )
    yield _setting(
        facts,
        "retention.ms",
        lambda value, topic: int(value) < 0 or int(value) >= topic.retention_ms,
        "a worker that is away for long finds events gone",
        "retention.ms as `schemas/topics.py` has it",
    )
    yield _setting(
        facts,
        "max.message.bytes",
        lambda value, topic: int(value) >= topic.largest_bytes,
        "a record too large to be published holds its partition up",
        "max.message.bytes as `pantry topics apply` sets it",
    )


def _storing(facts: Facts) -> Iterator[Promise]:
    asked = facts.write_concern
    yield Promise(
        "write concern",
        f"w={asked.get('w', 1)}",
        asked.get("w") == "majority" or facts.nodes == 1,
        "a node that is lost takes stored leads with it",
        "no `w=` in PANTRY_MONGO_URL: it is `majority` then",
    )
    yield Promise(
        "journal",
        f"j={str(bool(asked.get('j'))).lower()}",
        bool(asked.get("j")),
        "a database that is killed forgets what it had acknowledged",
        "no `journal=` in PANTRY_MONGO_URL: it is on then",
    )
    yield Promise(
        "read concern",
        facts.read_concern,
        facts.read_concern == "majority" or facts.nodes == 1,
        "a worker decides on what a new primary never had: two leads with one e-mail",
        "no `w=` in PANTRY_MONGO_URL: it is `majority` then",
    )
    yield Promise(
        "read preference",
        PRIMARY
        if facts.asked_to_read_from == PRIMARY
        else f"{PRIMARY}, not {facts.asked_to_read_from} as the URL asks",
        True,  # fixed in `shared.storage`
        "",
        "",
    )
    yield Promise(
        "database's nodes",
        "not told" if facts.nodes is None else str(facts.nodes or "no replica set"),
        None if facts.nodes is None else facts.nodes >= _SAFE_NODES,
        "a node that is lost takes the leads, or the majority, with it",
        f"a replica set of {_SAFE_NODES}",
    )


def _setting(facts: Facts, name: str, good: Any, harm: str, mend: str) -> Promise:
    """A setting of the topics, `good` by its value and the topic; unknown where the broker doesn't tell it."""
    if any(topic.settings is None or name not in topic.settings for topic in facts.topics):
        return Promise(name, "not told", None, harm, mend)
    return _of_topics(
        facts,
        name,
        lambda topic: good(topic.settings[name], topic),
        harm,
        mend,
        lambda topic: topic.settings[name],
    )


def _of_topics(facts: Facts, name: str, good: Any, harm: str, mend: str, value: Any) -> Promise:  # noqa: PLR0913 - a rule's parts
    bad = [topic for topic in facts.topics if not good(topic)]
    shown = bad or facts.topics
    found = ", ".join(sorted({value(topic) for topic in shown}))
    where = f" ({', '.join(topic.name for topic in bad)})" if 0 < len(bad) < len(facts.topics) else ""
    return Promise(name, found + where, not bad, harm, mend)
