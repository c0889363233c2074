"""`pantry people`: who may sign in at the gateway, and what for."""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import cyclopts
from cyclopts import Parameter
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.gateway import people, people_store
from services.gateway.passwords import hash_of
from services.gateway.people import Person, Role
from services.gateway.signing import Signer
from services.terminal import Misused, gateway_secret_of, with_storage
from shared.clock import system_clock
from shared.settings import Settings
from shared.storage import Storage

people_app = cyclopts.App(name="people", help="People who sign in at the gateway: viewer, sales or admin.")
FIRST = "admin"
"""Whom `pantry up` makes, where there is nobody yet."""
_out = Console()
_Flag = Annotated[bool, Parameter(negative=())]


@people_app.command
def create(name: str, *, role: Role, password_file: Path | None = None, link: _Flag = False) -> None:
    """Let somebody sign in; asks for a password unless told otherwise.

    Parameters
    ----------
    name
        Lower-case letters, digits, dots and hyphens; as owners of leads are named, kim.catering. What they do is told
        by it for ever.
    role
        viewer: sees leads and figures; sales: works with leads besides; admin: captures, erases and mends dead letters
        besides.
    password_file
        A file with the password.
    link
        Set no password; print a link that signs them in, once and within 15 minutes.

    """
    if link and password_file:
        raise Misused("--link sets no password: leave --password-file out")
    stored = None if link else hash_of(_password(password_file))
    try:
        person = people.made(name, role, stored, system_clock())
    except ValueError:
        raise Misused("a name has lower-case letters, digits, dots and hyphens, 60 at most") from None

    async def store_it(storage: Storage) -> None:
        if not await people_store.create_person(storage, person):
            raise Misused(f"there is somebody called {name} already")

    with_storage(store_it)
    _tell(_link(person) if link else f"{name} may sign in")


@people_app.command(name="list")
def list_people() -> None:
    """List everybody, and who is disabled."""
    table = Table("name", "role", "signs in by", "since", "disabled")
    for one in with_storage(people_store.people):
        ended = f"{one.disabled_at:%Y-%m-%d}" if one.disabled_at else ""
        how = "password or link" if one.password else "link"
        table.add_row(*map(escape, (one.name, one.role, how, f"{one.created_at:%Y-%m-%d}", ended)))
    _out.print(table)


@people_app.command(name="role")
def change_role(name: str, role: Role) -> None:
    """Give somebody another role; they have to sign in again."""
    _change(name, lambda: {"role": role})
    _tell(f"{name} is {role}")


@people_app.command(name="password")
def change_password(name: str, *, password_file: Path | None = None) -> None:
    """Give somebody another password; they have to sign in again.

    Parameters
    ----------
    name
        Who.
    password_file
        A file with the password, instead of asking for it.

    """
    _change(name, lambda: {"password": hash_of(_password(password_file))})
    _tell(f"{name} has another password")


@people_app.command(name="link")
def make_link(name: str) -> None:
    """Print a link that signs somebody in, once and within 15 minutes."""
    _tell(_link(with_storage(lambda storage: _named(storage, name))))


@people_app.command
def disable(name: str) -> None:
    """Let somebody in no more; gateways see them out within five seconds."""
    _change(name, lambda: {"disabled_at": system_clock()})
    _tell(f"{name} is disabled")


async def way_in(storage: Storage, secret: str, base: str) -> str:
    """Where the dashboard is; the first time, and as long as `FIRST` may sign in, with a link that signs them in."""
    if not await people_store.people(storage):
        await people_store.create_person(storage, people.made(FIRST, Role.ADMIN, None, system_clock()))
    first = await people_store.person(storage, FIRST)
    if first is None or first.disabled_at:
        return f"{base}/  (pantry people link NAME makes a link that signs somebody in)"
    told = f"signs you in as {FIRST}; once, within 15 minutes; again: pantry people link {FIRST}"
    return f"{_address(first, secret, base)}  ({told})"


def _change(name: str, fields: Callable[[], dict[str, Any]]) -> None:
    async def change(storage: Storage) -> None:
        old = await _named(storage, name)
        # Only now: nobody is asked for a password that would be in vain.
        new = people.changed(old, **fields())
        if not await people_store.replace_person(storage, old, new):
            raise Misused(f"somebody else changed {name} just now: look at them again")

    with_storage(change)


async def _named(storage: Storage, name: str) -> Person:
    person = await people_store.person(storage, name)
    if person is None:
        raise Misused(f"there is nobody called {name}")
    if person.disabled_at:
        raise Misused(f"{name} is disabled")
    return person


def _password(file: Path | None) -> str:
    """A new password that can be one. Raises `Misused`."""
    try:
        password = file.read_text().rstrip("\r\n") if file else _asked()
    except (OSError, UnicodeDecodeError):
        raise Misused(f"{file} can't be read as text") from None
    if flaw := people.flaw_of(password):
        raise Misused(flaw)
    return password


def _asked() -> str:
    if not sys.stdin.isatty():
        raise Misused("there is no terminal to ask for a password on: give --password-file FILE")
    password = getpass.getpass("Password: ")
    if flaw := people.flaw_of(password):
        raise Misused(flaw)
    if getpass.getpass("Again: ") != password:
        raise Misused("these were two different passwords")
    return password


def _link(person: Person) -> str:
    settings = Settings()
    # Where no port is set, only the gateway knows it.
    here = f"http://{settings.http_host}:{settings.http_port}" if settings.http_port else ""
    return _address(person, gateway_secret_of(settings), settings.public_url or here)


def _address(person: Person, secret: str, base: str) -> str:
    return f"{base.rstrip('/')}/signin?token={Signer(secret).link_token(person, system_clock())}"


def _tell(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)
