"""At the gate: whose request it is, whether they may, and whether it is not one too many."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from services.gateway import access, people, store
from services.gateway.access import Key, Kind, Refused, Scope
from services.gateway.limits import PATIENCE_S, Limits
from services.gateway.people import Person
from services.gateway.sessions import Sessions
from services.gateway.signing import Signer
from shared.clock import Clock
from shared.storage import Storage, Unavailable

_FRESH_S = 5.0
"""A revoked key is refused after this time at the latest."""
_ASK_S = 0.5
_STRANGERS_A_MINUTE = 60
"""Requests with no valid key, or no session that holds, that an address may make."""
_ATTEMPTS_A_MINUTE = 10
"""Attempts to sign in that an address may make; and everybody together, as one person."""
_PERSON_A_MINUTE = 1_200


class KeyRing:
    """All keys, as the database had them some seconds ago; while it is away, as it last had them."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._keys: dict[str, Key] = {}
        self._read_at: datetime | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, name: str) -> Key | None:
        """The key of this name. A name nobody knows may be a moment old, so that is asked for again."""
        await self._refresh(_FRESH_S)
        if name not in self._keys:
            await self._refresh(_ASK_S)
        return self._keys.get(name)

    async def is_a_site(self, origin: str) -> bool:
        """Whether any form may stand on this site."""
        await self._refresh(_FRESH_S)
        return any(origin in key.origins for key in self._keys.values() if not key.revoked_at)

    async def _refresh(self, older_than_s: float) -> None:
        if not self._is_older(older_than_s):
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # Everybody waits for the same answer; once there are keys, not for long.
        await asyncio.wait({self._reading}, timeout=None if self._read_at is None else PATIENCE_S)
        if self._read_at is None:
            self._reading.result()
            raise Unavailable("no keys have been read yet")

    async def _read(self) -> None:
        try:
            self._keys = await store.keys(self._storage)
        except Unavailable:
            if self._read_at is None:
                return
        self._read_at = self._clock()

    def _is_older(self, seconds: float) -> bool:
        return self._read_at is None or (self._clock() - self._read_at).total_seconds() > seconds


class Gate:
    """Lets requests in, or raises `Refused`."""

    def __init__(self, storage: Storage, clock: Clock, signer: Signer) -> None:
        self.ring, self._limits = KeyRing(storage, clock), Limits(storage, clock)
        self.sessions = Sessions(storage, clock)
        self._clock, self._signer = clock, signer

    async def admit(self, scope: Scope, given: str | None, origin: str | None, address: str | None) -> Key:
        """The key that was `given`, if it may do this from there and now."""
        key = await self.know(given, address)
        await self.count(key, address)
        return access.authorise(key, scope, origin)

    async def admit_person(self, scope: Scope, token: str, address: str | None) -> Person:
        """The person whose session this is, if they may do this now."""
        person = await self.know_person(token, address)
        people.check_scope(person, scope)
        return person

    async def know_person(self, token: str | None, address: str | None) -> Person:
        """The person whose session this is, whatever they may do."""
        person = await self.sessions.find(token) if token else None
        if person is None:
            await self._limits.spend(self._of("stranger", address), _STRANGERS_A_MINUTE)
            raise people.unknown()
        await self._limits.spend(f"person:{person.name}", _PERSON_A_MINUTE)
        return person

    async def count_attempt(self, name: str | None, address: str | None) -> None:
        """Count an attempt to sign in: from this address, and as this person, if any is named."""
        # No key is called so: its own addresses are counted apart.
        await self._limits.spend(self._of("sign_in", address), _ATTEMPTS_A_MINUTE)
        if name is not None:
            await self._limits.spend(f"sign_in:{self._signer.typed(name)}", _ATTEMPTS_A_MINUTE)

    async def know(self, given: str | None, address: str | None) -> Key:
        """The key that was `given`, whatever it may do."""
        parts = access.parse(given or "")
        try:
            if parts is None:
                raise access.unauthorised()
            return access.recognise(await self.ring.find(parts[0]), parts[1], self._clock())
        except Refused:
            await self._limits.spend(self._of("stranger", address), _STRANGERS_A_MINUTE)
            raise

    async def know_webhook(self, name: str, address: str | None) -> Key:
        """The webhook key of this name. What it sends is believed once its signature is checked."""
        key = await self.ring.find(name)
        if key is None or key.kind is not Kind.WEBHOOK or key.revoked_at:
            await self._limits.spend(self._of("stranger", address), _STRANGERS_A_MINUTE)
            raise Refused(401, "There is no such webhook.")
        return key

    async def count(self, key: Key, address: str | None) -> None:
        """Count a request of this key."""
        await self._limits.spend(f"key:{key.name}", key.per_minute)
        if key.per_address:
            await self._limits.spend(self._of(key.name, address), key.per_address)

    def _of(self, what: str, address: str | None) -> str:
        return f"address:{what}:{self._signer.address(access.network_of(address))}"


def given_key(headers: Mapping[str, str]) -> str | None:
    """The key that a request carries, as `Authorization: Bearer KEY`."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None
