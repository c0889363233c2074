"""Password hashing: slow, on a thread, one at a time, so that guesses can't take the CPU."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.gateway.auth.domain.principals import HttpProblem
from services.gateway.auth.domain.users import PASSWORD_MAX, normalize_password

_ROUNDS, _KIB = 1, 46 * 1024
"""One of the two strongest settings that OWASP recommends for one core."""
_QUEUE_MAX = 16
_hasher = PasswordHasher(time_cost=_ROUNDS, memory_cost=_KIB, parallelism=1)
# No password has this hash. Checking against it takes as long as against a real one.
_NOBODYS = f"$argon2id$v=19$m={_KIB},t={_ROUNDS},p=1${'A' * 22}${'A' * 43}"


def hash_of(password: str) -> str:
    """Return the hash to store for a password. Takes a tenth of a second of CPU."""
    return _hasher.hash(normalize_password(password))


class Passwords:
    """Checks passwords for one process."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(1)
        self._waiting = 0

    async def verify(self, stored: str | None, offered: str) -> bool:
        """Return whether the password matches. Raises `HttpProblem` (503).

        Takes the same time for unknown users.
        """
        if self._waiting >= _QUEUE_MAX:
            raise HttpProblem(503, "Too many sign-ins at once: please try again in a moment.", {"Retry-After": "2"})
        self._waiting += 1
        try:
            async with self._turn:
                return await asyncio.to_thread(_fits, stored or _NOBODYS, offered)
        finally:
            self._waiting -= 1


def _fits(stored: str, offered: str) -> bool:
    try:
        # Normalising a long text can take minutes and blocks all other threads.
        return _hasher.verify(stored, normalize_password(offered) if len(offered) <= PASSWORD_MAX else "")
    except (VerificationError, InvalidHashError):
        return False
