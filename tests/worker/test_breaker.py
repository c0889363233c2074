"""A bad deploy does not drain a topic into the dead letter, and what can't be written there stays where it is."""

import asyncio
import json
import os
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from prometheus_client import Gauge, generate_latest

from deploy.local import LocalServers
from schemas.topics import DEADLETTER
from services.composition.process import prepare, run_workers
from shared import service as service_module
from shared.kafka import replay
from shared.mongo.storage import Storage, Unavailable
from tests.builders import data, event
from tests.harness import DEADLINE_S, Bench, bench, until, until_ready
from tests.swapping import name_of

_ONE_PARTITION = b"one-partition"
_TWO_MINUTES_S = 120.0


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
            bad_deploy.setattr(worker, name_of(worker, worker._capture), broken)
            await _publish(on, [event(data(email=f"b{number}@example.com")) for number in range(120)])
            async with run_workers(on.settings, on.to, ["capture"]) as service:
                await asyncio.wait_for(service.stopped.wait(), 120)
                assert "the handler failed on 50 records in a row" in (await service.unready())["capture"]
                assert await service.stuck() == {}, "to start it again would not help"
        assert await on.records(DEADLETTER) == []
        async with on.running("capture"):

            async def all_there() -> bool:
                return await on.count("leads") == 120

            await until(all_there, "a lead of every record")


