"""`pantry keys`: who may send to the gateway."""

import secrets
from datetime import timedelta
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.gateway import access, keys, store
from services.gateway.access import Key, Kind
from services.gateway.signing import Signer
from services.terminal import Misused, gateway_secret_of, with_storage
from shared.clock import system_clock
from shared.settings import Settings
from shared.storage import Storage

keys_app = cyclopts.App(name="keys", help="Keys for the gateway: one a channel.")
_out = Console()
_Many = Annotated[tuple[str, ...], Parameter(negative_iterable=())]


@keys_app.command
def create(  # noqa: PLR0913 - what a key can be given
    name: str,
    *,
    kind: Kind = Kind.SERVER,
    scope: _Many = (),
    source: _Many = (),
    origin: _Many = (),
    redirect: _Many = (),
    per_minute: int = 6_000,
    per_address: int | None = None,
    needs_token: bool = False,
    title: str = "Talk to us",
    wording: str = "",
) -> None:
    """Make a key, and show it: nobody can show it again.

    Parameters
    ----------
    name
        The channel: lower-case letters, digits and hyphens. Its events carry it for ever.
    kind
        server: a secret of a server or scanner; form: public, for a web page; webhook: signs what a platform sends.
    scope
        What a server key may do, as often as needed: captures:write (unless told), activities:write, engagements:write,
        leads:write, leads:erase, leads:read, analytics:read, deadletters:manage.
    source
        Lead source that it may capture under, as often as needed (website unless told): website, email, phone,
        referral, trade_show, social_media. Captures that name none get the first.
    origin
        A site that the form stands on, as https://example.com.
    redirect
        A thank-you page that a form may lead to; the first is the default.
    per_minute
        Requests a minute, over all gateway processes.
    per_address
        Requests a minute from one address (form keys: 60 unless told).
    needs_token
        Refuse forms that are not the gateway's own pages and script.
    title
        The form's heading.
    wording
        What a person who ticks the form's consent box agrees to; without it there is no box.

    """
    secret = "1" if kind is Kind.WEBHOOK else secrets.token_urlsafe(24)
    more: dict[str, Any] = {"origins": origin, "redirects": redirect, "title": title, "wording": wording}
    more |= {"per_minute": per_minute, "needs_token": needs_token}
    more |= {"per_address": per_address} if per_address else {}
    try:
        key = keys.made(name, kind, secret, system_clock(), scopes=scope, sources=source, **more)
    except ValueError as error:
        raise Misused(_words(error)) from None

    async def store_it(storage: Storage) -> None:
        if not await store.create_key(storage, key):
            raise Misused(f"there is a key {name} already; pantry keys rotate {name} gives it a new secret")

    shown = _shown(key, secret)
    with_storage(store_it)
    _out.print(shown, markup=False, highlight=False, soft_wrap=True)


@keys_app.command(name="list")
def list_keys() -> None:
    """List all keys. Secrets are not stored, so none is shown."""
    table = Table()
    for heading in ("name", "kind", "state", "scopes", "sources", "a minute", "sites"):
        table.add_column(heading, overflow="fold")
    for key in sorted(with_storage(store.keys).values(), key=lambda one: one.name):
        sites = (*key.origins, *key.redirects)
        cells = (key.name, key.kind, _state(key), "\n".join(key.scopes), "\n".join(key.sources))
        table.add_row(*map(escape, (*cells, str(key.per_minute), "\n".join(sites))))
    _out.print(table)


@keys_app.command
def rotate(name: str, *, overlap_hours: float = 24.0) -> None:
    """Give a key a new secret, and show it.

    Parameters
    ----------
    name
        The key.
    overlap_hours
        How long the old secret still holds; 0 ends it at once.

    """

    async def change(storage: Storage) -> str:
        old = await _named(storage, name)
        if old.revoked_at:
            raise Misused(f"{name} was revoked; make a new key")
        secret = _next_number(old) if old.kind is Kind.WEBHOOK else secrets.token_urlsafe(24)
        new = keys.rotated(old, secret, system_clock(), timedelta(hours=overlap_hours))
        shown = _shown(new, secret)
        await _replace(storage, old, new)
        return shown

    _out.print(with_storage(change), markup=False, highlight=False, soft_wrap=True)


@keys_app.command
def revoke(name: str) -> None:
    """End a key for good; gateways refuse it within five seconds."""

    async def change(storage: Storage) -> None:
        old = await _named(storage, name)
        await _replace(storage, old, keys.revoked(old, system_clock()))

    with_storage(change)
    _out.print(f"{name} is revoked", markup=False, highlight=False)


async def _named(storage: Storage, name: str) -> Key:
    key = await store.key(storage, name)
    if key is None:
        raise Misused(f"there is no key {name}")
    return key


async def _replace(storage: Storage, old: Key, new: Key) -> None:
    if not await store.replace_key(storage, old, new):
        raise Misused(f"somebody else changed {old.name} just now: look at it again")


def _next_number(key: Key) -> str:
    return str(1 + max(int(one.hash) for one in key.secrets))


def _shown(key: Key, secret: str) -> str:
    if key.kind is Kind.WEBHOOK:
        return Signer(gateway_secret_of(Settings())).webhook_secret(key.name, secret)
    return access.token(key.kind, key.name, secret)


def _state(key: Key) -> str:
    if key.revoked_at:
        return "revoked"
    return f"{len(key.live(system_clock()))} secrets hold" if len(key.secrets) > 1 else "holds"


def _words(error: ValueError) -> str:
    faults = getattr(error, "errors", None)
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in faults()) if faults else str(error)
