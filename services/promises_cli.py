"""The command `pantry promises`: what the servers' settings make of what is promised."""

import asyncio
import sys

from aiokafka.errors import KafkaError
from rich.console import Console
from rich.table import Table

from services.running import connections
from services.terminal import Misused, named
from shared.domain.promises import Promise
from shared.promises import ask
from shared.settings import Settings
from shared.storage import Storage, Unavailable

_VERDICTS = {True: "[green]holds[/]", False: "[red bold]weak[/]", None: "[yellow]unknown[/]"}


def promises() -> None:
    """Ask the servers for the settings that our promises stand on; exit status 1 when one of them is weak."""
    settings = Settings()
    to = connections(settings, named(settings))

    async def main() -> list[Promise]:
        storage = Storage(to.mongo, settings.mongo_database)
        try:
            return await ask(to.kafka, storage, idempotence=to.idempotence)
        except Unavailable as error:
            raise Misused(f"the database that PANTRY_MONGO_URL names does not answer ({error})") from None
        except (KafkaError, OSError) as error:
            raise Misused(f"the broker that PANTRY_KAFKA_BOOTSTRAP names does not answer ({error})") from None
        finally:
            storage.close()

    asked = asyncio.run(main())
    _show(asked)
    sys.exit(1 if any(one.holds is False for one in asked) else 0)


def _show(asked: list[Promise]) -> None:
    table = Table("setting", "found", "", "what that weakens, and what mends it")
    for one in asked:
        told = "" if one.holds else f"{one.harm}; mend: {one.mend}"
        table.add_row(one.setting, one.found, _VERDICTS[one.holds], told)
    Console().print(table)
