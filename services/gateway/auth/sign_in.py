"""Sign-in by password or by link. Each attempt counts against a limit."""

from collections.abc import Mapping

from services.gateway.auth import user_store
from services.gateway.auth.authenticator import Authenticator
from services.gateway.auth.domain import users
from services.gateway.auth.domain.principals import HttpProblem
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import Link, User
from services.gateway.auth.passwords import Passwords
from shared.clock import Clock
from shared.mongo.storage import Storage

_WRONG = "The name or the password is wrong."
_SPENT = "This link no longer works. It was used before, or is older than 15 minutes."


class SignIn:
    """Starts sessions after checking a password or a link."""

    def __init__(self, storage: Storage, clock: Clock, signer: Signer, authenticator: Authenticator) -> None:
        self._storage, self._clock, self._signer, self._authenticator = storage, clock, signer, authenticator
        # A queue each, so that guesses at unknown browsers don't delay known browsers.
        self._passwords = {known: Passwords() for known in (False, True)}

    async def by_password(
        self, typed: str, password: str, address: str | None, cookies: Mapping[str, str]
    ) -> tuple[User, str]:
        """Return the user and the token of a new session.

        Raises `HttpProblem` (401), with the same words for every cause. A browser in which this user signed in before
        has a limit of its own: guesses from elsewhere never lock the user out there.
        """
        name = typed.strip().lower()
        device = self._signer.parse_device(cookies.get(self._signer.device_cookie(name), ""))
        known = device is not None and device.is_of(name, self._clock())
        await (
            self._authenticator.count_token(device.id)
            if device and known
            else self._authenticator.count_sign_in(name, address)
        )
        person = await user_store.find_user(self._storage, name)
        if device and known and not device.fits(person):
            known = False
            await self._authenticator.count_sign_in(name, address)
        if person and person.disabled_at:
            person = None
        fits = await self._passwords[known].verify(person.password if person else None, password)
        if person is None or not fits:
            raise HttpProblem(401, _WRONG)
        return person, await self._authenticator.sessions.begin(person)

    async def by_link(self, token: str, address: str | None) -> tuple[User, str]:
        """Use up a link, and return its user and the token of a new session.

        Wrong passwords don't count against it. Raises `HttpProblem` (401).
        """
        link = self._signer.parse_link(token)
        await (self._authenticator.count_token(link.id) if link else self._authenticator.count_unknown(address))
        person = await self._usable(link)
        if link is None or person is None or not await user_store.use_link(self._storage, link):
            raise HttpProblem(401, _SPENT)
        return person, await self._authenticator.sessions.begin(person)

    def device_cookie(self, person: User) -> tuple[str, str]:
        """Return name and value of the cookie that marks this browser as known to the user."""
        return self._signer.device_cookie(person.name), self._signer.device_token(person, self._clock())

    async def user_of_link(self, token: str) -> str:
        """Return the name of the user that this link would sign in. Raises `HttpProblem` (401)."""
        link = self._signer.parse_link(token)
        person = await self._usable(link)
        if link is None or person is None or await user_store.is_link_used(self._storage, link):
            raise HttpProblem(401, _SPENT)
        return person.name

    async def _usable(self, link: Link | None) -> User | None:
        """Return the user that this link would sign in now."""
        person = await user_store.find_user(self._storage, link.name) if link else None
        return person if users.is_link_valid(link, person, self._clock()) else None
