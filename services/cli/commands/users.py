"""`pantry people`: manage the users who may sign in at the gateway."""

import getpass
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import cyclopts
from cyclopts import Parameter
from rich.markup import escape
from rich.table import Table

from services.cli.common import console, gateway_secret_of
from services.cli.database import with_storage
from services.gateway.auth import user_store
from services.gateway.auth.domain import users
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.domain.users import Role, User, UserChange
from services.gateway.auth.passwords import hash_of
from shared.clock import system_clock
from shared.errors import UsageError
from shared.mongo.storage import Storage
from shared.settings import Settings

people_app = cyclopts.App(name="people", help="Manage the users who can sign in.")
FIRST_USER = "admin"
"""The user that `pantry up` creates if there is none."""
_out = console()
_Flag = Annotated[bool, Parameter(negative=())]


@people_app.command(name="create")
def add_user(name: str, *, role: Role, password_file: Path | None = None, link: _Flag = False) -> None:
    """Create a user. The command asks for a password unless an option gives one.

    Parameters
    ----------
    name
        Lower-case letters, digits, dots and hyphens, like the owners of leads: kim.catering. Records of what the user
        does carry this name for good.
    role
        viewer: sees leads and figures. sales: also works with leads. admin: also captures and erases leads, and handles
        dead letters.
    password_file
        A file with the password.
    link
        Set no password. Print a link that signs the user in, once and within 15 minutes.

    """
    if link and password_file:
        raise UsageError("--link sets no password: leave out --password-file")
    stored = None if link else hash_of(_password(password_file))
    try:
        person = users.new_user(name, role, stored, system_clock())
    except ValueError:
        raise UsageError("a name has lower-case letters, digits, dots and hyphens, 60 at most") from None

    async def store_it(storage: Storage) -> None:
        if not await user_store.create_user(storage, person):
            raise UsageError(f"the user {name} exists already")

    with_storage(store_it)
    _say(_link(person) if link else f"{name} can sign in")


@people_app.command(name="list")
def list_people() -> None:
    """List all users, with those who are disabled."""
    table = Table("name", "role", "signs in with", "since", "disabled")
    for one in with_storage(user_store.list_users):
        ended = f"{one.disabled_at:%Y-%m-%d}" if one.disabled_at else ""
        how = "password or link" if one.password else "link"
        table.add_row(*map(escape, (one.name, one.role, how, f"{one.created_at:%Y-%m-%d}", ended)))
    _out.print(table)


@people_app.command(name="role")
def change_role(name: str, role: Role) -> None:
    """Change a user's role. The user has to sign in again.

    Parameters
    ----------
    name
        The user's name.
    role
        The new role.

    """
    _change(name, lambda: {"role": role})
    _say(f"{name} now has the role {role}")


@people_app.command(name="password")
def change_password(name: str, *, password_file: Path | None = None) -> None:
    """Change a user's password. The user has to sign in again.

    Parameters
    ----------
    name
        The user's name.
    password_file
        A file with the new password. Without it the command asks.

    """
    _change(name, lambda: {"password": hash_of(_password(password_file))})
    _say(f"{name} has a new password")


@people_app.command(name="link")
def make_link(name: str) -> None:
    """Print a link that signs a user in, once and within 15 minutes.

    Parameters
    ----------
    name
        The user's name.

    """
    _say(_link(with_storage(lambda storage: _named(storage, name))))


@people_app.command
def disable(name: str) -> None:
    """Disable a user. Gateways sign the user out within five seconds.

    Parameters
    ----------
    name
        The user's name.

    """
    _change(name, lambda: {"disabled_at": system_clock()})
    _say(f"{name} is disabled")


async def dashboard_link(storage: Storage, secret: str | None, base: str) -> str:
    """Return the dashboard's address with a link that signs `FIRST_USER` in, if enabled.

    Without `secret` it returns how to get a link. Creates `FIRST_USER` if there is no user.
    """
    if not await user_store.list_users(storage):
        await user_store.create_user(storage, users.new_user(FIRST_USER, Role.ADMIN, None, system_clock()))
    first = await user_store.find_user(storage, FIRST_USER)
    if first is None or first.disabled_at:
        return f"{base}/  (`pantry people link NAME` makes a sign-in link)"
    if secret is None:
        return f"{base}/  (`pantry people link {FIRST_USER}` makes a sign-in link)"
    note = f"signs you in as {FIRST_USER}, once within 15 minutes; another: `pantry people link {FIRST_USER}`"
    return f"{_address(first, secret, base)}  ({note})"


def _change(name: str, fields: Callable[[], UserChange]) -> None:
    async def change(storage: Storage) -> None:
        old = await _named(storage, name)
        # Ask for the password only now, when the user is known to exist.
        new = users.change_user(old, **fields())
        if not await user_store.replace_user(storage, old, new):
            raise UsageError(f"another process changed the user {name} just now: check it, and try again")

    with_storage(change)


async def _named(storage: Storage, name: str) -> User:
    person = await user_store.find_user(storage, name)
    if person is None:
        raise UsageError(f"there is no user {name}")
    if person.disabled_at:
        raise UsageError(f"{name} is disabled")
    return person


def _password(file: Path | None) -> str:
    """Return a new valid password. Raises `UsageError`."""
    try:
        password = file.read_text().rstrip("\r\n") if file else _ask_password()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"{file} can't be read as text") from None
    if flaw := users.password_flaw(password):
        raise UsageError(flaw)
    return password


def _ask_password() -> str:
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for a password: give --password-file FILE")
    password = getpass.getpass("Password: ")
    if flaw := users.password_flaw(password):
        raise UsageError(flaw)
    if getpass.getpass("Repeat password: ") != password:
        raise UsageError("the two passwords differ")
    return password


def _link(person: User) -> str:
    settings = Settings()
    # Without a configured port only the gateway knows it.
    here = f"http://{settings.http_host}:{settings.http_port}" if settings.http_port else ""
    return _address(person, gateway_secret_of(settings), settings.public_url or here)


def _address(person: User, secret: str, base: str) -> str:
    return f"{base.rstrip('/')}/signin?token={Signer(secret).link_token(person, system_clock())}"


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)
