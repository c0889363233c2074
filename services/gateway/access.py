"""Who may do what: keys, their scopes, and what is refused. All is pure; of a secret only its hash is known here."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Any, Protocol

from pydantic import Field, StringConstraints

from schemas.base import Model, Moment
from schemas.lead import Source

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
Site = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+$", max_length=200)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"'<>]+$", max_length=1_000)]


class Kind(StrEnum):
    """Where a key is kept, and so what it can be trusted with."""

    SERVER = "server"
    """On a server or in a scanner: a secret."""
    FORM = "form"
    """In a public page for everybody to read: it creates captures from its sites, and nothing else."""
    WEBHOOK = "webhook"
    """With a platform that signs what it sends; it never travels."""


class Scope(StrEnum):
    """What a key or a person may do."""

    CAPTURE = "captures:write"
    ACTIVITY = "activities:write"
    ENGAGE = "engagements:write"
    COMMAND = "leads:write"
    ERASE = "leads:erase"
    READ = "leads:read"
    ANALYTICS = "analytics:read"
    LETTERS = "deadletters:manage"


PREFIXES = {Kind.SERVER: "kps", Kind.FORM: "kpf"}
_KNOWN = frozenset(Source)
_SOURCES = {Kind.SERVER: "clients", Kind.FORM: "forms", Kind.WEBHOOK: "webhooks"}


class Principal(Protocol):
    """Whoever a request is from: a channel by its key, or a person who has signed in."""

    @property
    def name(self) -> str:
        """What commands and activities say of who asked."""

    @property
    def kind(self) -> str:
        """A key's `Kind`, or `person`."""

    @property
    def event_source(self) -> str:
        """The `source` of the events that they send (contract 1)."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What they may do."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The lead sources that they may capture under; the first is taken where a capture names none."""


class Secret(Model):
    """One of a key's secrets: its hash (webhooks: its number, from which the gateway's own secret derives it)."""

    hash: str
    until: Moment | None = None
    """After this moment it is worth nothing; None: it is the current one."""


class Key(Model):
    """A channel's key. Its name is its id for ever: events that it sends are told apart by it."""

    name: Name
    kind: Kind
    scopes: tuple[Scope, ...]
    sources: tuple[Source, ...] = ()
    """The lead sources that it may capture under; the first is taken where a capture names none."""
    secrets: tuple[Secret, ...]
    origins: tuple[Site, ...] = ()
    redirects: tuple[Url, ...] = ()
    per_minute: int = Field(6_000, ge=1)
    per_address: int | None = Field(None, ge=1)
    fill_s: float = Field(3.0, ge=0)
    """Seconds that a person takes at least to fill the form in."""
    needs_token: bool = False
    title: str = Field("Talk to us", max_length=200)
    wording: str = Field("", max_length=2_000)
    """What a person who ticks the form's consent box agrees to."""
    created_at: Moment
    revoked_at: Moment | None = None

    @property
    def event_source(self) -> str:
        """The `source` of the events it sends (contract 1)."""
        return f"/{_SOURCES[self.kind]}/{self.name}"

    def live(self, now: datetime) -> tuple[Secret, ...]:
        """The secrets that hold now; none when the key was revoked."""
        if self.revoked_at:
            return ()
        return tuple(one for one in self.secrets if one.until is None or now < one.until)


class Refused(Exception):  # noqa: N818 - the answer to a request
    """A request that gets no further: `status` and a sentence that quotes nothing of it."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


def hashed(secret: str) -> str:
    """What is stored of a secret. It is random and long, so a fast hash is as good as a slow one."""
    return hashlib.sha256(secret.encode()).hexdigest()


def token(kind: Kind, name: str, secret: str) -> str:
    """What the key's owner is given."""
    return f"{PREFIXES[kind]}_{name}_{secret}"


def parse(given: str) -> tuple[str, str] | None:
    """Name and secret of what claims to be a key."""
    prefix, _, rest = given.partition("_")
    name, _, secret = rest.partition("_")
    return (name, secret) if prefix in PREFIXES.values() and name and secret else None


def recognise(key: Key | None, secret: str, now: datetime) -> Key:
    """The key, if the secret is one of its own. Raises `Refused` (401)."""
    offered = hashed(secret)
    if key is None or not any(hmac.compare_digest(offered, one.hash) for one in key.live(now)):
        raise unauthorised()
    return key


def unauthorised() -> Refused:
    """What whoever has no key is told."""
    detail = "A valid key is needed: send it as 'Authorization: Bearer KEY'."
    return Refused(401, detail, {"WWW-Authenticate": "Bearer"})


def authorise(key: Key, scope: Scope, origin: str | None) -> Key:
    """The key, if it may do this from there. Raises `Refused` (403)."""
    if scope not in key.scopes:
        raise Refused(403, f"This key lacks the scope {scope}.")
    if key.kind is Kind.FORM and origin is not None and origin not in key.origins:
        raise Refused(403, "This key is not for forms on this site.")
    return key


def with_source(key: Principal, data: Mapping[str, Any]) -> dict[str, Any]:
    """A capture with the key's first source where it names none. Raises `Refused` (403) for a source of others."""
    source = data.get("source")
    if source is None and key.sources:
        return {**data, "source": key.sources[0].value}
    # What is no source at all is for the schema to tell.
    if isinstance(source, str) and source in _KNOWN and source not in key.sources:
        raise Refused(403, f"This key may capture as {', '.join(key.sources) or 'nothing'} only.")
    return dict(data)


def network_of(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or the /64 of an IPv6 one, within which anybody has plenty."""
    try:
        ip = ip_address(address or "")
    except ValueError:
        return "unknown"
    return str(ip_network((ip, 64), strict=False)) if isinstance(ip, IPv6Address) else str(ip)
