"""The database that a command's settings name."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from services.cli.common import PRINTED
from shared.errors import UsageError
from shared.mongo.connection import Mongo, mongo_of
from shared.mongo.storage import Storage, Unavailable
from shared.settings import Settings

_T = TypeVar("_T")


def database_of(settings: Settings) -> Mongo:
    """Return the database in the settings. Raises `UsageError`."""
    if not settings.mongo_url:
        raise UsageError(f"set PANTRY_MONGO_URL to the database {PRINTED}")
    return mongo_of(settings, settings.mongo_url)


def with_storage(work: Callable[[Storage], Awaitable[_T]], *, timeout_ms: int = 5_000) -> _T:
    """Run `work` on the database in the settings and return its result. Raises `UsageError`.

    `Storage` bounds each operation by `timeout_ms`.
    """
    settings = Settings()
    mongo = database_of(settings)

    async def main() -> _T:
        storage = Storage(mongo, settings.mongo_database, timeout_ms=timeout_ms)
        try:
            return await work(storage)
        except Unavailable as error:
            raise UsageError(f"the database in PANTRY_MONGO_URL doesn't answer ({error})") from None
        finally:
            await storage.close()

    return asyncio.run(main())
