"""People and their sessions in the database."""

from datetime import timedelta

from services.gateway.people import LINK_AGE, Link, Person, Session
from shared.collections import PEOPLE, SESSIONS
from shared.storage import Change, Document, Storage

# A used link is known for this much longer than any clock takes it for good.
_REMEMBERED = timedelta(hours=1)


def _person(document: Document) -> Person:
    return Person.model_validate({**document, "name": document["_id"]})


def _fields(of: Person) -> Document:
    return of.model_dump(by_alias=True, exclude={"name"}, exclude_none=True)


async def people(storage: Storage) -> list[Person]:
    """Everybody, by name."""
    return [_person(document) async for page in storage.scan(PEOPLE) for document in page]


async def person(storage: Storage, name: str) -> Person | None:
    """The person of this name."""
    found = await storage.read(PEOPLE, [name])
    return _person(found[name]) if name in found else None


async def create_person(storage: Storage, new: Person) -> bool:
    """Store somebody new; False when the name is taken, be it by somebody disabled."""
    return not await storage.insert_new(PEOPLE, [{"_id": new.name, **_fields(new)}])


async def replace_person(storage: Storage, old: Person, new: Person) -> bool:
    """Put `new` in the place of `old`; False when somebody else changed that person since."""
    return await storage.change(PEOPLE, [Change(old.name, {"epoch": old.epoch}, {"$set": _fields(new)})])


async def create_session(storage: Storage, new: Session) -> None:
    """Store a new session."""
    await storage.insert_new(SESSIONS, [{"_id": new.id, **new.model_dump(by_alias=True, exclude={"id"})}])


async def session(storage: Storage, id_: str) -> Session | None:
    """The session of this id."""
    found = await storage.read(SESSIONS, [id_])
    return Session.model_validate({**found[id_], "id": id_}) if id_ in found else None


async def prolong(storage: Storage, old: Session, new: Session) -> None:
    """Store a session's later end, unless it ended or has one."""
    change = Change(old.id, {"expiresAt": old.expires_at}, {"$set": {"expiresAt": new.expires_at}})
    await storage.change(SESSIONS, [change])


async def end_session(storage: Storage, id_: str) -> None:
    """End a session."""
    await storage.delete(SESSIONS, [id_])


async def is_used(storage: Storage, link: Link) -> bool:
    """Whether a link was used."""
    return bool(await storage.read(SESSIONS, [link.id]))


async def use(storage: Storage, link: Link) -> bool:
    """Mark a link as used; False when it was."""
    mark = {"_id": link.id, "expiresAt": link.made_at + LINK_AGE + _REMEMBERED}
    return not await storage.insert_new(SESSIONS, [mark])
