"""`pantry import`: leads in a file that a spreadsheet, a badge scanner or another CRM wrote."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiokafka.errors import KafkaError
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.prompt import Confirm
from rich.table import Table as Grid

from schemas.lead import Source
from services import imports
from services.gateway import fields
from services.gateway.batches import Terms
from services.gateway.tables import Table, Unreadable
from services.imports import Plan, Reject
from services.terminal import Misused, broker_of
from shared.broker import Kafka
from shared.events import Outgoing
from shared.log import publishing
from shared.settings import Settings

_out = Console()
_EXAMPLE_MAX = 40
_TOLD_MAX = 10


def import_file(  # noqa: PLR0913 - a command's options, each by name
    file: Path,
    *,
    mapped: Annotated[tuple[str, ...], Parameter(name="--map", negative=())] = (),
    sheet: str | None = None,
    source: Source | None = None,
    channel: str | None = None,
    zone: str = "UTC",
    yes: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    rejects: Path | None = None,
) -> None:
    """Import leads from a CSV file or a workbook (XLSX, XLS, ODS). Importing a file twice changes nothing.

    Rows that can't be used go to a CSV file with the reasons beside them: mend them there and import that file.

    Parameters
    ----------
    file
        The file; its columns may be called and ordered as they like.
    mapped
        HEADER=PATH: what a column holds, where the guess is wrong; `HEADER=` leaves it out. Can be repeated.
    sheet
        The workbook's sheet; otherwise the first with a header.
    source
        The source of rows that name none.
    channel
        Where the leads come from, for their provenance; otherwise the file's name.
    zone
        The time zone of times without one, as "America/Chicago".
    yes
        Import without asking.
    dry_run
        Show what would happen; publish and write nothing.
    rejects
        Where rejected rows go, otherwise FILE.rejects.csv; no such file of before is overwritten.

    """
    settings = Settings()
    kafka = None if dry_run else broker_of(settings)
    if rejects and rejects.resolve() == file.resolve():
        raise Misused("--rejects names the file that is imported; name another")
    table = _opened(file, sheet)
    mapping = _mapping(table.headers, mapped)
    terms = Terms(settings.region, source, imports.changed_at(file), _zone(zone))
    _show(table, mapping)
    if kafka and not yes:
        _confirm()
    plan = Plan(table, mapping, terms, f"/imports/{quote(channel or file.name.partition('.')[0], safe='')}")
    rejected = asyncio.run(_import(plan, kafka, idempotence=bool(settings.kafka_idempotence)))
    _tell(plan, rejected, published="published" if kafka else "could be published")
    if rejected and kafka:
        _keep(rejects or imports.free_name(file), table, rejected)
    if rejected:
        sys.exit(1)


def _opened(file: Path, sheet: str | None) -> Table:
    try:
        return imports.open_table(file, sheet)
    except Unreadable as error:
        raise Misused(str(error)) from None


def _mapping(headers: Sequence[str], given: Sequence[str]) -> dict[str, str]:
    fixed = {}
    for one in given:
        header, equals, path = one.rpartition("=")
        if not equals or header not in headers:
            raise Misused(f"--map {one}: name a column of the file, as HEADER=PATH")
        if path and not fields.is_target(path):
            raise Misused(f"--map {one}: there is no {path}; there are {', '.join(fields.TARGETS)} and context.NAME")
        fixed[header] = path
    return {header: path for header, path in fields.guess(headers, fixed).items() if path}


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise Misused(f"--zone {name}: name a time zone, as America/Chicago") from None


def _show(table: Table, mapping: Mapping[str, str]) -> None:
    grid = Grid("column", "becomes", "example")
    for at, header in enumerate(table.headers):
        example = next(filter(None, (cell for row in table.rows for cell in row.cells[at : at + 1])), "")
        grid.add_row(escape(header), escape(mapping.get(header, "(left out)")), escape(example[:_EXAMPLE_MAX]))
    _out.print(grid)


def _confirm() -> None:
    if not sys.stdin.isatty():
        raise Misused("there is no terminal to confirm this at: look at it with --dry-run, then say --yes")
    if not Confirm.ask("Import it like this?", console=_out, default=False):
        raise Misused("nothing was imported")


async def _import(plan: Plan, kafka: Kafka | None, *, idempotence: bool) -> list[Reject]:
    with Progress(console=_out, transient=True) as progress:
        task = progress.add_task("importing", total=len(plan.table.rows))

        def advance(rows: int) -> None:
            progress.advance(task, rows)

        if kafka is None:
            return await imports.run(plan, _nowhere, advance)
        try:
            async with publishing(kafka, idempotence=idempotence) as publish:
                return await imports.run(plan, publish, advance)
        except KafkaError as error:
            told = f"the broker did not take everything ({type(error).__name__})"
            raise Misused(f"{told}: import the file again, what it took counts once") from None


async def _nowhere(_: Sequence[Outgoing]) -> None:
    """Publish nothing."""


def _tell(plan: Plan, rejected: Sequence[Reject], *, published: str) -> None:
    for one in rejected[:_TOLD_MAX]:
        _say(f"line {one.row.line}: {one.reasons}")
    if len(rejected) > _TOLD_MAX:
        _say(f"and {len(rejected) - _TOLD_MAX} more")
    read = len(plan.table.rows)
    _say(f"read {read} = {read - len(rejected)} {published} + {len(rejected)} rejected")


def _keep(target: Path, table: Table, rejected: Sequence[Reject]) -> None:
    try:
        imports.write_rejects(target, table, rejected)
    except OSError as error:
        told = f"{target} can't be written: {error.strerror}"
        raise Misused(f"{told}; import the file again with --rejects, what is published counts once") from None
    _say(f"the rejected rows are in {target}: mend them there and import that file")


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)
