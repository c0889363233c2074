"""A worker as a process: it stops cleanly, and says how it is."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from deploy.local import Backend, LocalServers
from schemas.topics import DEADLETTER, TOPICS
from services.composition.process import prepare, run_workers, servers
from services.composition.workers import TOPICS_OF, WORKERS
from services.gateway.app import front
from shared.config import ConfigError
from shared.domain.stored.untyped import Document
from shared.kafka.admin import admin_client
from shared.kafka.reading import lag
from shared.mongo.connection import mongo_of
from shared.mongo.names import CollectionName
from shared.mongo.storage import Storage
from shared.service import WorkerProcess
from shared.settings import Settings
from tests.builders import data, event
from tests.gateway import SECRET
from tests.harness import DATABASE, bench, stop, until, until_ready


async def test_sigterm_finishes_the_batch_commits_and_ends_with_0(
    local: LocalServers, figure: Callable[[str], None]
) -> None:
    async with bench(local) as on:
        worker = on.process("capture")
        try:
            await on.publish([event(data(email=f"t{n}@example.com")) for n in range(3_000)])

            async def begun() -> bool:
                return await on.count("captures") > 0

            await until(begun, "the first captures")
            assert stop(worker) == 0
        finally:
            worker.kill()
        stored = await on.count("captures")
        behind = sum((await lag(on.to.kafka, "pantry.capture", TOPICS_OF["capture"])).values())
        figure(f"stopped after {stored} of 3000 captures, {behind} records behind")
        if local.servers.idempotence:  # the embedded broker doesn't tell the ends of partitions exactly
            assert behind == 3_000 - stored


async def test_nothing_outlasts_temporary_servers_and_the_data_folder_stays_as_it_was(tmp_path: Path) -> None:
    settings, name = (
        Settings(data_dir=tmp_path, kafka_bootstrap="nowhere:0", mongo_url=None),
        CollectionName[Document]("any"),
    )
    for temporary, before in ((False, 0), (True, 0), (True, 0), (False, 1)):
        with servers(settings, temporary=temporary) as found:
            storage = Storage(mongo_of(settings, found.mongo_url), DATABASE)
            assert await storage.count(name) == before
            await storage.put(name, [{"_id": "one"}])
            await storage.close()
    assert [file.name for file in (tmp_path / "temporary").iterdir()] == ["database.log"]


def test_temporary_servers_that_are_all_named_leave_the_data_of_others_alone(tmp_path: Path) -> None:
    """Then no lock keeps others out of the folder: another `demo` may have its servers there."""
    settings = Settings(data_dir=tmp_path, kafka_bootstrap="nowhere:0", mongo_url="mongodb://nowhere:0")
    theirs = tmp_path / "temporary" / "database" / "theirs"
    theirs.parent.mkdir(parents=True)
    theirs.touch()
    with servers(settings, temporary=True):
        assert theirs.exists()
    assert theirs.exists()


@pytest.mark.parametrize(("setting", "embedded", "takes"), [(None, 2_000, 10_000), (4_000, 4_000, 4_000)])
async def test_a_session_is_short_on_the_embedded_broker_or_takes_what_the_setting_says(
    local: LocalServers, setting: int | None, embedded: int, takes: int
) -> None:
    async with bench(local) as on:
        settings = on.settings.model_copy(update={"session_timeout_ms": setting})
        for is_embedded, milliseconds in ((True, embedded), (False, takes)):
            service = WorkerProcess(settings, replace(on.to, embedded_broker=is_embedded), [WORKERS["capture"]])
            assert service._session_ms == milliseconds
            await service.storage.close()


async def test_new_topics_have_few_partitions_on_the_embedded_broker_and_as_many_as_the_setting_says(
    own: LocalServers,
) -> None:
    if own.broker is None or own.servers.broker is not Backend.EMBEDDED:
        pytest.skip("only the embedded broker has a number of its own")
    async with bench(own) as on:
        for setting, number in ((None, 3), (5, 5)):
            await asyncio.to_thread(own.broker.kill)
            await asyncio.to_thread(own.broker.start)  # it has forgotten its topics
            await prepare(on.settings.model_copy(update={"topic_partitions": setting}), on.to)
            async with admin_client(on.to.kafka) as admin:
                found = await admin.describe_topics(list(TOPICS))
            wanted = {**dict.fromkeys(TOPICS, number), DEADLETTER.name: DEADLETTER.partitions}
            assert {one["topic"]: len(one["partitions"]) for one in found} == wanted


async def test_a_process_says_in_a_sentence_that_the_broker_takes_no_idempotent_producer(local: LocalServers) -> None:
    if local.servers.idempotence:
        pytest.skip("this broker takes one")
    async with bench(local) as on:
        with pytest.raises(ConfigError, match="set PANTRY_KAFKA_IDEMPOTENCE=false"):
            async with run_workers(on.settings, replace(on.to, idempotence=True), ("capture",)):
                pass


async def test_a_process_that_begins_while_the_broker_is_away_waits_for_it_and_ends_when_asked_to(
    own: LocalServers, tmp_path: Path
) -> None:
    if own.broker is None:
        pytest.skip("the broker is another's: it can't be killed")
    log, broker = tmp_path / "worker.log", own.broker

    async def waits() -> bool:
        return "service.waits" in log.read_text()

    async with bench(own) as on:
        await asyncio.to_thread(broker.kill)
        worker = on.pantry("worker", "capture", log=log, PANTRY_LOG_LEVEL="warning")
        try:
            await until(waits, "the worker's waiting")
            assert stop(worker) == 0
            worker = on.process("capture")
            await asyncio.to_thread(broker.start)
            await prepare(on.settings, on.to)  # the embedded broker has forgotten its topics
            await on.publish([event(data())])

            async def captured() -> bool:
                return await on.count("leads") == 1

            await until(captured, "the lead")
        finally:
            worker.kill()
            worker.wait()


async def test_health_readiness_and_metrics_answer(local: LocalServers) -> None:
    async with bench(local) as on, run_workers(on.settings, on.to, ["capture"]) as service:
        await on.publish([event(data())])

        def get(path: str) -> str:
            with urllib.request.urlopen(f"{service.http}{path}", timeout=10) as answer:  # noqa: S310 - our own server
                return str(answer.read().decode())

        async def accounted() -> bool:
            return 'pantry_records_total{outcome="handled",worker="capture"} 1.0' in await asyncio.to_thread(
                get, "/metrics"
            )

        await until(accounted, "the record on the account, which it is put on last of all")
        assert await on.count("leads") == 1
        assert json.loads(await asyncio.to_thread(get, "/healthz")) == {"status": "ok"}
        await until_ready(service)
        assert json.loads(await asyncio.to_thread(get, "/readyz")) == {"status": "ok"}
        metrics = await asyncio.to_thread(get, "/metrics")
    assert 'pantry_published_total{topic="leads.created",worker="capture"} 1.0' in metrics
    assert "faststream_received_messages_total" in metrics


async def _statuses(url: str | None, *paths: str) -> list[int]:
    async with aiohttp.ClientSession() as http:
        return [(await http.get(f"{url}{path}")).status for path in paths]


async def test_with_an_ops_port_health_and_metrics_answer_there_and_nowhere_else(local: LocalServers) -> None:
    probes = ("/healthz", "/readyz", "/metrics")
    async with bench(local) as on:
        settings = on.settings.model_copy(update={"ops_port": 0, "gateway_secret": SecretStr(SECRET)})
        async with run_workers(settings, on.to, (), front=front) as service:
            await until_ready(service)
            assert await _statuses(service.http, *probes, "/signin") == [404, 404, 404, 200]
            assert await _statuses(service.ops, *probes, "/signin") == [200, 200, 200, 404]
        async with run_workers(settings, on.to, ["assignment"]) as service:
            await until_ready(service)
            assert service.http == service.ops, "a process without a gateway listens on the ops port alone"
            assert await _statuses(service.ops, *probes) == [200, 200, 200]


async def test_work_on_rows_that_wait_does_not_hide_a_silent_consumer(local: LocalServers) -> None:
    async with bench(local) as on:
        service = WorkerProcess(on.settings, on.to, [WORKERS["conversion"]])
        service.metrics.lag.labels("conversion").set(5)
        service._advanced["conversion"] = time.time() - 120
        for part in service._pending["conversion"].isolation.parts([1]):
            async with part.trying():
                pass
            assert part.done
        assert await service.stuck() == {"conversion": "no progress for 120 s"}
        await service.storage.close()
