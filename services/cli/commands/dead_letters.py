"""`pantry deadletter`: list records that no handler could use, and replay them when fixed."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from services.cli.common import UsageError, answering_broker, console
from shared.kafka import replay
from shared.kafka.dead_letter import DeadLetterRecord
from shared.settings import Settings

deadletter_app = cyclopts.App(name="deadletter", help="Records that no handler could use.")
_out = console()


@deadletter_app.command(name="list")
def deadletter_list(*, reason: str | None = None) -> None:
    """List dead letters; `--reason` shows those with that x-reason only."""
    dead_letters = asyncio.run(replay.read_dead_letters(answering_broker(Settings())))
    table = Table("id", "failed at", "reason", "topic", "consumer", "detail")
    for dead_letter in dead_letters:
        if reason in (None, dead_letter.header("x-reason")):
            columns = ("x-failed-at", "x-reason", "x-topic", "x-consumer", "x-detail")
            table.add_row(dead_letter.id, *(escape(dead_letter.header(name)) for name in columns))
    if reason and dead_letters and not table.row_count:
        there = ", ".join(sorted({dead_letter.header("x-reason") for dead_letter in dead_letters}))
        raise UsageError(f"no dead letter has the reason {reason}; there are {there}")
    _out.print(table)


@deadletter_app.command(name="show")
def deadletter_show(letter_id: str) -> None:
    """Show one dead letter: its headers, then its value as it came."""
    dead_letter = _find(asyncio.run(replay.read_dead_letters(answering_broker(Settings()))), letter_id)
    for name, value in dead_letter.record.headers:
        _out.print(f"{name}: {value.decode(errors='replace')}", markup=False, highlight=False)
    sys.stdout.flush()
    sys.stdout.buffer.write((dead_letter.record.value or b"") + b"\n")


@deadletter_app.command(name="replay")
def deadletter_replay(
    *letter_ids: str,
    everything: Annotated[bool, Parameter(name="--all")] = False,
    reason: str | None = None,
    value: Path | None = None,
) -> None:
    """Send dead letters back to the topics they came from.

    Parameters
    ----------
    letter_ids
        Which ones, as `list` names them.
    everything
        All of them.
    reason
        All with that x-reason.
    value
        A file with the mended record, to send instead of the one letter named.

    """
    kafka = answering_broker(Settings())
    dead_letters = asyncio.run(replay.read_dead_letters(kafka))
    if letter_ids:
        chosen = [_find(dead_letters, letter_id) for letter_id in letter_ids]
    elif everything or reason:
        chosen = [dead_letter for dead_letter in dead_letters if everything or dead_letter.header("x-reason") == reason]
    else:
        raise UsageError("say which: ids as `pantry deadletter list` shows them, --reason WORD, or --all")
    if value is not None and len(chosen) != 1:
        raise UsageError("--value mends one letter; name exactly one")
    sent = asyncio.run(replay.replay(kafka, chosen, value.read_bytes() if value else None))
    _out.print(f"replayed {sent}")


def _find(dead_letters: list[DeadLetterRecord], letter_id: str) -> DeadLetterRecord:
    for dead_letter in dead_letters:
        if dead_letter.id == letter_id:
            return dead_letter
    raise UsageError(f"there is no dead letter {letter_id}")
