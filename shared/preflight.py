"""Preflight: reads the servers' settings, and warns of those that weaken a promise."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from schemas.base import ENVELOPE_LIMIT
from schemas.topics import DEADLETTER, TOPICS, Topic
from shared.domain.operations.guarantees import Facts, Promise, TopicState, judge_promises
from shared.errors import Transient
from shared.kafka.admin import admin_client
from shared.kafka.client import MAX_REQUEST_BYTES, Kafka
from shared.mongo.storage import Storage

_PATIENCE_S = 30.0
_log = structlog.get_logger()


async def read_promises(kafka: Kafka, storage: Storage, *, idempotence: bool) -> list[Promise]:
    """Return the state of each promise. Raises `BrokerUnavailable` or `Unavailable`."""
    topics = await _topics(kafka)
    nodes = await storage.nodes()
    missing = tuple(name for name in TOPICS if name not in {topic.name for topic in topics})
    reads = {"read_concern": storage.read_concern, "asked_to_read_from": storage.asked_to_read_from}
    return judge_promises(Facts(idempotence, tuple(topics), missing, storage.write_concern, nodes, **reads))


async def warn(kafka: Kafka, storage: Storage, *, idempotence: bool) -> None:
    """Log what weakens a promise, when a process starts. Never raises: logs if it can't check."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            checked = await read_promises(kafka, storage, idempotence=idempotence)
    except (Transient, TimeoutError) as error:
        _log.warning("promises.unknown", error=type(error).__name__)
        return
    weak = [f"{one.setting} is {one.found}: {one.harm}" for one in checked if one.holds is False]
    unknown = [one.setting for one in checked if one.holds is None]
    if weak or unknown:
        _log.warning("promises.weakened", weak=weak, unknown=unknown, check="pantry doctor")


async def _topics(kafka: Kafka) -> list[TopicState]:
    async with admin_client(kafka) as admin:
        described = {one["topic"]: one["partitions"] for one in await admin.describe_topics()}
        existing = [topic for topic in TOPICS.values() if topic.name in described]
        settings = await _settings(admin, existing)
    return [_state(topic, described[topic.name], settings.get(topic.name)) for topic in existing]


async def _settings(admin: AIOKafkaAdminClient, topics: Sequence[Topic]) -> Mapping[str, Mapping[str, str]]:
    """Return the settings by topic, without topics that the broker does not describe."""
    resources = [ConfigResource(ConfigResourceType.TOPIC, topic.name) for topic in topics]
    try:
        # aiokafka has no types for answers.
        answers: list[Any] = await admin.describe_configs(resources) if resources else []
    except (KafkaError, OSError):  # without the right to describe topics, the rest is still of use
        return {}
    found: dict[str, Mapping[str, str]] = {}
    for answer in answers:
        for error, _, _, name, entries, *_ in answer.resources:
            if not error and entries:
                found[name] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found


def _state(
    topic: Topic, partitions: Sequence[Mapping[str, Sequence[int]]], settings: Mapping[str, str] | None
) -> TopicState:
    return TopicState(
        name=topic.name,
        replicas=min((len(one["replicas"]) for one in partitions), default=0),
        settings=settings,
        retention_ms=topic.retention_ms,
        largest_bytes=MAX_REQUEST_BYTES if topic is DEADLETTER else ENVELOPE_LIMIT,
    )
