"""`pantry access`: show and grant the rights of each process at Kafka and MongoDB."""

import asyncio
import json

import cyclopts

from services.cli.brokers import answering_broker
from services.cli.database import with_storage
from services.composition.permissions import PROCESSES, acls, mongo_actions, user_of
from shared.domain.operations.server_rights import Acl, role
from shared.kafka.admin import create_acls
from shared.mongo.storage import Storage
from shared.settings import Settings

access_app = cyclopts.App(name="access", help="Show and grant the rights of each process at Kafka and MongoDB.")


@access_app.command
def kafka() -> None:
    """Print the rights at Kafka as options of Kafka's `kafka-acls.sh`, one per line."""
    for acl in _acls():
        print(acl.command)  # noqa: T201 - the command's output, for programs


@access_app.command
def mongo() -> None:
    """Print the roles at MongoDB as a list of `createRole` commands for PANTRY_MONGO_DATABASE."""
    lines = ",\n ".join(json.dumps(one) for one in _roles(Settings().mongo_database))
    print(f"[{lines}]")  # noqa: T201 - the command's output, for programs


@access_app.command
def apply() -> None:
    """Grant all rights: add the missing ones at Kafka, and set the roles at MongoDB.

    Run it as a user who may grant rights.
    """
    settings = Settings()

    async def store(storage: Storage) -> None:
        for one in _roles(settings.mongo_database):
            await storage.set_role(one)

    rights = _acls()
    asyncio.run(create_acls(answering_broker(settings), rights))
    with_storage(store)
    print(f"{len(rights)} rights at Kafka and {len(PROCESSES)} roles at MongoDB are granted")  # noqa: T201 - as above


def _acls() -> list[Acl]:
    return sorted(acl for process in PROCESSES for acl in acls(process))


def _roles(database: str) -> list[dict[str, object]]:
    return [role(user_of(process), database, mongo_actions(process)) for process in PROCESSES]
