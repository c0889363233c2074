"""Signing in, by name and password or by a link, each attempt counted."""

from services.gateway import people, people_store
from services.gateway.access import Refused
from services.gateway.gate import Gate
from services.gateway.passwords import Passwords
from services.gateway.people import Link, Person
from services.gateway.signing import Signer
from shared.clock import Clock
from shared.storage import Storage

_WRONG = "That name and password are not known here."
_SPENT = "That link no longer works: it was used, or is older than 15 minutes."


class SignIn:
    """The way from nobody to a session."""

    def __init__(self, storage: Storage, clock: Clock, signer: Signer, gate: Gate) -> None:
        self._storage, self._clock, self._signer, self._gate = storage, clock, signer, gate
        self._passwords = Passwords()

    async def by_password(self, typed: str, password: str, address: str | None) -> tuple[Person, str]:
        """Who it is, and the token of a new session. Raises `Refused` (401), saying as little whatever is wrong."""
        name = typed.strip().lower()
        await self._gate.count_attempt(name, address)
        person = await people_store.person(self._storage, name)
        if person and person.disabled_at:
            person = None
        fits = await self._passwords.fit(person.password if person else None, password)
        if person is None or not fits:
            raise Refused(401, _WRONG)
        return person, await self._gate.sessions.begin(person)

    async def by_link(self, token: str, address: str | None) -> tuple[Person, str]:
        """The same by a link's token, which thereby is used."""
        await self._gate.count_attempt(None, address)
        link, person = await self._look(token)
        if link is None or person is None or not await people_store.use(self._storage, link):
            raise Refused(401, _SPENT)
        return person, await self._gate.sessions.begin(person)

    async def whose(self, token: str) -> str:
        """Whom a link with this token would sign in. Raises `Refused` (401)."""
        link, person = await self._look(token)
        if link is None or person is None or await people_store.is_used(self._storage, link):
            raise Refused(401, _SPENT)
        return person.name

    async def _look(self, token: str) -> tuple[Link | None, Person | None]:
        link = self._signer.linked(token)
        person = await people_store.person(self._storage, link.name) if link else None
        return (link, person) if people.usable(link, person, self._clock()) else (None, None)
