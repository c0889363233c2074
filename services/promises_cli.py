"""The command `pantry promises`: what the servers' settings make of what is promised."""

import sys

from rich.console import Console
from rich.table import Table

from services.running import connections
from services.terminal import named, with_storage
from shared.domain.promises import Promise
from shared.promises import ask
from shared.settings import Settings

_VERDICTS = {True: "[green]holds[/]", False: "[red bold]weak[/]", None: "[yellow]unknown[/]"}


def promises() -> None:
    """Ask the servers for the settings that our promises stand on; exit status 1 when one of them is weak."""
    settings = Settings()
    to = connections(settings, named(settings))
    asked = with_storage(lambda storage: ask(to.kafka, storage, idempotence=to.idempotence))
    _show(asked)
    sys.exit(1 if any(one.holds is False for one in asked) else 0)


def _show(asked: list[Promise]) -> None:
    table = Table("setting", "found", "", "what that weakens, and what mends it")
    for one in asked:
        told = "" if one.holds else f"{one.harm}; mend: {one.mend}"
        table.add_row(one.setting, one.found, _VERDICTS[one.holds], told)
    Console().print(table)
