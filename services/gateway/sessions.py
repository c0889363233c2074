"""Who is signed in, by the session that a browser's cookie names."""

import asyncio
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Generic, TypeVar

from services.gateway import people, people_store
from services.gateway.access import hashed
from services.gateway.people import Person, Session
from shared.clock import Clock
from shared.storage import Storage

_FRESH_S = 4.0
"""Who signed out or was disabled is refused after this time, and the reading's, at the latest."""
_REMEMBERED = 10_000
_T = TypeVar("_T")


class Recent(Generic[_T]):
    """What the database has under some ids, as it was seconds ago at most; one reading for all who want it at once."""

    def __init__(self, read: Callable[[str], Awaitable[_T]], clock: Clock) -> None:
        self._read, self._clock = read, clock
        self._answers: OrderedDict[str, tuple[datetime, asyncio.Future[_T]]] = OrderedDict()

    async def get(self, id_: str) -> _T:
        """What there is under this id. Raises `Unavailable`."""
        now = self._clock()
        at, answer = self._answers.get(id_, (None, None))
        if at is None or answer is None or (now - at).total_seconds() >= _FRESH_S or _failed(answer):
            answer = asyncio.ensure_future(self._read(id_))
            # A failure that nobody waits for any more is nobody's.
            answer.add_done_callback(_failed)
            self._answers[id_] = now, answer
            self._answers.move_to_end(id_)
            if len(self._answers) > _REMEMBERED:
                self._answers.popitem(last=False)
        # Whoever waits may leave; the others go on waiting.
        return await asyncio.shield(answer)

    def forget(self, id_: str) -> None:
        """Ask again next time."""
        self._answers.pop(id_, None)


def _failed(answer: asyncio.Future[_T]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)


class Sessions:
    """The sessions, as every gateway process sees them."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._sessions = Recent(lambda id_: people_store.session(storage, id_), clock)
        self._people = Recent(lambda name: people_store.person(storage, name), clock)

    async def find(self, token: str) -> Person | None:
        """Whom this token signs in, if anybody. Raises `Unavailable`."""
        session, now = await self._sessions.get(hashed(token)), self._clock()
        if session is None:
            return None
        person = await self._person(session)
        if not people.holds(session, person, now):
            return None
        if later := people.prolonged(session, now):
            await people_store.prolong(self._storage, session, later)
            self._sessions.forget(session.id)
        return person

    async def begin(self, person: Person) -> str:
        """Sign a person in; the token is for their browser alone."""
        token = secrets.token_urlsafe(32)
        await people_store.create_session(self._storage, people.begun(person, token, self._clock()))
        return token

    async def end(self, token: str) -> None:
        """Sign whoever has this token out."""
        await people_store.end_session(self._storage, hashed(token))
        self._sessions.forget(hashed(token))

    async def _person(self, session: Session) -> Person | None:
        person = await self._people.get(session.person)
        if person is None or person.epoch < session.epoch:
            # The session began after this was read.
            self._people.forget(session.person)
            person = await self._people.get(session.person)
        return person
