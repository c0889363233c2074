"""`pantry keys`: manage the API keys of the gateway."""

import secrets
from datetime import timedelta
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.markup import escape
from rich.table import Table

from schemas.attributes import Attributes
from services.cli.common import console, explain_fault, gateway_secret_of
from services.cli.database import with_storage
from services.gateway.auth import key_store
from services.gateway.auth.domain import key_fields, key_lifecycle, principals
from services.gateway.auth.domain.key_lifecycle import KeyOptions
from services.gateway.auth.domain.principals import ApiKey, KeyKind
from services.gateway.auth.domain.signing import Signer
from shared.clock import system_clock
from shared.config import load_config
from shared.errors import UsageError
from shared.mongo.storage import Storage
from shared.settings import Settings, origin_of

keys_app = cyclopts.App(name="keys", help="Create, list, rotate and revoke API keys.")
_out = console()
_Many = Annotated[tuple[str, ...], Parameter(negative_iterable=(), show_default=False)]


@keys_app.command(name="create")
def issue_key(  # noqa: PLR0913 - what a key can be given
    name: str,
    *,
    kind: KeyKind = KeyKind.SERVER,
    scope: _Many = (),
    source: _Many = (),
    field: _Many = (),
    origin: _Many = (),
    redirect: _Many = (),
    per_minute: int = 6_000,
    per_address: int | None = None,
    needs_token: bool = False,
    title: str = "Talk to us",
    wording: str = "",
) -> None:
    """Create an API key and show it. It can't be shown again.

    Parameters
    ----------
    name
        The channel's name: lower-case letters, digits and hyphens. The key's events carry this name for good.
    kind
        server: secret, for a server or scanner. form: public, for a web page. webhook: for an e-mail platform's events.
    scope
        What a server key may do: captures:write (the default), activities:write, engagements:write, leads:write,
        history:write, leads:erase, leads:read, analytics:read, deadletters:manage. Can be repeated.
    source
        A lead source of the key's captures: website (the default), email, phone, referral, trade_show, social_media.
        Can be repeated. Captures that state none get the first.
    field
        A field that a form key takes, such as company.name or attributes.cuisine; `consent` and `context` are all of
        theirs. Can be repeated. What else a form sends is ignored. Without it the key takes every field.
    origin
        A site that shows the form, such as https://example.com. Can be repeated.
    redirect
        A thank-you page that the form may redirect to. Can be repeated; the first is the default.
    per_minute
        Requests per minute, over all gateway processes.
    per_address
        Requests per minute from one IP address. For form keys the default is 60.
    needs_token
        Accept only forms that the gateway's own pages and script send.
    title
        The form's heading.
    wording
        What a person agrees to by ticking the form's consent box. Without it the form has no box.

    """
    secret = "1" if kind is KeyKind.WEBHOOK else secrets.token_urlsafe(24)
    settings = Settings()
    declared = load_config(settings.attributes_file, Attributes, settings.zone)
    if field and (faults := "; ".join(key_fields.faults_in(field, declared))):
        raise UsageError(f"--field: {faults}")
    more: KeyOptions = {
        "fields": field,
        "origins": tuple(map(_origin, origin)),
        "redirects": redirect,
        "title": title,
        "wording": wording,
        "per_minute": per_minute,
        "needs_token": needs_token,
    }
    if per_address:
        more["per_address"] = per_address
    try:
        key = key_lifecycle.new_key(name, kind, secret, system_clock(), scopes=scope, sources=source, **more)
    except ValueError as error:
        raise UsageError(_words(error)) from None

    async def store_it(storage: Storage) -> None:
        if not await key_store.create_key(storage, key):
            raise UsageError(f"the key {name} exists already: `pantry keys rotate {name}` gives it a new secret")

    shown = _shown(key, secret)
    with_storage(store_it)
    _out.print(shown, markup=False, highlight=False, soft_wrap=True)


