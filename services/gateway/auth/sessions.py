"""Sessions: find the signed-in user by a browser's session cookie."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, TypeVar

from services.gateway.auth import user_store
from services.gateway.auth.domain import users
from services.gateway.auth.domain.principals import hash_secret
from services.gateway.auth.domain.users import Session, User
from shared.clock import Clock
from shared.mongo.storage import Storage

_FRESH_S = 4.0
"""Seconds until all processes refuse an ended session or user, plus one read's time."""
_REMEMBERED = 10_000
_T = TypeVar("_T")


class TtlCache(Generic[_T]):
    """Caches documents by id for some seconds. Concurrent callers share one read."""

    def __init__(self, read: Callable[[str], Awaitable[_T]], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._answers: OrderedDict[str, tuple[datetime, asyncio.Future[_T]]] = OrderedDict()

    async def get(self, id_: str) -> _T:
        """Return the document of this id. Raises `Unavailable`."""
        now = self._clock()
        at, answer = self._answers.get(id_, (None, None))
        if at is None or answer is None or (now - at).total_seconds() >= _FRESH_S or _failed(answer):
            answer = asyncio.ensure_future(self._read(id_))
            # Retrieve a failure that no caller awaits, so that asyncio doesn't warn.
            answer.add_done_callback(_failed)
            self._answers[id_] = now, answer
            self._answers.move_to_end(id_)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        # A cancelled caller must not cancel the read for the others.
        return await asyncio.shield(answer)

    def forget(self, id_: str) -> None:
        """Drop this id: the next `get` reads again."""
        self._answers.pop(id_, None)


def _failed(answer: asyncio.Future[_T]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)


class Sessions:
    """The sessions of all gateway processes."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._sessions = TtlCache(lambda id_: user_store.find_session(storage, id_), clock)
        self._people = TtlCache(lambda name: user_store.find_user(storage, name), clock)

    async def find(self, token: str) -> User | None:
        """Return the user that this token signs in, or None. Raises `Unavailable`."""
        session, now = await self._sessions.get(hash_secret(token)), self._clock()
        if session is None:
            return None
        person = await self._person(session)
        if not users.is_signed_in(session, person, now):
            return None
        if later := users.extend_session(session, now):
            await user_store.store_extension(self._storage, session, later)
            self._sessions.forget(session.id)
        return person

    async def begin(self, person: User) -> str:
        """Start a session. Return its token, which only the user's browser may have."""
        token = secrets.token_urlsafe(32)
        await user_store.create_session(self._storage, users.new_session(person, token, self._clock()))
        return token

    async def end(self, token: str) -> None:
        """End the session of this token."""
        await user_store.end_session(self._storage, hash_secret(token))
        self._sessions.forget(hash_secret(token))

    async def _person(self, session: Session) -> User | None:
        person = await self._people.get(session.person)
        if person is None or person.epoch < session.epoch:
            # The session is newer than the cached user.
            self._people.forget(session.person)
            person = await self._people.get(session.person)
        return person
