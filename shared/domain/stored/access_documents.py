"""The collections of the gateway: keys, rate limits, users, sessions and replays. The gateway and `pantry` use them."""

from collections.abc import Sequence
from datetime import datetime
from typing import NotRequired, TypedDict


class SecretPart(TypedDict):
    """One of a key's secrets: its hash, or for a webhook the number to derive it from."""

    hash: str
    until: NotRequired[datetime]


class ApiKeyDocument(TypedDict):
    """A channel's API key, under its name. `pantry keys` writes it, the gateway reads it."""

    _id: str
    kind: str
    scopes: Sequence[str]
    sources: Sequence[str]
    secrets: list[SecretPart]
    fields: NotRequired[Sequence[str]]
    origins: Sequence[str]
    redirects: Sequence[str]
    perMinute: int
    perAddress: NotRequired[int]
    fillS: float
    needsToken: bool
    title: str
    wording: str
    createdAt: datetime
    revokedAt: NotRequired[datetime]


class RateCount(TypedDict):
    """The requests that were taken of a limit in one minute."""

    minute: int
    used: int
    expiresAt: datetime


class RateDocument(RateCount):
    """The count of one limit, under what it limits: a key, a user or a hashed address. The gateway alone uses it."""

    _id: str


class UserDocument(TypedDict):
    """A user, under the name. `pantry people` writes it, the gateway reads it."""

    _id: str
    role: str
    password: NotRequired[str]
    """The password's hash. A user without one signs in by links."""
    epoch: int
    createdAt: datetime
    disabledAt: NotRequired[datetime]


class SessionDocument(TypedDict):
    """A session, under the hash of its token, or the mark of a used sign-in link. The gateway alone uses it.

    The mark has no field of the session except `expiresAt`.
    """

    _id: str
    person: NotRequired[str]
    epoch: NotRequired[int]
    createdAt: NotRequired[datetime]
    expiresAt: datetime


class ReplayDocument(TypedDict):
    """The latest replay of a dead letter, under the dead letter's id. The gateway alone uses it."""

    _id: str
    at: datetime
    by: str
    mended: bool
    failedAt: str
    """When the dead letter was written: an id can name another one after the broker was emptied."""
    expiresAt: datetime
