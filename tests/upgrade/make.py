"""Make a dump of what this commit writes: `python -m tests.upgrade.make FILE`, before documents change their shape.

Some 60 strangers go through the funnel beside the cast. In the end some events wait for their lead, some were handled
by the first workers only, and some by none.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from deploy.local import Backend, LocalServers
from services.composition.workers import TOPICS_OF, WORKERS
from shared.kafka.reading import lag
from tests.faults.load import Feeder
from tests.harness import Bench, bench, until
from tests.upgrade import cast, keeping

_PEOPLE, _SEED = 60, 16
# Who waits for a lead in the dump goes on waiting, however old the dump is.
_TTL_S = 10 * 365 * 86_400.0
_DATED = """
  - id: dated
    name: With a date
    steps:
      - {id: hello, delay: 0, action: email, template: welcome}
      - id: by_date
        delay: 20
        action: email
        template: check_in
        conditions: [{field: createdAt, operator: less_than, value: 2030-01-01T00:00:00Z}]
      - {id: after, delay: 21, action: email, template: check_in}

templates:
"""
_DATED_FIRST = """
select:
  - sequence: dated
    conditions: [{field: contact.lastName, operator: equals, value: Dated}]
"""


def sequences(directory: Path) -> Path:
    """The usual sequences, and one with a date in a condition."""
    usual = Path("deploy/config/sequences.yaml").read_text()
    file = directory / "sequences.yaml"
    file.write_text(usual.replace("\nselect:\n", _DATED_FIRST).replace("\ntemplates:\n", _DATED))
    return file


async def through(on: Bench, *names: str) -> None:
    """Wait until these workers have committed all that their topics hold."""

    async def done() -> bool:
        lags = [await lag(on.to.kafka, f"pantry.{name}", TOPICS_OF[name]) for name in names]
        return not any(any(one.values()) for one in lags)

    await until(done, "everything committed", every_s=1)


async def make(path: Path, directory: Path) -> None:
    """Live a while on embedded servers, and keep what they hold then."""
    with LocalServers(Backend.EMBEDDED, directory / "servers") as local:
        async with bench(local) as on:
            settings = {"sequences_file": sequences(directory), "orphan_ttl": _TTL_S}
            async with on.running(**settings):
                feeder = Feeder(on.to.kafka.bootstrap, _SEED, _PEOPLE, directory / "ledger", with_strays=False)
                async with feeder:
                    await feeder.settled()
                for events in (cast.first_captures(), cast.later_events(), cast.last_events()):
                    await cast.publish(on, events)
                    await asyncio.sleep(5)
                    await through(on, *WORKERS)
                await asyncio.sleep(5)  # for steps that are due, scores to be computed again, figures
            await cast.publish(on, cast.half_done())
            async with on.running("capture", "qualification", **settings):
                await asyncio.sleep(2)
                await through(on, "capture", "qualification")
            await cast.publish(on, cast.unread())
            keeping.write(await keeping.taken(on), path)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(make(Path(sys.argv[1]).absolute(), Path(folder)))
