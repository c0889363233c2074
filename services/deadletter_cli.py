"""`pantry deadletter`: see what no handler could use, and send it back once whatever was wrong is mended."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.table import Table

from services import dead_letters
from services.terminal import Misused, broker_of
from shared.letters import DeadLetter
from shared.settings import Settings

deadletter_app = cyclopts.App(name="deadletter", help="Records that no handler could use.")
_out = Console()


@deadletter_app.command(name="list")
def deadletter_list(*, reason: str | None = None) -> None:
    """List dead letters; `--reason` shows those with that x-reason only."""
    letters = asyncio.run(dead_letters.read(broker_of(Settings())))
    table = Table("id", "failed at", "reason", "topic", "consumer", "detail")
    for letter in letters:
        if reason in (None, letter.header("x-reason")):
            columns = ("x-failed-at", "x-reason", "x-topic", "x-consumer", "x-detail")
            table.add_row(letter.id, *(letter.header(name) for name in columns))
    _out.print(table)


@deadletter_app.command(name="show")
def deadletter_show(letter_id: str) -> None:
    """Show one dead letter: its headers, then its value as it came."""
    letter = _find(asyncio.run(dead_letters.read(broker_of(Settings()))), letter_id)
    for name, value in letter.record.headers:
        _out.print(f"{name}: {value.decode(errors='replace')}", markup=False, highlight=False)
    sys.stdout.flush()
    sys.stdout.buffer.write((letter.record.value or b"") + b"\n")


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
    kafka = broker_of(Settings())
    letters = asyncio.run(dead_letters.read(kafka))
    if letter_ids:
        chosen = [_find(letters, letter_id) for letter_id in letter_ids]
    elif everything or reason:
        chosen = [letter for letter in letters if everything or letter.header("x-reason") == reason]
    else:
        raise Misused("say which: ids as `pantry deadletter list` shows them, --reason WORD, or --all")
    if value is not None and len(chosen) != 1:
        raise Misused("--value mends one letter; name exactly one")
    sent = asyncio.run(dead_letters.replay(kafka, chosen, value.read_bytes() if value else None))
    _out.print(f"replayed {sent}")


def _find(letters: list[DeadLetter], letter_id: str) -> DeadLetter:
    for letter in letters:
        if letter.id == letter_id:
            return letter
    raise Misused(f"there is no dead letter {letter_id}")
