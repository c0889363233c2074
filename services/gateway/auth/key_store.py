"""Storage of API keys and of the used part of each rate limit."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import cast

from services.gateway.auth.domain.principals import ApiKey
from shared.domain.stored.access_documents import ApiKeyDocument, RateCount, RateDocument
from shared.mongo.names import CONFIGURATION, KEYS, RATES, REPLAYS, SESSIONS
from shared.mongo.storage import Change, Storage

# How long the database keeps a counter after its minute: clocks of two processes may differ by this much.
_KEPT = timedelta(minutes=5)


def _key(document: ApiKeyDocument) -> ApiKey:
    return ApiKey.model_validate({**document, "name": document["_id"]})


async def load_keys(storage: Storage) -> dict[str, ApiKey]:
    """Return all keys by name. There is one per channel, so they are few."""
    return {key.name: key async for page in storage.scan(KEYS) for key in map(_key, page)}


async def find_key(storage: Storage, name: str) -> ApiKey | None:
    """Return the key of this name."""
    found = await storage.read(KEYS, [name])
    return _key(found[name]) if name in found else None


async def create_key(storage: Storage, new: ApiKey) -> bool:
    """Store a new key. Return False if a key has this name, even a revoked one."""
    # The model has the document's fields, but its dump has no type.
    document = cast("ApiKeyDocument", {"_id": new.name, **_fields(new)})
    return not await storage.insert_new(KEYS, [document])


async def replace_key(storage: Storage, old: ApiKey, new: ApiKey) -> bool:
    """Replace `old` with `new`. Return False if another process changed the key."""
    guard = {"secrets": _fields(old)["secrets"], "revokedAt": old.revoked_at}
    return await storage.change(KEYS, [Change(old.name, guard, {"$set": _fields(new)})])


def _fields(of: ApiKey) -> Mapping[str, object]:
    fields = of.model_dump(by_alias=True, exclude={"name"}, exclude_none=True)
    return {**fields, "secrets": [one.model_dump(by_alias=True, exclude_none=True) for one in of.secrets]}


async def take_requests(storage: Storage, who: str, minute: int, most: int, wanted: int) -> int:
    """Take up to `wanted` of the `most` requests that `who` may make in this minute.

    Return how many it got. All processes together never get more than `most`.
    """
    while True:
        spare = {"minute": minute, "used": {"$lte": most - wanted}}
        if await storage.change(RATES, [Change(who, spare, {"$inc": {"used": wanted}})]):
            return wanted
        row = (await storage.read(RATES, [who])).get(who)
        fresh: RateCount = {"minute": minute, "used": wanted, "expiresAt": _expiry(minute)}
        if row is None:
            first: RateDocument = {"_id": who, **fresh}
            if not await storage.insert_new(RATES, [first]):
                return wanted
        elif row["minute"] < minute:
            if await storage.change(RATES, [Change(who, {"minute": row["minute"]}, {"$set": fresh})]):
                return wanted
        elif row["minute"] > minute or row["used"] >= most:
            return 0
        else:
            wanted = min(wanted, most - row["used"])


def _expiry(minute: int) -> datetime:
    return datetime.fromtimestamp((minute + 1) * 60, tz=UTC) + _KEPT


async def create_indexes(storage: Storage) -> None:
    """Create the index by which the database drops old counters."""
    for collection in (RATES, SESSIONS, REPLAYS, CONFIGURATION):
        await storage.create_index(collection, [("expiresAt", 1)], expires=True)
