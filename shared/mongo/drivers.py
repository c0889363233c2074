"""The drivers of MongoDB that `Storage` can use: Motor, or PyMongo's asynchronous API.

Both have the same methods as far as `Storage` calls them, and raise PyMongo's errors. Motor runs each call in a
thread, and PyMongo in the event loop. After a cancelled call, either may still have written: a write is safe to repeat.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from shared.settings import MongoDriver

# Motor makes its methods at run time, and PyMongo's types know no options by name.
Client = Any
_CLIENTS: Mapping[MongoDriver, Callable[..., Client]] = {"motor": AsyncIOMotorClient, "pymongo": AsyncMongoClient}


def open_client(driver: MongoDriver, url: str, **options: object) -> Client:
    """Return a client that connects on first use. Raises the driver's errors of a wrong URL."""
    return _CLIENTS[driver](url, **options)


async def close_client(client: Client) -> None:
    """Close the connections. This takes seconds if the server is away."""
    if isinstance(client, AsyncMongoClient):
        await client.close()
    else:
        await asyncio.to_thread(client.close)  # Motor's method blocks


async def is_embedded(client: Client) -> bool:
    """Return whether the server is the embedded database, or one that does not say what it is.

    Raises the driver's errors of a server that is away.
    """
    try:
        about = await client.admin.command("buildInfo")
    except OperationFailure:
        return True
    return "secantusVersion" in about
