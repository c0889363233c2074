"""A process asks at its start what its promises stand on, and a command tells all of it."""

from pathlib import Path

from deploy.local import Backend, LocalServers
from tests.harness import bench, stop, until


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
    assert "replicas is 1: a broker that is lost takes acknowledged events with it" in told
    assert ("idempotent producer is off" in told) is (not local.servers.idempotence)


async def test_the_command_tells_what_was_found_and_ends_with_1_where_something_is_weak(
    local: LocalServers, tmp_path: Path
) -> None:
    log = tmp_path / "told"
    async with bench(local) as on:
        assert on.pantry("promises", log=log, COLUMNS="400").wait(60) == 1
    told = log.read_text()
    assert "PANTRY_TOPIC_REPLICATION=3" in told
    if local.servers.broker is Backend.APACHE:
        assert "min.insync.replicas=2 on these topics" in told
        assert "unknown" not in told
