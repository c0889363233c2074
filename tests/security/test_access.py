"""Logins and rights really asked for: Apache Kafka by SASL/SCRAM over TLS, with ACLs."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    for_code,
)
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest

from deploy.local.secured import ADMINISTRATOR, Certificates, secured_kafka
from schemas.topics import TOPICS
from services.composition.permissions import OPERATIONS, PROCESSES, SETUP, acls, reads, user_of, writes
from services.composition.workers import TOPICS_OF
from shared.kafka.admin import create_acls, create_topics
from shared.kafka.broker_errors import BrokerUnavailable
from shared.kafka.client import Kafka
from tests.harness import until
from tests.security.secured import (
    PASSWORDS,
    certified,
    kafka_as,
    needs_kafka,
)

GROUPS = frozenset(map(user_of, TOPICS_OF))


@asynccontextmanager
async def administering(kafka: Kafka) -> AsyncIterator[Any]:
    admin = AIOKafkaAdminClient(**kafka.options)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def written(kafka: Kafka) -> set[str]:
    """The topics that take a record of this user's, by a producer like the workers'."""
    found: set[str] = set()
    producer = AIOKafkaProducer(**kafka.options, acks="all", enable_idempotence=True)
    try:
        await producer.start()
        for name in TOPICS:
            if await passes(producer.send_and_wait(name, b"a record", partition=0)):
                found.add(name)
    except ClusterAuthorizationFailedError:
        return set()  # who may write nowhere gets no idempotent producer
    finally:
        await producer.stop()
    return found


async def read(admin: AIOKafkaAdminClient) -> set[str]:
    """The topics that this user gets records of."""
    wanted = [(name, [(0, 0, 1_000)]) for name in TOPICS]
    answer: Any = await admin._send_request(FetchRequest(0, 0, 1_000_000, 0, wanted))
    got = {name: (for_code(code), data) for name, ((_, code, *_, data),) in answer.topics}
    assert got.keys() == TOPICS.keys()
    assert {error.__name__ for error, _ in got.values()} <= {"NoError", "TopicAuthorizationFailedError"}
    return {name for name, (error, data) in got.items() if error is not TopicAuthorizationFailedError and data}


async def joined(admin: AIOKafkaAdminClient) -> set[str]:
    """The groups that this user may be a member of: an unknown one is told so, a stranger nothing."""
    answers: dict[str, Any] = {name: await admin._send_request(HeartbeatRequest(name, 1, "nobody")) for name in GROUPS}
    return {name for name, one in answers.items() if for_code(one.error_code) is not GroupAuthorizationFailedError}


async def seen(admin: AIOKafkaAdminClient) -> set[str]:
    """The groups whose offsets this user may ask for."""
    answers: dict[str, Any] = {name: await admin._send_request(OffsetFetchRequest(name, None)) for name in GROUPS}
    return {name for name, one in answers.items() if for_code(one.error_code) is not GroupAuthorizationFailedError}


async def made(admin: AIOKafkaAdminClient) -> set[str]:
    """The topics that this user may make; all are there by now."""
    answer: Any = await admin.create_topics([NewTopic(name, 1, 1) for name in TOPICS])
    return {name for name, code, *_ in answer.topic_errors if for_code(code) is not TopicAuthorizationFailedError}


async def deleted(admin: AIOKafkaAdminClient) -> set[str]:
    """The topics that this user may delete."""
    answer: Any = await admin.delete_topics(list(TOPICS))
    return {name for name, code, *_ in answer.topic_error_codes if for_code(code) is not TopicAuthorizationFailedError}


async def passes(act: Awaitable[Any]) -> bool:
    """Whether Kafka lets this user do it; any other failure is one of the test."""
    try:
        await act
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        return False
    except BrokerUnavailable as error:
        if not isinstance(error.__cause__, ClusterAuthorizationFailedError):
            raise
        return False
    return True


@pytest.mark.usefixtures("over_tls")
async def test_nobody_is_let_in_without_a_name_and_each_process_may_do_what_the_table_says_and_no_more(
    request: pytest.FixtureRequest, tmp_path: Path, figure: Callable[[str], None]
) -> None:
    needs_kafka(request.config)
    files = certified(tmp_path / "files")
    with secured_kafka(tmp_path / "kafka", files, PASSWORDS) as bootstrap:
        await _strangers_are_refused(bootstrap, files, certified(tmp_path / "others").ca)
        root = kafka_as(ADMINISTRATOR, bootstrap, files.ca)
        await create_acls(root, [acl for process in PROCESSES for acl in acls(process)])
        await create_topics(kafka_as(user_of(SETUP), bootstrap, files.ca), TOPICS.values())
        await until(lambda: _holds_all(root), "a record in each topic")
        checked = sum(
            [await _matrix(process, kafka_as(user_of(process), bootstrap, files.ca)) for process in PROCESSES]
        )
        figure(
            f"{len(PROCESSES)} users, {len(TOPICS)} topics, {len(GROUPS)} groups: {checked} attempts as the table says"
        )


async def _holds_all(root: Kafka) -> bool:
    # Apache Kafka refuses records for a second or two after it said that the topics are made.
    try:
        return await written(root) == TOPICS.keys()
    except KafkaError:
        return False


async def _matrix(process: str, me: Kafka) -> int:
    """Try everything as this process; return how many attempts that were."""
    others = GROUPS if process == OPERATIONS else {user_of(process)} & GROUPS
    async with administering(me) as admin:
        assert await read(admin) == set(reads(process)), process
        assert await written(me) == set(writes(process)), process
        assert await joined(admin) == {user_of(process)} & GROUPS, process
        assert await seen(admin) == others, process
        assert set(await admin.list_topics()) & TOPICS.keys() == TOPICS.keys(), process
        assert await made(admin) == (TOPICS.keys() if process == SETUP else set()), process
        assert not await deleted(admin), process
    assert not await passes(create_acls(me, list(acls(process))[:1])), process
    return 5 * len(TOPICS) + 2 * len(GROUPS) + 1


async def _strangers_are_refused(bootstrap: str, files: Certificates, other_ca: Path) -> None:
    user = user_of("capture")
    strangers: dict[str, dict[str, Any]] = {
        "a wrong password": {"kafka_password": "wrong"},
        "a user whom nobody knows": {"kafka_username": "pantry.nobody"},
        "another mechanism": {"kafka_sasl_mechanism": "SCRAM-SHA-256"},
        "no name": {"kafka_security": "ssl", "kafka_username": None, "kafka_password": None},
        "no encryption": {"kafka_security": "sasl_plaintext", "kafka_ca_file": None},
        "trust in somebody else": {"kafka_ca_file": other_ca},
    }
    for what, others in strangers.items():
        with pytest.raises(KafkaConnectionError):
            async with administering(kafka_as(user, bootstrap, files.ca, **others)):
                pytest.fail(f"let in with {what}")
    async with administering(kafka_as(user, bootstrap, files.ca)) as admin:
        assert await admin.list_topics() == []
