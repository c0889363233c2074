"""Storage of users, sessions and used sign-in links."""

from collections.abc import Mapping
from datetime import timedelta
from typing import cast

from services.gateway.auth.domain.users import LINK_AGE, Link, Session, User
from shared.domain.stored.access_documents import SessionDocument, UserDocument
from shared.mongo.names import SESSIONS, USERS
from shared.mongo.storage import Change, Storage

# The database knows a used link this much longer than any clock accepts it.
_REMEMBERED = timedelta(hours=1)


def _person(document: UserDocument) -> User:
    return User.model_validate({**document, "name": document["_id"]})


def _fields(of: User) -> Mapping[str, object]:
    return of.model_dump(by_alias=True, exclude={"name"}, exclude_none=True)


async def list_users(storage: Storage) -> list[User]:
    """Return all users by name."""
    return [_person(document) async for page in storage.scan(USERS) for document in page]


async def find_user(storage: Storage, name: str) -> User | None:
    """Return the user of this name."""
    found = await storage.read(USERS, [name])
    return _person(found[name]) if name in found else None


async def create_user(storage: Storage, new: User) -> bool:
    """Store a new user. Return False if a user has this name, even a disabled one."""
    # The model has the document's fields, but its dump has no type.
    document = cast("UserDocument", {"_id": new.name, **_fields(new)})
    return not await storage.insert_new(USERS, [document])


async def replace_user(storage: Storage, old: User, new: User) -> bool:
    """Replace `old` with `new`. Return False if another process changed the user."""
    return await storage.change(USERS, [Change(old.name, {"epoch": old.epoch}, {"$set": _fields(new)})])


async def create_session(storage: Storage, new: Session) -> None:
    """Store a new session."""
    document: SessionDocument = {
        "_id": new.id,
        "person": new.person,
        "epoch": new.epoch,
        "createdAt": new.created_at,
        "expiresAt": new.expires_at,
    }
    await storage.insert_new(SESSIONS, [document])


async def find_session(storage: Storage, id_: str) -> Session | None:
    """Return the session of this id."""
    found = await storage.read(SESSIONS, [id_])
    return Session.model_validate({**found[id_], "id": id_}) if id_ in found else None


async def store_extension(storage: Storage, old: Session, new: Session) -> None:
    """Store a session's later end, unless it ended or was extended meanwhile."""
    change = Change(old.id, {"expiresAt": old.expires_at}, {"$set": {"expiresAt": new.expires_at}})
    await storage.change(SESSIONS, [change])


async def end_session(storage: Storage, id_: str) -> None:
    """End a session."""
    await storage.delete(SESSIONS, [id_])


async def is_link_used(storage: Storage, link: Link) -> bool:
    """Return whether a link was used."""
    return bool(await storage.read(SESSIONS, [link.id]))


async def use_link(storage: Storage, link: Link) -> bool:
    """Mark a link as used. Return False if it was used before."""
    mark: SessionDocument = {"_id": link.id, "expiresAt": link.made_at + LINK_AGE + _REMEMBERED}
    return not await storage.insert_new(SESSIONS, [mark])
