"""Passwords: hashed slowly, on a thread, one at a time in a process, so that nobody's guesses take its CPU."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.gateway.access import Refused
from services.gateway.people import prepared

_ROUNDS, _KIB = 1, 46 * 1024
"""One of the two strongest settings that OWASP recommends for one core."""
_QUEUE_MAX = 16
_hasher = PasswordHasher(time_cost=_ROUNDS, memory_cost=_KIB, parallelism=1)
# Nobody has this hash's password; to find that out takes as long as for anybody's.
_NOBODYS = f"$argon2id$v=19$m={_KIB},t={_ROUNDS},p=1${'A' * 22}${'A' * 43}"


def hash_of(password: str) -> str:
    """What is stored of a password. Takes a tenth of a second of CPU."""
    return _hasher.hash(prepared(password))


class Passwords:
    """Checks passwords for one process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def fit(self, stored: str | None, offered: str) -> bool:
        """Whether this is the password; where there is none, no sooner an answer. Raises `Refused` (503)."""
        if self._waiting >= _QUEUE_MAX:
            raise Refused(503, "Too many people are signing in at once.", {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_fits, stored or _NOBODYS, offered)
        finally:
            self._waiting -= 1


def _fits(stored: str, offered: str) -> bool:
    try:
        return _hasher.verify(stored, prepared(offered))
    except (VerificationError, InvalidHashError):
        return False
