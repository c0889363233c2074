"""API keys, their scopes, and refused requests. Pure; only hashes of secrets are here."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Annotated, Protocol

from pydantic import Field, StringConstraints

from schemas.base import Model, Moment
from schemas.lead import Source
from shared.errors import PantryError

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,59}$")]
Site = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\-\[\]:]+$", max_length=200)]
Url = Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"'<>]+$", max_length=1_000)]


class KeyKind(StrEnum):
    """Where a key is kept, which decides how far the gateway trusts it."""

    SERVER = "server"
    """On a server or in a scanner: secret."""
    FORM = "form"
    """In a public page: it may only create captures, and only from its sites."""
    WEBHOOK = "webhook"
    """On a platform that signs its calls: the key itself is never sent."""


class Scope(StrEnum):
    """What a key or a user may do."""

    CAPTURE = "captures:write"
    ACTIVITY = "activities:write"
    ENGAGE = "engagements:write"
    COMMAND = "leads:write"
    HISTORY = "history:write"
    """Beside a scope that may send the event: to send it as history."""
    ERASE = "leads:erase"
    READ = "leads:read"
    ANALYTICS = "analytics:read"
    DEAD_LETTERS = "deadletters:manage"


PREFIXES = {KeyKind.SERVER: "kps", KeyKind.FORM: "kpf"}
_KNOWN = frozenset(Source)
_SOURCES = {KeyKind.SERVER: "clients", KeyKind.FORM: "forms", KeyKind.WEBHOOK: "webhooks"}


class Principal(Protocol):
    """The sender of a request: a channel with its key, or a signed-in user."""

    @property
    def name(self) -> str:
        """The name of the sender in commands and activities."""

    @property
    def kind(self) -> str:
        """A key's `KeyKind`, or `person` for a user."""

    @property
    def event_source(self) -> str:
        """The `source` of the sender's events."""

    @property
    def scopes(self) -> tuple[Scope, ...]:
        """What the sender may do."""

    @property
    def sources(self) -> tuple[Source, ...]:
        """The lead sources that the sender may capture under. The first is the default."""


class Secret(Model):
    """One of a key's secrets: its hash, or for a webhook the number to derive it from."""

    hash: str
    until: Moment | None = None
    """The end of its validity. None: it is the current secret."""


class ApiKey(Model):
    """A channel's API key. Its name never changes: it is the source of the key's events."""

    name: Name
    kind: KeyKind
    scopes: tuple[Scope, ...]
    sources: tuple[Source, ...] = ()
    """The lead sources that this key may capture under. The first is the default."""
    secrets: tuple[Secret, ...]
    fields: tuple[str, ...] = ()
    """The paths that a form key takes of a capture; it ignores others. None: it takes all."""
    origins: tuple[Site, ...] = ()
    redirects: tuple[Url, ...] = ()
    per_minute: int = Field(6_000, ge=1)
    per_address: int | None = Field(None, ge=1)
    fill_s: float = Field(3.0, ge=0)
    """Shortest time in seconds in which a person can fill in the form."""
    needs_token: bool = False
    title: str = Field("Talk to us", max_length=200)
    wording: str = Field("", max_length=2_000)
    """The text that a visitor agrees to by the form's consent box."""
    created_at: Moment
    revoked_at: Moment | None = None

    @property
    def event_source(self) -> str:
        """The `source` of this key's events."""
        return f"/{_SOURCES[self.kind]}/{self.name}"

    def live(self, now: datetime) -> tuple[Secret, ...]:
        """Return the secrets that are valid now. A revoked key has none."""
        if self.revoked_at:
            return ()
        return tuple(one for one in self.secrets if one.until is None or now < one.until)


class HttpProblem(PantryError):
    """A refused request: `status` and a sentence that quotes nothing of the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


class WrongOrigin(HttpProblem):
    """A form key used on a site that it doesn't list."""

    def __init__(self, key: str) -> None:
        how = "pantry keys create NAME --kind form --origin https://YOUR-SITE"
        super().__init__(403, f"The form key {key} is not allowed on this site. Create a key for it: {how}")
        self.key = key


def hash_secret(secret: str) -> str:
    """Return the stored hash of a secret. It is long and random, so a fast hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def format_key(kind: KeyKind, name: str, secret: str) -> str:
    """Return the full key that its owner gets."""
    return f"{PREFIXES[kind]}_{name}_{secret}"


def parse_key(given: str) -> tuple[str, str] | None:
    """Return name and secret of a key, or None for text that isn't a key."""
    prefix, _, rest = given.partition("_")
    name, _, secret = rest.partition("_")
    return (name, secret) if prefix in PREFIXES.values() and name and secret else None


def check_secret(key: ApiKey | None, secret: str, now: datetime) -> ApiKey:
    """Return the key if the secret is valid now. Raises `HttpProblem` (401)."""
    offered = hash_secret(secret)
    if key is None or not any(hmac.compare_digest(offered, one.hash) for one in key.live(now)):
        raise unknown_key()
    return key


def unknown_key() -> HttpProblem:
    """Return the problem for a request without a valid key."""
    detail = "Send a valid API key as 'Authorization: Bearer KEY'."
    return HttpProblem(401, detail, {"WWW-Authenticate": "Bearer"})


def authorise(key: ApiKey, scope: Scope, origin: str | None) -> ApiKey:
    """Return the key if it may use this scope from this origin. Raises `HttpProblem` (403)."""
    if scope not in key.scopes:
        raise HttpProblem(403, f"This key lacks the scope {scope}.")
    if key.kind is KeyKind.FORM and origin is not None and origin not in key.origins:
        raise WrongOrigin(key.name)
    return key


def with_source(key: Principal, data: Mapping[str, object]) -> dict[str, object]:
    """Return the capture with the key's first source as default.

    Raises `HttpProblem` (403) for a source that the key may not use.
    """
    source = data.get("source")
    if source is None and key.sources:
        return {**data, "source": key.sources[0].value}
    # The schema reports a value that is no source at all.
    if isinstance(source, str) and source in _KNOWN and source not in key.sources:
        raise HttpProblem(403, f"This key may only capture leads with source {', '.join(key.sources) or '(none)'}.")
    return dict(data)


def check_history(sender: Principal) -> None:
    """Raises `HttpProblem` (403) for a sender that may not send history."""
    if Scope.HISTORY not in sender.scopes:
        raise HttpProblem(403, f"Only a key with the scope {Scope.HISTORY} may send historical events.")


def limited_network(address: str | None) -> str:
    """Return what one limit counts as one address: an IPv4 address or an IPv6 /64.

    One sender usually has a whole /64.
    """
    try:
        ip = ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(ip, IPv6Address):
        # Some proxies write IPv4 addresses in IPv6 form, all of them in one /64.
        return str(ip.ipv4_mapped or ip_network((ip, 64), strict=False))
    return str(ip)
