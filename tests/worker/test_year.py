"""The year of history of `pantry up --demo` goes through the workers once, and no account of a demo counts it."""

import pytest

from deploy.local import LocalServers
from schemas.lead import Status
from schemas.topics import ASSIGNED, CONVERTED, ENROLLED, REJECTED
from services.demo.reconcile import count_stored
from services.demo.year import end_of_year, generate_year
from services.demo.year_loading import YearLoading
from shared.clock import system_clock
from shared.kafka.reading import publishing
from tests import collection_names as c
from tests.harness import Killed, bench, told, until, until_told

LEADS = 60


async def test_a_year_is_loaded_once_and_a_restart_loads_what_is_missing(local: LocalServers) -> None:
    def die(_: int) -> None:
        raise Killed

    async with bench(local) as on, on.running(), publishing(on.to.kafka, idempotence=False) as publish:
        before = await count_stored(on.storage)
        with pytest.raises(Killed):
            await YearLoading(on.storage, publish, on.settings, system_clock, die).run(LEADS)
        assert 0 < await on.count(c.LEADS) < LEADS
        through: list[int] = []
        loading = YearLoading(on.storage, publish, on.settings, system_clock, through.append)
        assert await loading.run(LEADS)
        assert not await loading.run(LEADS)
        assert sum(through) == 2 * LEADS
        leads = await on.storage.find(c.LEADS, {}, sort=[("createdAt", 1)])
        year = generate_year(LEADS, end_of_year(leads[0]["createdAt"]))
        assert [one["createdAt"] for one in leads] == [one.at for one in year]
        await until_told(on, CONVERTED, sum(one.outcome.status is Status.CONVERTED for one in year))

        async def counted() -> bool:
            return await on.count(c.LEAD_ROWS, {"counts": {"$exists": True}}) == LEADS

        await until(counted, "the figures of the year")
        assert [await told(on, topic) for topic in (ASSIGNED, ENROLLED, REJECTED)] == [[], [], []]
        assert await count_stored(on.storage) == before
