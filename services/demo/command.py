"""Run `pantry demo`: show live progress, then the reconciled figures."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.console import Console
from rich.live import Live
from rich.table import Table

from schemas.attributes import Attributes
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, UPDATE
from services.demo.feeding import WATCHED, FeedProgress, OutsideWorld
from services.demo.generator import generate
from services.demo.reconcile import Reconciliation, count_stored, reconcile
from shared.clock import system_clock
from shared.config import load_config
from shared.mongo.names import STEPS
from shared.mongo.storage import Storage
from shared.service import ServerConnections
from shared.settings import Settings

_PATIENCE_S = 60.0
_LOOK_S = 0.2
_REST_S = 10.0
_FED = (CAPTURED, ACTIVITIES, ENGAGEMENTS, QUALIFY, UPDATE, CONVERT, ERASE)


async def run_demo(  # noqa: PLR0913 - the command's options
    settings: Settings, to: ServerConnections, *, leads: int, seed: int, console: Console, as_json: bool = False
) -> bool:
    """Feed `leads` people through the running funnel; return whether all records reconcile.

    Events of unknown leads are fed only if they expire, and so have an outcome, while the demo runs.
    """
    watched = settings.orphan_ttl < _PATIENCE_S
    declared = load_config(settings.attributes_file, Attributes, settings.zone)
    scenario = generate(leads, seed, system_clock(), declared)
    storage = Storage(to.mongo, settings.mongo_database)
    try:
        before, began = await count_stored(storage), time.monotonic()
        with _live(console, quiet=as_json) as live:
            world = OutsideWorld(to.kafka, scenario, lambda p: live.update(_progress(p)), with_strays=watched)
            finished = await world.run(patience_s=_PATIENCE_S) and await _schedule_is_through(storage)
        seconds = time.monotonic() - began
        account = await _reconcile_at_rest(lambda: reconcile(to.kafka, storage, scenario, world.sent, before))
    finally:
        await storage.close()
    if as_json:
        console.print(account.as_json(), markup=False, highlight=False, soft_wrap=True)
    else:
        _show(console, account, len(world.sent), seconds, finished=finished)
    return account.reconciled


async def _schedule_is_through(storage: Storage) -> bool:
    """Wait until no nurture step is due; return False after the time limit."""
    for _ in range(round(_PATIENCE_S / _LOOK_S)):
        if not await storage.count(STEPS, {"wakeAt": {"$lte": system_clock() + timedelta(hours=1)}}):
            return True
        await asyncio.sleep(_LOOK_S)
    return False


async def _reconcile_at_rest(look: Callable[[], Awaitable[Reconciliation]]) -> Reconciliation:
    """Return the first account that reconciles, or the last one within the time limit.

    Workers delete the rows of an erased lead a moment after the erasure.
    """
    account, deadline = await look(), time.monotonic() + _REST_S
    while not account.reconciled and time.monotonic() < deadline:
        await asyncio.sleep(_LOOK_S)
        account = await look()
    return account


@contextmanager
def _live(console: Console, *, quiet: bool) -> Iterator[Live]:
    with Live(console=Console(quiet=True) if quiet else console, refresh_per_second=5, transient=True) as live:
        yield live


def _progress(progress: FeedProgress) -> Table:
    table = Table("sent", "", "published", "", title="Progress")
    rows = max(len(_FED), len(WATCHED))
    for row in range(rows):
        fed = _FED[row].name if row < len(_FED) else ""
        seen = WATCHED[row].name if row < len(WATCHED) else ""
        table.add_row(fed, str(progress.fed[fed]) if fed else "", seen, str(progress.seen[seen]) if seen else "")
    return table


def _show(console: Console, account: Reconciliation, records: int, seconds: float, *, finished: bool) -> None:
    table = Table("", "expected", "in Kafka", "in MongoDB", "", title="Expected and stored")
    for line in account.lines:
        shown = ["-" if value is None else f"{value:,}" for value in (line.expected, line.kafka, line.mongodb)]
        table.add_row(line.what, *shown, "[green]agrees[/]" if line.agrees else "[red bold]DIFFERS[/]")
    console.print(table)
    for title, counts in (("dead letters", account.bad_by_reason), ("rejections", account.rejected_by_reason)):
        console.print(f"{title}: " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    if account.late:
        console.print(f"{account.late} more dead letters than expected: events that waited too long for their leads")
    console.print("disguises: " + "; ".join(f"{name} {count}" for name, count in sorted(account.disguises.items())))
    console.print(
        f"{records:,} records in {seconds:.1f} s; {account.repeated} events published twice under the same id"
    )
    if not finished:
        console.print(f"[red]no progress for {_PATIENCE_S:.0f} s: not every record has an outcome[/]")
    verdict = "[green bold]Every record is accounted for.[/]" if account.reconciled else "[red bold]Not reconciled.[/]"
    console.print(verdict)
