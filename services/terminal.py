"""What all commands have in common: the servers they are pointed at, and how a mistake of the user's is told."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from deploy.local import Backend, Servers
from shared.broker import Kafka, kafka_of
from shared.mongo import Mongo, mongo_of
from shared.settings import Settings
from shared.storage import Storage, Unavailable

_T = TypeVar("_T")
_PRINTED = "(`pantry up` prints where its own listens)"


class Misused(Exception):  # noqa: N818 - the user's mistake, told in a sentence
    """What was asked can't be done as asked; the command tells it and ends with status 2."""


def named(settings: Settings) -> Servers:
    """The servers that the settings name. Raises `Misused` when one is not named."""
    return Servers(broker_of(settings).bootstrap, database_of(settings).url, Backend.NAMED, Backend.NAMED)


def broker_of(settings: Settings) -> Kafka:
    """The broker that the settings name. Raises `Misused`, `ConfigError`."""
    if not settings.kafka_bootstrap:
        raise Misused(f"name the broker: PANTRY_KAFKA_BOOTSTRAP {_PRINTED}")
    return kafka_of(settings, settings.kafka_bootstrap)


def database_of(settings: Settings) -> Mongo:
    """The database that the settings name. Raises `Misused`."""
    if not settings.mongo_url:
        raise Misused(f"name the database: PANTRY_MONGO_URL {_PRINTED}")
    return mongo_of(settings, settings.mongo_url)


def without_login(url: str) -> str:
    """A URL as it may be shown: whoever it names, and their password, left out."""
    return re.sub(r"//[^/]*@", "//", url)


def with_storage(work: Callable[[Storage], Awaitable[_T]], *, timeout_ms: int = 5_000) -> _T:
    """What `work` makes of the database that the settings name, bounded as `Storage` says. Raises `Misused`."""
    settings = Settings()
    mongo = database_of(settings)

    async def main() -> _T:
        storage = Storage(mongo, settings.mongo_database, timeout_ms=timeout_ms)
        try:
            return await work(storage)
        except Unavailable as error:
            raise Misused(f"the database that PANTRY_MONGO_URL names does not answer ({error})") from None
        finally:
            storage.close()

    return asyncio.run(main())


def gateway_secret_of(settings: Settings, *, made: bool = False) -> str:
    """The secret that the settings give, else the one that `pantry up` keeps beside the data; `made` makes that one.

    Raises `Misused` when there is none.
    """
    if settings.gateway_secret:
        return settings.gateway_secret.get_secret_value()
    file = settings.data_dir / "gateway.secret"
    if made and not file.exists():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        fresh = file.with_suffix(".new")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(32))
        # Half a secret that a kill left would be one that can be guessed.
        fresh.rename(file)
    if not file.exists():
        raise Misused("give the gateway its secret, the same for all its processes: PANTRY_GATEWAY_SECRET")
    return file.read_text()
