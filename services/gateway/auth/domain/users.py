"""Users: roles, password rules, and sessions. Pure."""

import unicodedata
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, TypedDict, Unpack

from pydantic import Field, StringConstraints

from schemas.base import Model, Moment
from schemas.lead import Source
from services.gateway.auth.domain.principals import HttpProblem, Scope, hash_secret

COOKIE = "pantry_session"
DEVICE_COOKIE = "pantry_device"
"""Prefix of the cookies that mark a known browser, one cookie per user."""
PASSWORD_MIN, PASSWORD_MAX = 12, 200
LINK_AGE = timedelta(minutes=15)
"""How long a sign-in link is valid. It works once."""
DEVICE_LIFE = timedelta(days=365)
"""How long a browser stays known after the user's last sign-in there."""
SESSION_LIFE = timedelta(days=7)
"""The longest life of a session, however often it is used."""
_IDLE = timedelta(hours=12)
# Extend a session once its new end would be this much later: one write an hour, not one per request.
_STEP = timedelta(hours=1)
# Clocks of two machines may differ by this much.
_SKEW = timedelta(minutes=1)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Owners of leads are users too, with names such as kim.catering.
UserName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,59}$")]


class Role(StrEnum):
    """What a user may do. Each role includes the rights of the one before."""

    VIEWER = "viewer"
    SALES = "sales"
    ADMIN = "admin"


_VIEWER = (Scope.READ, Scope.ANALYTICS)
_SALES = (*_VIEWER, Scope.ACTIVITY, Scope.COMMAND)
_ADMIN = (*_SALES, Scope.DEAD_LETTERS, Scope.ERASE, Scope.CAPTURE)
SCOPES = {Role.VIEWER: _VIEWER, Role.SALES: _SALES, Role.ADMIN: _ADMIN}
# Users mostly type in what they heard on the phone, so that is the default source.
_SOURCES = (Source.PHONE, *(source for source in Source if source is not Source.PHONE))


class User(Model):
    """A user who can sign in. The name never changes: it marks what the user did."""

    name: UserName
    role: Role
    password: str | None = None
    """The password's hash. None: the user signs in by links only."""
    epoch: int = Field(1, ge=1)
    """Grows when all sessions and links of the user end: new password, new role, disabled."""
    created_at: Moment
    disabled_at: Moment | None = None

    @property
    def kind(self) -> str:
        """What distinguishes a user from a key."""
        return "person"

    @property
    def event_source(self) -> str:
        """The `source` of this user's events."""
        return f"/people/{self.name}"

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What this user may do."""
        return SCOPES[self.role]

    @property
    def sources(self) -> tuple[Source, ...]:
        """The lead sources that this user may capture under. The first is the default."""
        return _SOURCES if Scope.CAPTURE in self.scopes else ()


class Session(Model):
    """A sign-in at one browser. `id` is the hash of the token that only that browser has."""

    id: str
    person: str
    epoch: int
    created_at: Moment
    expires_at: Moment


class _UserToken(Model):
    """What one of our tokens says of a user. It is void once the user's epoch changes."""

    name: str
    epoch: int
    made_at: Moment

    def fits(self, person: User | None) -> bool:
        """Return whether the token is valid for this user, who may still sign in."""
        return person is not None and person.disabled_at is None and self.epoch == person.epoch


class Link(_UserToken):
    """The content of a sign-in link."""

    @property
    def id(self) -> str:
        """The id under which the link is marked as used."""
        return f"link:{self.name}:{self.epoch}:{self.made_at.isoformat()}"


class Device(_UserToken):
    """The content of a device cookie: this user has signed in at this browser."""

    @property
    def id(self) -> str:
        """The id under which attempts of this browser are counted."""
        return f"device:{self.name}:{self.epoch}:{self.made_at.isoformat()}"

    def is_of(self, name: str, now: datetime) -> bool:
        """Return whether the cookie is of this user name and not too old."""
        return self.name == name and now - self.made_at < DEVICE_LIFE


def new_user(name: str, role: Role, password: str | None, now: datetime) -> User:
    """Return a new user; `password` is a hash. Raises `ValueError` for an invalid name."""
    return User(name=name, role=role, password=password, created_at=now)


class UserChange(TypedDict, total=False):
    """What may change of a user."""

    role: Role
    password: str
    disabled_at: datetime


def change_user(person: User, **fields: Unpack[UserChange]) -> User:
    """Return the user with changed fields. All earlier sessions and links end."""
    return person.model_copy(update={**fields, "epoch": person.epoch + 1})


def normalize_password(password: str) -> str:
    """Return a password in the form to hash, however the keyboard composed its characters."""
    return unicodedata.normalize("NFKC", password)


def password_flaw(password: str) -> str | None:
    """Return why this can't be a new password; None if it can."""
    if not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        return f"a password has {PASSWORD_MIN} to {PASSWORD_MAX} characters"
    return None


def new_session(person: User, token: str, now: datetime) -> Session:
    """Return a new session of this user."""
    return Session(
        id=hash_secret(token), person=person.name, epoch=person.epoch, created_at=now, expires_at=now + _IDLE
    )


def is_signed_in(session: Session | None, person: User | None, now: datetime) -> bool:
    """Return whether this session still signs this user in."""
    if session is None or person is None or person.disabled_at is not None:
        return False
    return session.epoch == person.epoch and now < session.expires_at


def extend_session(session: Session, now: datetime) -> Session | None:
    """Return the session with a later end; None while a write isn't worth it."""
    end = min(now + _IDLE, session.created_at + SESSION_LIFE)
    return session.model_copy(update={"expires_at": end}) if end - session.expires_at >= _STEP else None


def is_link_valid(link: Link | None, person: User | None, now: datetime) -> bool:
    """Return whether this link, if unused, signs this user in."""
    return link is not None and link.fits(person) and -_SKEW <= now - link.made_at < LINK_AGE


def check_scope(person: User, scope: Scope) -> None:
    """Raises `HttpProblem` (403) unless this user has the scope."""
    if scope not in person.scopes:
        raise HttpProblem(403, f"The role {person.role} lacks the scope {scope}.")


def check_origin(method: str, headers: Mapping[str, str], base: str) -> None:
    """Raises `HttpProblem` (403) for a change that another site's page sends with our cookie.

    A browser sends at least one of two headers about the origin, and no page can set them.
    """
    if method in _SAFE_METHODS or headers.get("origin") == base or headers.get("sec-fetch-site") == "same-origin":
        return
    raise HttpProblem(403, "The request did not come from the gateway's own pages.")


def not_signed_in() -> HttpProblem:
    """Return the problem for a request without a valid session."""
    return HttpProblem(401, "You are not signed in.", {"WWW-Authenticate": "Bearer"})
