"""`pantry access`: show and grant the rights of each process at Kafka and MongoDB."""

import asyncio
import json

import cyclopts

from services.cli.common import answering_broker, with_storage
from services.composition.permissions import PROCESSES, acls, mongo_actions, user_of
from shared.domain.operations.server_rights import Acl, role
from shared.kafka.admin import create_acls
from shared.mongo.storage import Storage
from shared.settings import Settings

access_app = cyclopts.App(name="access", help="What each process may do at Kafka and at MongoDB, and nothing besides.")


@access_app.command
def kafka() -> None:
    """Print the rights at Kafka, each as the options of Kafka's own `kafka-acls.sh`."""
    for acl in _acls():
        print(acl.command)  # noqa: T201 - the command's output, for programs


@access_app.command
def mongo() -> None:
    """Print the roles at MongoDB as a list of `createRole` commands, for `PANTRY_MONGO_DATABASE`."""
    lines = ",\n ".join(json.dumps(one) for one in _roles(Settings().mongo_database))
    print(f"[{lines}]")  # noqa: T201 - the command's output, for programs


@access_app.command
def apply() -> None:
    """Give all rights, as a user who may: at Kafka those that are missing, at MongoDB roles with exactly these."""
    settings = Settings()

    async def store(storage: Storage) -> None:
        for one in _roles(settings.mongo_database):
            await storage.set_role(one)

    rights = _acls()
    asyncio.run(create_acls(answering_broker(settings), rights))
    with_storage(store)
    print(f"{len(rights)} rights at Kafka and {len(PROCESSES)} roles at MongoDB are there")  # noqa: T201 - as above


def _acls() -> list[Acl]:
    return sorted(acl for process in PROCESSES for acl in acls(process))


def _roles(database: str) -> list[dict[str, object]]:
    return [role(user_of(process), database, mongo_actions(process)) for process in PROCESSES]
