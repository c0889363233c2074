"""The gateway's share of the database: keys, and how much of each limit is used."""

from datetime import UTC, datetime, timedelta

from services.gateway.access import Key
from shared.collections import KEYS, RATES, REPLAYS, SESSIONS
from shared.storage import Change, Document, Storage

# How long a minute's row is of use after its minute: clocks of two processes may differ by this much.
_KEPT = timedelta(minutes=5)


def _key(document: Document) -> Key:
    return Key.model_validate({**document, "name": document["_id"]})


async def keys(storage: Storage) -> dict[str, Key]:
    """All keys by name. They are few: one a channel."""
    return {key.name: key async for page in storage.scan(KEYS) for key in map(_key, page)}


async def key(storage: Storage, name: str) -> Key | None:
    """The key of this name."""
    found = await storage.read(KEYS, [name])
    return _key(found[name]) if name in found else None


async def create_key(storage: Storage, new: Key) -> bool:
    """Store a new key; False when its name is taken, be it by a revoked one."""
    return not await storage.insert_new(KEYS, [{"_id": new.name, **_fields(new)}])


async def replace_key(storage: Storage, old: Key, new: Key) -> bool:
    """Put `new` in the place of `old`; False when somebody else changed it since."""
    guard = {"secrets": _fields(old)["secrets"], "revokedAt": old.revoked_at}
    return await storage.change(KEYS, [Change(old.name, guard, {"$set": _fields(new)})])


def _fields(of: Key) -> Document:
    fields = of.model_dump(by_alias=True, exclude={"name"}, exclude_none=True)
    return {**fields, "secrets": [one.model_dump(by_alias=True, exclude_none=True) for one in of.secrets]}


async def take(storage: Storage, who: str, minute: int, most: int, wanted: int) -> int:
    """Take up to `wanted` of the `most` requests that `who` may make in this minute, whichever process asks.

    Returns how many were left to take: together, processes never get more than `most`.
    """
    while True:
        spare = {"minute": minute, "used": {"$lte": most - wanted}}
        if await storage.change(RATES, [Change(who, spare, {"$inc": {"used": wanted}})]):
            return wanted
        row = (await storage.read(RATES, [who])).get(who)
        fresh = {"minute": minute, "used": wanted, "expiresAt": _expiry(minute)}
        if row is None:
            if not await storage.insert_new(RATES, [{"_id": who, **fresh}]):
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
    """The index by which the database drops what is of no use any more."""
    for collection in (RATES, SESSIONS, REPLAYS):
        await storage.create_index(collection, [("expiresAt", 1)], expires=True)
