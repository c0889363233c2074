"""What all commands share: the servers in the settings, and errors of the user."""

import os
import re
import secrets
import sys
from contextlib import suppress
from pathlib import Path

from pydantic_core import ErrorDetails
from rich.console import Console

from deploy.local import private_file, private_folder
from shared.errors import UsageError
from shared.settings import Settings

PRINTED = "(`pantry up` prints the line that sets it)"
_UNBOUNDED = 100_000  # columns
_EXPLANATIONS = {
    "bool_parsing": "give true or false",
    "enum": "give {expected}",
    "float_parsing": "give a number",
    "greater_than": "give more than {gt:g}",
    "greater_than_equal": "give {ge:g} or more",
    "int_parsing": "give a whole number",
    "less_than": "give less than {lt:g}",
    "less_than_equal": "give {le:g} or less",
    "literal_error": "give {expected}",
}


def console(*, stderr: bool = False) -> Console:
    """Return a console as wide as the terminal; in a pipe or file lines are never wrapped."""
    stream = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if stream.isatty() else _UNBOUNDED)


def explain_fault(fault: ErrorDetails) -> str:
    """Return how to fix a fault that pydantic found, without its value, which may be a secret."""
    if words := _EXPLANATIONS.get(fault["type"]):
        return words.format_map(fault.get("ctx", {}))
    return str(fault["msg"]).removeprefix("Value error, ")


def without_login(url: str) -> str:
    """Return a URL without user name and password, safe to print."""
    return re.sub(r"//[^/]*@", "//", url)


def gateway_secret_of(settings: Settings, *, create: bool = False) -> str:
    """Return the gateway's secret from the settings, else from the data folder of `pantry up`.

    `create` creates the one in the data folder. Raises `UsageError` if there is none.
    """
    if settings.gateway_secret:
        return settings.gateway_secret.get_secret_value()
    kept = _read_secret(settings.data_dir / "gateway.secret", create=create)
    if not kept:
        raise UsageError("set PANTRY_GATEWAY_SECRET to the same secret for all gateway processes")
    return kept


def erasure_pepper_of(settings: Settings, *, create: bool = False) -> str:
    """Return the pepper from the settings, else from the data folder; empty if there is none.

    `create` creates the one in the data folder. Raises `UsageError` if the data folder can't be read.
    """
    return settings.erasure_pepper.get_secret_value() or _read_secret(
        settings.data_dir / "erasure.pepper", create=create
    )


def _read_secret(file: Path, *, create: bool) -> str:
    """Return the secret in this file; empty if there is none. `create` creates a missing one."""
    try:
        if create:
            _create_secret(file)
    except OSError as error:
        raise UsageError(
            f"no secret can be written to {file.parent} ({error.strerror}): set PANTRY_DATA_DIR to another folder"
        ) from None
    try:
        kept = file.read_text().strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the secret in {file} can't be read: {error}") from None
    if not kept:
        raise UsageError(
            f"{file} should contain a secret and is empty: restore it, or delete it to start with a new one"
        )
    return kept


def _create_secret(file: Path) -> None:
    """Create the secret once: of several processes one wins, and no reader sees half of it."""
    private_folder(file.parent)
    if file.exists():
        file.chmod(0o600)
        return
    fresh = file.with_suffix(f".{os.getpid()}")
    with open(fresh, "w", opener=private_file) as opened:
        opened.write(secrets.token_urlsafe(32))
        opened.flush()
        os.fsync(opened.fileno())
    with suppress(FileExistsError):
        os.link(fresh, file)
    fresh.unlink()