async def test_a_process_whose_only_worker_is_stopped_ends_with_1_and_can_be_told_to_let_them_through(
    local: LocalServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", f"{_bad_deploy(tmp_path)}:{os.environ.get('PYTHONPATH', '')}")
    async with bench(local) as on:
        worker = on.process("capture")
        try:
            values = [event(data(email=f"b{number}@example.com")) for number in range(60)]
            await _publish(on, values)
            assert await asyncio.to_thread(worker.wait, DEADLINE_S) == 1
        finally:
            worker.kill()
        assert await on.records(DEADLETTER) == []
        worker = on.pantry("worker", "capture", PANTRY_BREAKER_SHARE="1", PANTRY_BREAKER_IN_A_ROW="0")
        try:

            async def all_there() -> bool:
                return len(await on.records(DEADLETTER)) == len(values)

            await until(all_there, "every record in the dead letter")
        finally:
            worker.kill()
            worker.wait()


def _bad_deploy(folder: Path) -> Path:
    """A folder whose `sitecustomize` makes the capture worker fail on every record."""
    code = """
        from services.capture import worker

        def broken(*_):
            raise FileNotFoundError("a bug that every record meets")

        worker._capture = broken
    """
    (folder / "sitecustomize.py").write_text(dedent(code))
    return folder


async def test_one_producers_bad_records_stop_nobody_neither_at_once_nor_after_a_restart(local: LocalServers) -> None:
    values = [_scan(number) for number in range(400)]
    async with bench(local) as on:
        await _publish(on, values)
        async with run_workers(on.settings, on.to, ["capture"]) as service:
            await until(lambda: _are_through(on, 280, 120), "280 leads, and 120 dead letters")
            await until_ready(service)
            metrics = generate_latest(service.metrics.registry).decode()
        labels = 'reason="invalid_data",source="/scanners/7",worker="capture"'
        assert f"pantry_invalid_records_total{{{labels}}} 120.0" in metrics
        letters = await replay.read_dead_letters(on.to.kafka)
        assert {letter.header("x-source") for letter in letters} == {"/scanners/7"}
        await replay.replay(on.to.kafka, letters[:50])
        async with run_workers(on.settings, on.to, ["capture"]) as service:
            await _publish(on, [event(data(email="later@example.com"))])
            await until(lambda: _are_through(on, 281, 170), "the 50 that were replayed, and the one behind them")
            await until_ready(service)
            assert not service.stopped.is_set()


async def _are_through(on: Bench, leads: int, dead: int) -> bool:
    return await on.count("leads") == leads and len(await on.records(DEADLETTER)) == dead


def _scan(number: int) -> bytes:
    """What a scanner sends; of 30 % it read neither address nor phone."""
    scan = json.loads(event(data(email=f"s{number}@example.com"), source="/scanners/7"))
    if number % 10 < 3:
        del scan["data"]["contact"]["email"]
    return json.dumps(scan).encode()


async def test_a_worker_that_makes_no_progress_is_unready_and_blames_no_record_for_a_servers_state(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.capture import worker  # noqa: PLC0415 - the module whose function is broken below

    def no_primary(*_: Any) -> Any:
        raise Unavailable("NotPrimaryError code=10107")

    monkeypatch.setattr(service_module, "_MONITOR_S", 0.1)
    async with bench(local) as on:
        await _publish(on, [event(data(email=f"n{number}@example.com")) for number in range(9)])
        async with run_workers(on.settings, on.to, ["capture"]) as service:
            stuck, lag = service.metrics.stuck.labels("capture"), service.metrics.lag.labels("capture")
            progress = service._progress["capture"]

            async def behind(*_: Any) -> None:
                lag.set(99)

            with monkeypatch.context() as state:
                state.setattr(worker, name_of(worker, worker._capture), no_primary)
                await until(lambda: _holds(progress.stalled_s > 0), "a batch in hand")
                progress._clock = lambda: time.monotonic() + _TWO_MINUTES_S

                async def told() -> bool:
                    return "no record of the batch in hand" in (await service.unready()).get("capture", "")

                await until(told, "a worker that is not ready")
                await until(lambda: _is(stuck, 1.0), "the alarm")
                # Without records behind the batch in hand, the monitor itself would call the worker live.
                state.setattr(service, "_measure", behind)
                await until(lambda: _is(lag, 99.0), "the lag")
                service._advanced["capture"] -= _TWO_MINUTES_S

                async def live() -> bool:
                    return not await service.stuck()

                await until(live, "a worker that goes round: to start it again would not help")

            async def all_there() -> bool:
                return await on.count("leads") == 9

            await until(all_there, "a lead of every record")
            await until(lambda: _is(stuck, 0.0), "the alarm's end")
            await until_ready(service)
        assert await on.records(DEADLETTER) == []


async def _holds(fact: bool) -> bool:  # noqa: FBT001 - what `until` waits for is asked anew each time
    return fact


async def _is(gauge: Gauge, value: float) -> bool:
    return float(gauge._value.get()) == value


async def test_a_database_that_is_away_longer_than_all_tries_dead_letters_nothing(
    own: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    if own.database is None:
        pytest.skip("the database is another's: it can't be killed")
    monkeypatch.setitem(Storage.__init__.__kwdefaults__ or {}, "timeout_ms", 300)
    async with bench(own) as on, run_workers(on.settings, on.to, ["capture"]) as service:
        await asyncio.to_thread(own.database.kill)
        await _publish(on, [event(data(email=f"w{number}@example.com")) for number in range(30)])
        voided = service.metrics.retries.labels("capture")

        async def long() -> bool:
            return float(voided._value.get()) > 15

        await until(long, "more tries than any record has")
        await asyncio.to_thread(own.database.start)

        async def all_there() -> bool:
            return await on.count("leads") == 30

        await until(all_there, "a lead of every record")
        assert await on.records(DEADLETTER) == []


async def test_while_the_dead_letter_cannot_be_written_its_record_is_not_committed(
    local: LocalServers, tmp_path: Path
) -> None:
    log = tmp_path / "worker.log"
    async with bench(local) as on:
        await _delete(on, DEADLETTER.name)
        worker = on.pantry("worker", "capture", log=log, PANTRY_LOG_LEVEL="debug")
        try:
            await _publish(on, [event(data()), b"not json"])

            async def tried() -> bool:
                return "dead_letters.publishing" in log.read_text()

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
