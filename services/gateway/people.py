"""People: their roles, their passwords' rules, and the sessions in which they are signed in. All is pure."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from schemas.base import Model, Moment
from schemas.lead import Source
from services.gateway.access import Refused, Scope, hashed

COOKIE = "pantry_session"
PASSWORD_MIN, PASSWORD_MAX = 12, 200
LINK_AGE = timedelta(minutes=15)
"""How long a sign-in link may be used, once."""
SESSION_LIFE = timedelta(days=7)
"""A session ends after this time, however much it is used."""
_IDLE = timedelta(hours=12)
# A session in use is prolonged when its end has come this much nearer: a write an hour, not one a request.
_STEP = timedelta(hours=1)
# Clocks of two machines may differ by this much.
_SKEW = timedelta(minutes=1)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Owners of leads are people too, and are written like kim.catering.
PersonName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,59}$")]


class Role(StrEnum):
    """What a person is here for. Each may do what the one before may, and more."""

    VIEWER = "viewer"
    SALES = "sales"
    ADMIN = "admin"


_VIEWER = (Scope.READ, Scope.ANALYTICS)
_SALES = (*_VIEWER, Scope.ACTIVITY, Scope.COMMAND)
_ADMIN = (*_SALES, Scope.LETTERS, Scope.ERASE, Scope.CAPTURE)
SCOPES = {Role.VIEWER: _VIEWER, Role.SALES: _SALES, Role.ADMIN: _ADMIN}
# What somebody types in without saying more, they mostly heard on the telephone.
_SOURCES = (Source.PHONE, *(source for source in Source if source is not Source.PHONE))


class Person(Model):
    """Somebody who can sign in. The name is an id for ever: what a person did is told by it."""

    name: PersonName
    role: Role
    password: str | None = None
    """Its hash; None: only links sign this person in."""
    epoch: int = Field(1, ge=1)
    """Counts what ends a person's sessions and links: another password, another role, the person's end."""
    created_at: Moment
    disabled_at: Moment | None = None

    @property
    def kind(self) -> str:
        """What distinguishes a person from a key."""
        return "person"

    @property
    def event_source(self) -> str:
        """The `source` of the events that this person sends (contract 1)."""
        return f"/people/{self.name}"

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What this person may do."""
        return SCOPES[self.role]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The lead sources that this person may capture under."""
        return _SOURCES if Scope.CAPTURE in self.scopes else ()


class Session(Model):
    """Somebody signed in, at one browser. `id` is the hash of its token, which only that browser has."""

    id: str
    person: str
    epoch: int
    created_at: Moment
    expires_at: Moment


class Link(Model):
    """What a sign-in link vouches for."""

    name: str
    epoch: int
    made_at: Moment

    @property
    def id(self) -> str:
        """What marks it as used."""
        return f"link:{self.name}:{self.epoch}:{self.made_at.isoformat()}"


def made(name: str, role: Role, password: str | None, now: datetime) -> Person:
    """Somebody new; `password` is a hash. Raises `ValueError` for a name that can't be one."""
    return Person(name=name, role=role, password=password, created_at=now)


def changed(person: Person, **fields: Any) -> Person:
    """The person with another role or password, or disabled; every session and link of before ends."""
    return person.model_copy(update={**fields, "epoch": person.epoch + 1})


def prepared(password: str) -> str:
    """A password as it is hashed: the same characters, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password)


def flaw_of(password: str) -> str | None:
    """Why this can't be a new password."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        return f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters"
    return None


def begun(person: Person, token: str, now: datetime) -> Session:
    """A new session of this person's."""
    return Session(id=hashed(token), person=person.name, epoch=person.epoch, created_at=now, expires_at=now + _IDLE)


def holds(session: Session | None, person: Person | None, now: datetime) -> bool:
    """Whether this session still signs this person in."""
    if session is None or person is None or person.disabled_at is not None:
        return False
    return session.epoch == person.epoch and now < session.expires_at


def prolonged(session: Session, now: datetime) -> Session | None:
    """The session with a later end, if it is time to write one down."""
    end = min(now + _IDLE, session.created_at + SESSION_LIFE)
    return session.model_copy(update={"expires_at": end}) if end - session.expires_at >= _STEP else None


def usable(link: Link | None, person: Person | None, now: datetime) -> bool:
    """Whether this link, if it was not used yet, signs this person in."""
    if link is None or person is None or person.disabled_at is not None or link.epoch != person.epoch:
        return False
    return -_SKEW <= now - link.made_at < LINK_AGE


def check_scope(person: Person, scope: Scope) -> None:
    """Raises `Refused` (403) unless this person may do this."""
    if scope not in person.scopes:
        raise Refused(403, f"The role {person.role} lacks the scope {scope}.")


def check_origin(method: str, headers: Mapping[str, str], base: str) -> None:
    """Raises `Refused` (403) for a change that a page of others asks for with a person's cookie.

    A browser says where a request is from in one of two headers at least, and no page can write them.
    """
    if method in _SAFE_METHODS or headers.get("origin") == base or headers.get("sec-fetch-site") == "same-origin":
        return
    raise Refused(403, "This was not sent by a page of ours.")


def unknown() -> Refused:
    """What whoever has no session is told."""
    return Refused(401, "Nobody is signed in here: sign in first.", {"WWW-Authenticate": "Bearer"})
