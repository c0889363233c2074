"""A process asks at its start what its promises stand on, and a command tells all of it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deploy.local import Backend, LocalServers, Servers
from services.composition.process import connections, run_workers
from shared import service as service_module
from shared.settings import Settings
from tests.harness import DEADLINE_S, bench, stop, until, until_ready


async def test_a_process_warns_at_its_start_of_what_weakens_a_promise(local: LocalServers, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    async with bench(local) as on:
        worker = on.pantry("worker", "conversion", log=log, PANTRY_LOG_LEVEL="warning", PANTRY_LOG_FORMAT="json")
        try:

            async def warned() -> bool:
                return "promises.weakened" in log.read_text()

            await until(warned, "the warning")
            assert stop(worker) == 0
        finally:
            worker.kill()
    told = log.read_text()
    assert "replicas is 1: acknowledged events are lost with a broker" in told
    assert ("idempotent producer is off" in told) is (not local.servers.idempotence)


async def test_of_embedded_servers_that_it_started_itself_a_process_does_not_warn(
    local: LocalServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    async def warn(*_: Any, idempotence: bool) -> None:
        asked.append(idempotence)

    async def once() -> bool:
        return len(asked) == 1

    monkeypatch.setattr(service_module, "warn", warn)
    async with bench(local) as on:
        async with run_workers(on.settings, replace(on.to, embedded=False), ["conversion"]):
            await until(once, "the question")
        async with run_workers(on.settings, replace(on.to, embedded=True), ["conversion"]) as service:
            await until_ready(service)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("broker", "database", "embedded"),
    [
        (Backend.EMBEDDED, Backend.EMBEDDED, True),
        (Backend.NAMED, Backend.EMBEDDED, False),
        (Backend.EMBEDDED, Backend.NAMED, False),
        (Backend.NAMED, Backend.NAMED, False),
    ],
)
def test_servers_are_embedded_only_if_both_were_started_so(broker: Backend, database: Backend, embedded: bool) -> None:  # noqa: FBT001
    found = Servers("127.0.0.1:9092", "mongodb://127.0.0.1:27017/", broker, database)
    to = connections(Settings(), found)
    assert (to.embedded, to.embedded_broker) == (embedded, broker is Backend.EMBEDDED)


async def test_the_command_tells_what_was_found_and_ends_with_1_where_something_is_weak(
    local: LocalServers, tmp_path: Path
) -> None:
    log = tmp_path / "told"
    async with bench(local) as on:
        assert on.pantry("doctor", log=log).wait(DEADLINE_S) == 1
    told = log.read_text()
    assert "PANTRY_TOPIC_REPLICATION=3" in told
    if local.servers.broker is Backend.APACHE:
        assert "min.insync.replicas=2 on these topics" in told
        assert "unknown" not in told
