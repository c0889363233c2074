"""A bad deploy does not drain a topic into the dead letter, and what can't be written there stays where it is."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local import LocalServers
from schemas.topics import DEADLETTER
from services.running import prepare, running
from tests.builders import data, event
from tests.harness import Bench, bench, until

_ONE_PARTITION = b"one-partition"


async def _publish(on: Bench, values: list[bytes]) -> None:
    await on.publish(values, keys=[_ONE_PARTITION] * len(values))


async def test_a_handler_that_fails_on_everything_stops_its_worker_and_a_mended_one_loses_nothing(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.capture import worker  # noqa: PLC0415 - the module whose function is broken below

    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a bug that every record meets")

    async with bench(local) as on:
        with monkeypatch.context() as bad_deploy:
            bad_deploy.setattr(worker, "_capture", broken)
            await _publish(on, [event(data(email=f"b{number}@example.com")) for number in range(120)])
            async with running(on.settings, on.to, ["capture"]) as service:
                await asyncio.wait_for(service.stopped.wait(), 120)
                assert "would go to the dead letter" in (await service.unready())["capture"]
                assert await service.stuck() == {}, "to start it again would not help"
        assert await on.records(DEADLETTER) == []
        async with on.running("capture"):

            async def all_there() -> bool:
                return await on.count("leads") == 120

            await until(all_there, "a lead of every record")


async def test_a_process_whose_only_worker_is_stopped_ends_with_1_and_can_be_told_to_let_them_through(
    local: LocalServers,
) -> None:
    bad = [b"not json %d" % number for number in range(60)]
    async with bench(local) as on:
        worker = on.process("capture")
        try:
            await _publish(on, bad)
            assert await asyncio.to_thread(worker.wait, 120) == 1
        finally:
            worker.kill()
        assert await on.records(DEADLETTER) == []
        async with on.running("capture", breaker_share=1.0, breaker_in_a_row=0):

            async def all_buried() -> bool:
                return len(await on.records(DEADLETTER)) == len(bad)

            await until(all_buried, "every record in the dead letter")


async def test_while_the_dead_letter_cannot_be_written_its_record_is_not_committed(
    local: LocalServers, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    async with bench(local) as on:
        await _delete(on, DEADLETTER.name)
        worker = on.pantry("worker", "capture", log=log, PANTRY_LOG_LEVEL="warning")
        try:
            await _publish(on, [event(data()), b"not json"])

            async def tried() -> bool:
                return "record.dead_lettered" in log.read_text()

            await until(tried, "the dead letter on its way")
        finally:
            worker.kill()
            worker.wait()
        await prepare(on.settings, on.to)
        async with on.running("capture"):

            async def buried() -> bool:
                return [record.value for record in await on.records(DEADLETTER)] == [b"not json"]

            await until(buried, "the record in the dead letter")


async def _delete(on: Bench, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=on.local.servers.kafka_bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([topic])

        async def gone() -> bool:
            return topic not in await admin.list_topics()

        await until(gone, f"{topic} deleted")
    finally:
        await admin.close()
