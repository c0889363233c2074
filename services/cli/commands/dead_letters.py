"""`pantry deadletter`: list, show and replay dead letters."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from services.cli.brokers import answering_broker
from services.cli.common import console
from shared.errors import UsageError
from shared.kafka import replay
from shared.kafka.dead_letter import DeadLetterRecord
from shared.settings import Settings

deadletter_app = cyclopts.App(name="deadletter", help="List, show and replay dead letters.")
_out = console()


@deadletter_app.command(name="list")
def deadletter_list(*, reason: str | None = None) -> None:
    """List the dead letters.

    Parameters
    ----------
    reason
        Only those with this x-reason.

    """
    dead_letters = asyncio.run(replay.read_dead_letters(answering_broker(Settings())))
    table = Table("id", "failed at", "reason", "topic", "consumer", "detail")
    for dead_letter in dead_letters:
        if reason in (None, dead_letter.header("x-reason")):
            columns = ("x-failed-at", "x-reason", "x-topic", "x-consumer", "x-detail")
            table.add_row(dead_letter.id, *(escape(dead_letter.header(name)) for name in columns))
    if reason and dead_letters and not table.row_count:
        there = ", ".join(sorted({dead_letter.header("x-reason") for dead_letter in dead_letters}))
        raise UsageError(f"no dead letter has the reason {reason}: the reasons are {there}")
    _out.print(table)


@deadletter_app.command(name="show")
def deadletter_show(id_: Annotated[str, Parameter(name="id")]) -> None:
    """Show one dead letter: its headers, then its value as it came.

    Parameters
    ----------
    id_
        The id of the dead letter, as `pantry deadletter list` shows it.

    """
    dead_letter = _find(asyncio.run(replay.read_dead_letters(answering_broker(Settings()))), id_)
    for name, value in dead_letter.record.headers:
        _out.print(f"{name}: {value.decode(errors='replace')}", markup=False, highlight=False)
    sys.stdout.flush()
    sys.stdout.buffer.write((dead_letter.record.value or b"") + b"\n")


@deadletter_app.command(name="replay")
def deadletter_replay(
    *ids: str,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    reason: str | None = None,
    value: Path | None = None,
) -> None:
    """Send dead letters back to the topics that they came from.

    Parameters
    ----------
    ids
        The ids of the dead letters, as `pantry deadletter list` shows them.
    everything
        Replay all dead letters.
    reason
        Replay all dead letters with this x-reason.
    value
        A file with the corrected record, to send instead of the named dead letter.

    """
    kafka = answering_broker(Settings())
    dead_letters = asyncio.run(replay.read_dead_letters(kafka))
    if ids:
        chosen = [_find(dead_letters, id_) for id_ in ids]
    elif everything or reason:
        chosen = [dead_letter for dead_letter in dead_letters if everything or dead_letter.header("x-reason") == reason]
    else:
        raise UsageError("choose dead letters: give ids from `pantry deadletter list`, --reason REASON, or --all")
    if value is not None and len(chosen) != 1:
        raise UsageError("--value replaces one dead letter: give exactly one id")
    sent = asyncio.run(replay.replay(kafka, chosen, value.read_bytes() if value else None))
    _out.print(f"replayed {sent} dead letters" if sent != 1 else "replayed 1 dead letter")


def _find(dead_letters: list[DeadLetterRecord], id_: str) -> DeadLetterRecord:
    for dead_letter in dead_letters:
        if dead_letter.id == id_:
            return dead_letter
    raise UsageError(f"there is no dead letter {id_}")
