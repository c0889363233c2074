"""Many requests while the broker dies under them: what was accepted is there, what was not was told honestly."""

import asyncio
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from deploy.local import LocalServers
from schemas.topics import CAPTURED
from tests.builders import data
from tests.gateway import events, gateway_process, new_key
from tests.harness import Bench, bench, until

REQUESTS = int(os.environ.get("PANTRY_TEST_GATEWAY_REQUESTS", "4000"))
CONNECTIONS = 100
MEMORY_MB = 200


class Crowd:
    """A hundred connections that send captures until all are sent; each refusal is followed by the next capture."""

    def __init__(self, url: str, key: str) -> None:
        self._url, self._headers = f"{url}/v1/leads", {"authorization": f"Bearer {key}"}
        self._left = iter(range(REQUESTS))
        self.accepted: set[str] = set()
        self.statuses: Counter[int] = Counter()
        self.refused_honestly = True

    @property
    def done(self) -> int:
        return self.statuses.total()

    async def run(self) -> None:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS)
        async with aiohttp.ClientSession(connector=connector, headers=self._headers) as http:
            await asyncio.gather(*(self._send(http) for _ in range(CONNECTIONS)))

    async def _send(self, http: aiohttp.ClientSession) -> None:
        for number in self._left:
            body = data(email=f"g{number}@example.com")
            async with http.post(self._url, json=body, headers={"idempotency-key": f"request-{number}"}) as answer:
                self.statuses[answer.status] += 1
                if answer.status == 202:
                    self.accepted.add((await answer.json())["eventId"])
                else:
                    self.refused_honestly &= answer.status == 503 and "Retry-After" in answer.headers
                    await answer.read()
                    # As a client would, but sooner: the point is to have requests there when the broker is not.
                    await asyncio.sleep(random.uniform(0.05, 0.2))


def _memory_mb(pid: int) -> float:
    """Resident memory; Linux only."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


async def _kill_twice(on: Bench, crowd: Crowd) -> None:
    for share in (0.25, 0.6):
        await until(lambda share=share: _reached(crowd, share), "requests under way")  # type: ignore[misc]
        assert on.local.broker
        on.local.broker.kill()
        before = crowd.statuses[503]
        await until(lambda before=before: _more(crowd, before), "refusals while the broker is away")  # type: ignore[misc]
        await asyncio.to_thread(on.local.broker.start)


async def _reached(crowd: Crowd, share: float) -> bool:
    return crowd.done >= REQUESTS * share


async def _more(crowd: Crowd, before: int) -> bool:
    return crowd.statuses[503] > before


async def test_every_202_is_in_kafka_though_the_broker_is_killed_twice(
    own: LocalServers, figure: Callable[[str], None]
) -> None:
    if not own.servers.idempotence or own.broker is None:
        pytest.skip("killing the broker needs one that isn't memory-only")
    async with bench(own) as on:
        key = await new_key(on, per_minute=10**7)
        async with gateway_process(on, PANTRY_ACK_TIMEOUT_S="2") as (process, url):
            crowd = Crowd(url, key)
            memory = [_memory_mb(process.pid)]
            await asyncio.gather(crowd.run(), _kill_twice(on, crowd))
            memory.append(_memory_mb(process.pid))
        there = Counter(one.event.id for one in await events(on, CAPTURED))
        twice = sum(count > 1 for count in there.values())
        figure(f"{dict(crowd.statuses)}; {twice} of {len(there)} records twice; MiB before and after {memory}")
        assert crowd.done == REQUESTS
        assert crowd.refused_honestly
        assert crowd.accepted <= there.keys()
        assert crowd.statuses[202] == len(crowd.accepted) > REQUESTS / 4
        assert memory[1] - memory[0] < MEMORY_MB
