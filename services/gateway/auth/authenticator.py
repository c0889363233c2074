"""Authentication: identify the sender, check its scope, count the request."""

import asyncio
from collections.abc import Mapping
from datetime import datetime

from services.gateway.auth import key_store
from services.gateway.auth.domain import principals, users
from services.gateway.auth.domain.principals import ApiKey, HttpProblem, KeyKind, Scope
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import User
from services.gateway.auth.rate_limits import PATIENCE_S, RateLimits
from services.gateway.auth.sessions import Sessions
from shared.clock import Clock
from shared.mongo.storage import Storage, Unavailable

_FRESH_S = 5.0
"""Longest time in seconds until all processes refuse a revoked key."""
_ASK_S = 0.5
_UNKNOWN_A_MINUTE = 60
"""Requests per minute and address without a valid key or session."""
_ATTEMPTS_A_MINUTE = 10
"""Sign-in attempts per minute and name: per address, and per known browser."""
_ADDRESS_A_MINUTE = 30
"""Sign-in attempts per minute and address at unknown browsers, under any name."""
_NAME_A_MINUTE = 100
"""Sign-in attempts per minute and name at unknown browsers, from all addresses."""
_USER_A_MINUTE = 1_200


class ApiKeyCache:
    """All keys, at most some seconds old. While the database is away, the last keys read."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage, self._clock = storage, clock
        self._keys: dict[str, ApiKey] = {}
        self._read_at: datetime | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, name: str) -> ApiKey | None:
        """Return the key of this name. For an unknown name it reads the database again.

        The key may have been created a moment ago.
        """
        await self._refresh(_FRESH_S)
        if name not in self._keys:
            await self._refresh(_ASK_S)
        return self._keys.get(name)

    async def lists_site(self, origin: str) -> bool:
        """Return whether any form key lists this site."""
        await self._refresh(_FRESH_S)
        return any(origin in key.origins for key in self._keys.values() if not key.revoked_at)

    async def _refresh(self, older_than_s: float) -> None:
        if not self._is_older(older_than_s):
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        # All callers wait for one read. With keys in the cache they wait only briefly.
        await asyncio.wait({self._reading}, timeout=None if self._read_at is None else PATIENCE_S)
        if self._read_at is None:
            self._reading.result()
            raise Unavailable("API keys are not loaded yet")

    async def _read(self) -> None:
        try:
            self._keys = await key_store.load_keys(self._storage)
        except Unavailable:
            if self._read_at is None:
                return
        self._read_at = self._clock()

    def _is_older(self, seconds: float) -> bool:
        return self._read_at is None or (self._clock() - self._read_at).total_seconds() > seconds


class Authenticator:
    """Identifies and admits requests, or raises `HttpProblem`."""

    def __init__(self, storage: Storage, clock: Clock, signer: Signer) -> None:
        self.keys, self._limits = ApiKeyCache(storage, clock), RateLimits(storage, clock)
        self.sessions = Sessions(storage, clock)
        self._clock, self._signer = clock, signer

    async def admit(self, scope: Scope, given: str | None, origin: str | None, address: str | None) -> ApiKey:
        """Return the key `given` if it may use this scope here and now."""
        key = await self.identify_key(given, address)
        await self.count(key, address)
        return principals.authorise(key, scope, origin)

    async def admit_user(self, scope: Scope, token: str, address: str | None) -> User:
        """Return the user of this session if the user may use this scope now."""
        person = await self.identify_user(token, address)
        users.check_scope(person, scope)
        return person

    async def identify_user(self, token: str | None, address: str | None) -> User:
        """Return the user of this session, whatever the user's scopes."""
        person = await self.sessions.find(token) if token else None
        if person is None:
            await self.count_unknown(address)
            raise users.not_signed_in()
        await self._limits.spend(f"person:{person.name}", _USER_A_MINUTE)
        return person

    async def count_sign_in(self, name: str, address: str | None) -> None:
        """Count an attempt to sign in under this name at an unknown browser.

        The address's limit comes first, so one address alone never locks the name.
        """
        # No key has this name, so its addresses have counters of their own.
        typed, here = self._signer.hash_text(name), self._of("sign_in", address)
        await self._limits.spend(f"{here}:{typed}", _ATTEMPTS_A_MINUTE)
        await self._limits.spend(here, _ADDRESS_A_MINUTE)
        await self._limits.spend(f"sign_in:{typed}", _NAME_A_MINUTE)

    async def count_token(self, id_: str) -> None:
        """Count an attempt by a link or at a known browser, apart from unknown requests."""
        await self._limits.spend(f"sign_in:{self._signer.hash_text(id_)}", _ATTEMPTS_A_MINUTE)

    async def count_unknown(self, address: str | None) -> None:
        """Count a request without a valid key or session."""
        await self._limits.spend(self._of("stranger", address), _UNKNOWN_A_MINUTE)

    async def identify_key(self, given: str | None, address: str | None) -> ApiKey:
        """Return the key `given`, whatever its scopes."""
        parts = principals.parse_key(given or "")
        try:
            if parts is None:
                raise principals.unknown_key()
            return principals.check_secret(await self.keys.find(parts[0]), parts[1], self._clock())
        except HttpProblem:
            await self.count_unknown(address)
            raise

    async def identify_webhook(self, name: str, address: str | None) -> ApiKey:
        """Return the webhook key of this name. The caller must check the signature of the body."""
        key = await self.keys.find(name)
        if key is None or key.kind is not KeyKind.WEBHOOK or key.revoked_at:
            await self.count_unknown(address)
            raise HttpProblem(401, "There is no such webhook key.")
        return key

    async def count(self, key: ApiKey, address: str | None) -> None:
        """Count a request of this key against its limits."""
        await self._limits.spend(f"key:{key.name}", key.per_minute)
        if key.per_address:
            await self._limits.spend(self._of(key.name, address), key.per_address)

    def _of(self, what: str, address: str | None) -> str:
        return f"address:{what}:{self._signer.hash_address(principals.limited_network(address))}"


def given_key(headers: Mapping[str, str]) -> str | None:
    """Return the key in the header `Authorization: Bearer KEY`."""
    scheme, _, key = headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else None
