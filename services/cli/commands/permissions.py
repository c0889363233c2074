"""`pantry access`: show and grant the rights of each process at Kafka and MongoDB."""

import asyncio
import sys

import cyclopts

from services.cli.brokers import answering_broker
from services.cli.database import with_storage
from services.composition.permissions import PROCESSES, kafka_acls, kafka_acls_text, mongo_roles, mongo_roles_text
from shared.kafka.admin import create_acls
from shared.mongo.storage import Storage
from shared.settings import Settings

access_app = cyclopts.App(name="access", help="Show and grant the rights of each process at Kafka and MongoDB.")


@access_app.command
def kafka() -> None:
    """Print the rights at Kafka as options of Kafka's `kafka-acls.sh`, one per line."""
    sys.stdout.write(kafka_acls_text())


@access_app.command
def mongo() -> None:
    """Print the roles at MongoDB as a list of `createRole` commands for PANTRY_MONGO_DATABASE."""
    sys.stdout.write(mongo_roles_text(Settings().mongo_database))


@access_app.command
def apply() -> None:
    """Grant all rights: add the missing ones at Kafka, and set the roles at MongoDB.

    Run it as a user who may grant rights.
    """
    settings = Settings()

    async def store(storage: Storage) -> None:
        for one in mongo_roles(settings.mongo_database):
            await storage.set_role(one)

    rights = kafka_acls()
    asyncio.run(create_acls(answering_broker(settings), rights))
    with_storage(store)
    print(f"{len(rights)} rights at Kafka and {len(PROCESSES)} roles at MongoDB are granted")  # noqa: T201 - as above
