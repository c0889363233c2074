"""The servers that a command's settings name."""

import asyncio

from deploy.local import Backend, Servers
from services.cli.common import PRINTED
from services.cli.database import database_of
from shared.errors import UsageError
from shared.kafka.aiokafka_patches import patch_header_names
from shared.kafka.broker_errors import BrokerUnavailable
from shared.kafka.client import Kafka, kafka_of, reach
from shared.settings import Settings

_PATIENCE_S = 10.0


def servers_of(settings: Settings) -> Servers:
    """Return the servers in the settings. Raises `UsageError` if one is missing."""
    return Servers(broker_of(settings).bootstrap, database_of(settings).url, Backend.NAMED, Backend.NAMED)


def broker_of(settings: Settings) -> Kafka:
    """Return the broker in the settings. Raises `UsageError`, `ConfigError`."""
    if not settings.kafka_bootstrap:
        raise UsageError(f"set PANTRY_KAFKA_BOOTSTRAP to the broker {PRINTED}")
    patch_header_names()
    return kafka_of(settings, settings.kafka_bootstrap)


def answering_broker(settings: Settings) -> Kafka:
    """Return the broker in the settings once it answers. Raises `UsageError`, `ConfigError`."""
    kafka = broker_of(settings)
    asyncio.run(check_broker_answers(kafka))
    return kafka


async def check_broker_answers(kafka: Kafka) -> None:
    """Return when the broker answers. Raises `UsageError` after ten seconds."""
    try:
        async with asyncio.timeout(_PATIENCE_S):
            await reach(kafka)
    except (BrokerUnavailable, TimeoutError) as error:
        kind = error.kind if isinstance(error, BrokerUnavailable) else type(error).__name__
        why = f"{kafka.bootstrap}, {kind}"
        raise UsageError(f"the broker in PANTRY_KAFKA_BOOTSTRAP doesn't answer ({why})") from None