@keys_app.command(name="list")
def list_keys() -> None:
    """List all API keys. Secrets are not stored, so they can't be shown."""
    table = Table()
    for heading in ("name", "kind", "state", "scopes", "sources", "per minute", "sites", "fields"):
        table.add_column(heading, overflow="fold")
    for key in sorted(with_storage(key_store.load_keys).values(), key=lambda one: one.name):
        sites = (*key.origins, *key.redirects)
        cells = (key.name, key.kind, _state(key), "\n".join(key.scopes), "\n".join(key.sources))
        table.add_row(*map(escape, (*cells, str(key.per_minute), "\n".join(sites), "\n".join(key.fields))))
    _out.print(table)


@keys_app.command
def rotate(name: str, *, overlap_hours: float = 24.0) -> None:
    """Give an API key a new secret, and show it.

    Parameters
    ----------
    name
        The key's name.
    overlap_hours
        How many hours the old secret stays valid. 0 ends it at once.

    """

    async def change(storage: Storage) -> str:
        old = await _named(storage, name)
        if old.revoked_at:
            raise UsageError(f"the key {name} is revoked: create a new one")
        secret = _next_number(old) if old.kind is KeyKind.WEBHOOK else secrets.token_urlsafe(24)
        new = key_lifecycle.rotate_key(old, secret, system_clock(), timedelta(hours=overlap_hours))
        shown = _shown(new, secret)
        await _replace(storage, old, new)
        return shown

    _out.print(with_storage(change), markup=False, highlight=False, soft_wrap=True)


@keys_app.command
def revoke(name: str) -> None:
    """Revoke an API key for good. Gateways refuse it within five seconds.

    Parameters
    ----------
    name
        The key's name.

    """

    async def change(storage: Storage) -> None:
        old = await _named(storage, name)
        await _replace(storage, old, key_lifecycle.revoke_key(old, system_clock()))

    with_storage(change)
    _out.print(f"{name} is revoked", markup=False, highlight=False)


async def _named(storage: Storage, name: str) -> ApiKey:
    key = await key_store.find_key(storage, name)
    if key is None:
        raise UsageError(f"there is no key {name}")
    return key


async def _replace(storage: Storage, old: ApiKey, new: ApiKey) -> None:
    if not await key_store.replace_key(storage, old, new):
        raise UsageError(f"another process changed the key {old.name} just now: check it, and try again")


def _next_number(key: ApiKey) -> str:
    return str(1 + max(int(one.hash) for one in key.secrets))


def _shown(key: ApiKey, secret: str) -> str:
    if key.kind is KeyKind.WEBHOOK:
        return Signer(gateway_secret_of(Settings())).webhook_secret(key.name, secret)
    return principals.format_key(key.kind, key.name, secret)


def _state(key: ApiKey) -> str:
    if key.revoked_at:
        return "revoked"
    return f"{len(key.live(system_clock()))} secrets valid" if len(key.secrets) > 1 else "valid"


def _origin(site: str) -> str:
    """Return the site as browsers write it: lower case, no default port, no slash."""
    try:
        return origin_of(site)
    except ValueError as error:
        raise UsageError(f"--origin {site}: {error}") from None


def _words(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(f"{_option(one['loc'][0])}: {_explain(one)}" for one in error.errors(include_url=False))


def _option(field: int | str) -> str:
    name = str(field)
    return _OPTIONS.get(name) or f"--{name.replace('_', '-')}"


def _explain(fault: ErrorDetails) -> str:
    return _SHAPES[fault["loc"][0]] if fault["type"] == "string_pattern_mismatch" else explain_fault(fault)


_OPTIONS = {
    "name": "name",
    "origins": "--origin",
    "redirects": "--redirect",
    "scopes": "--scope",
    "sources": "--source",
}
_SHAPES: dict[int | str, str] = {
    "name": "give lower-case letters, digits and hyphens, 60 at most",
    "origins": "give a site, such as https://example.com",
    "redirects": "give a page, such as https://example.com/thanks",
}
