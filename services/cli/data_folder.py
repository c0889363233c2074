"""The data folder of a running `pantry up`: its lock, and the file with its settings."""

import errno
import fcntl
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, get_args

from pydantic import SecretStr

from deploy.local import Backend, Servers, private_file, private_folder
from services.cli.common import without_login
from shared.domain.operations.setting_names import variable
from shared.env_file import assignments, read_env_file
from shared.errors import UsageError
from shared.settings import Settings

_FILE, _LOCK = "up.env", "in-use"


def env_file(folder: Path) -> Path:
    """Return the file in which a running `up` on this data folder keeps settings for others."""
    return folder.absolute() / _FILE


@contextmanager
def lock_data_folder(folder: Path) -> Iterator[None]:
    """Lock the data folder for this process. Raises `UsageError` while another has it."""
    with _locked(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            problem = f"another `pantry up` or `demo` uses {folder}: stop it, or set PANTRY_DATA_DIR to another folder"
            use = f"to use its servers, first run `. {env_file(folder)}`" if env_file(folder).exists() else ""
            raise UsageError("; ".join(filter(None, (problem, use)))) from None
        # A killed process leaves a file that names servers that no longer run.
        env_file(folder).unlink(missing_ok=True)
        yield


def _locked(folder: Path) -> TextIO:
    try:
        private_folder(folder)
        return open(folder / _LOCK, "w", opener=private_file)
    except OSError as error:
        raise UsageError(
            f"no data can be written to {folder} ({error.strerror}): set PANTRY_DATA_DIR to another folder"
        ) from None


def runs_beside(settings: Settings) -> bool:
    """Return whether the settings name the servers of an `up` that runs on this data folder."""
    file, lock_file = env_file(settings.data_dir), settings.data_dir / _LOCK
    if not (file.exists() and lock_file.exists()):
        return False
    if read_env_file(file).get(variable("kafka_bootstrap")) != settings.kafka_bootstrap:
        return False
    with lock_file.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def settings_beside(settings: Settings, found: Servers, url: str) -> dict[str, str]:
    """Return the environment for a process beside this one, without secrets.

    The process chooses its own port. Links that it prints lead to the gateway at `url`.
    """
    same = {name: getattr(settings, name) for name, field in Settings.model_fields.items() if not _is_secret(name)}
    changed = {name: value for name, value in same.items() if value != Settings.model_fields[name].default}
    ours = {
        "kafka_bootstrap": found.kafka_bootstrap,
        "mongo_url": without_login(found.mongo_url),
        "http_port": 0,
        "public_url": settings.public_url or url,
        "data_dir": settings.data_dir,
    }
    if settings.ops_port is not None:
        ours |= {"ops_port": 0}
    if found.broker is Backend.EMBEDDED:
        ours |= {"kafka_idempotence": False}
    return {variable(name): _written(value) for name, value in {**ours, **changed, **ours}.items()}


def secrets_of(settings: Settings) -> list[str]:
    """Return the names of the settings that `settings_beside` leaves out as secrets."""
    given = [variable(name) for name in settings.model_fields_set if _is_secret(name)]
    login = settings.mongo_url and without_login(settings.mongo_url) != settings.mongo_url
    return [*sorted(given), *(["the login in PANTRY_MONGO_URL"] if login else [])]


@contextmanager
def keep_env_file(folder: Path, values: Mapping[str, str]) -> Iterator[Path]:
    """Keep these settings in a file for shells while the context lasts; return the file."""
    file = env_file(folder)
    file.unlink(missing_ok=True)
    with open(file, "x", opener=private_file) as opened:
        opened.writelines(f"export {line}\n" for line in assignments(values))
    try:
        yield file
    finally:
        file.unlink(missing_ok=True)


def check_port(host: str, port: int, setting: str) -> None:
    """Raise `UsageError` unless this process can listen at this port; `setting` names it."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
    except PermissionError:
        raise UsageError(f"this user may not use port {port}: set {setting} to 1024 or higher") from None
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise UsageError(
                f"port {port} of {host} is in use: set {setting} to another, or to 0 for any free port"
            ) from None
        raise UsageError(f"this machine has no address {host}: set PANTRY_HTTP_HOST to one of its own") from None


def _is_secret(name: str) -> bool:
    return SecretStr in (Settings.model_fields[name].annotation, *get_args(Settings.model_fields[name].annotation))


def _written(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value.absolute() if isinstance(value, Path) else value)
