"""`pantry doctor`: check which promises the servers' settings keep."""

import sys

from rich.table import Table

from services.cli.brokers import servers_of
from services.cli.common import console
from services.cli.database import with_storage
from services.composition.process import connections
from shared.domain.operations.guarantees import Promise
from shared.preflight import read_promises
from shared.settings import Settings

_VERDICTS = {True: "[green]holds[/]", False: "[red bold]weak[/]", None: "[yellow]unknown[/]"}


def check_promises() -> None:
    """Check that the servers' settings keep the product's promises.

    The exit status is 1 if one is weak.
    """
    settings = Settings()
    to = connections(settings, servers_of(settings))
    asked = with_storage(lambda storage: read_promises(to.kafka, storage, idempotence=to.idempotence))
    _show(asked)
    sys.exit(1 if any(one.holds is False for one in asked) else 0)


def _show(asked: list[Promise]) -> None:
    table = Table("setting", "found", "", "risk and fix")
    for one in asked:
        advice = "" if one.holds else f"{one.harm}; fix: {one.fix}"
        table.add_row(one.setting, one.found, _VERDICTS[one.holds], advice)
    console().print(table)
