"""The administration of Kafka: creates topics and ACLs."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.protocol.admin import CreateAclsRequest

from schemas.topics import DEADLETTER, Topic
from shared.domain.operations.guarantees import MIN_IN_SYNC
from shared.domain.operations.server_rights import Acl
from shared.kafka.broker_errors import broker_errors
from shared.kafka.client import MAX_REQUEST_BYTES, Kafka

# The parts of an ACL, by their numbers in Kafka's protocol.
_LITERAL, _ALLOW, _ANY_HOST = 3, 3, "*"


async def create_topics(
    kafka: Kafka, topics: Iterable[Topic], replication: int = 1, partitions: int | None = None
) -> list[str]:
    """Create the missing topics, change no others; return the names of the created.

    `partitions` is the number for each topic but the dead letter; None: each topic's own. Reads of the dead letter are
    bounded by partition, so it keeps its own number.

    Raises `BrokerUnavailable` if the broker refuses one: no right, or more replicas than brokers.
    """
    async with admin_client(kafka) as admin:
        there = set(await admin.list_topics())
        missing = [topic for topic in topics if topic.name not in there]
        if missing:
            # aiokafka has no types for answers.
            answer: Any = await admin.create_topics([_new(topic, replication, partitions) for topic in missing])
            for name, code, *_ in answer.topic_errors:
                # Another process may have created it in between.
                if code and for_code(code) is not TopicAlreadyExistsError:
                    raise for_code(code)(name)
        return [topic.name for topic in missing]


def _new(topic: Topic, replication: int, partitions: int | None) -> NewTopic:
    config = {"retention.ms": str(topic.retention_ms)}
    if replication > MIN_IN_SYNC:
        config["min.insync.replicas"] = str(MIN_IN_SYNC)
    number = partitions or topic.partitions
    if topic is DEADLETTER:
        config["max.message.bytes"], number = str(MAX_REQUEST_BYTES), topic.partitions
    return NewTopic(topic.name, number, replication, topic_configs=config)


async def create_acls(kafka: Kafka, acls: Iterable[Acl]) -> None:
    """Create these ACLs and keep others.

    Raises `BrokerUnavailable` without `Alter` on the cluster.
    """
    async with admin_client(kafka) as admin:
        answer: Any = await admin._send_request(_CreateAcls(acls))  # noqa: SLF001 - untyped: the client has no method for it
        for code, _ in answer.creation_responses:
            if code:
                raise for_code(code)


@asynccontextmanager
async def admin_client(kafka: Kafka) -> AsyncIterator[AIOKafkaAdminClient]:
    """Open an administration client. Its errors in the body are `BrokerUnavailable` too."""
    admin = AIOKafkaAdminClient(**kafka.options)
    with broker_errors():
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


class _CreateAcls(CreateAclsRequest):
    """All ACLs in one request. The client's own request has one ACL, which is slow."""

    def __init__(self, acls: Iterable[Acl]) -> None:
        self._acls = [
            (one.resource, one.name, _LITERAL, one.principal, _ANY_HOST, one.operation, _ALLOW) for one in acls
        ]

    def build(self, request_struct_class: type[Any]) -> Any:  # aiokafka has no types for it
        """Return the request for the wire. Only versions from 1 on name the pattern's kind."""
        return request_struct_class(self._acls)
