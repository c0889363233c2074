"""Configuration files in YAML: checked with errors that name the place, reloaded while running."""

import asyncio
import hashlib
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
import yaml
from pydantic import BaseModel, ValidationError
from watchfiles import awatch

T = TypeVar("T", bound=BaseModel)

_NAMES = ("name", "id")
_log = structlog.get_logger()


class ConfigError(ValueError):
    """A configuration file that can't be used; each fault stands on a line with its place and the entry's name."""


def load(path: Path, model: type[T]) -> T:
    """The file at `path` as `model`. Raises `ConfigError`."""
    return _parsed(path, _bytes(path), model)


class Reloading(Generic[T]):
    """A configuration that follows its file. A change that can't be used is logged and leaves the last good one."""

    def __init__(self, path: Path, model: type[T]) -> None:
        """Loads at once. Raises `ConfigError`."""
        self._path, self._model = path, model
        content = _bytes(path)
        self.current = _parsed(path, content, model)
        self.version = _version(content)
        self._refused = ""

    async def watch(self, stopping: asyncio.Event) -> None:
        """Follow the file until `stopping` is set."""
        # Looked at every few seconds too: what was saved before the watch began, or where nothing tells of it.
        async for _ in awatch(self._path.parent, stop_event=stopping, recursive=False, yield_on_timeout=True):
            self.refresh()

    def refresh(self) -> bool:
        """Take the file as it is now; whether that changed anything."""
        try:
            content = _bytes(self._path)
            known = _version(content) == self.version
            self.current = self.current if known else _parsed(self._path, content, self._model)
        except ConfigError as error:
            self._refuse(str(error))
            return False
        self._refused = ""
        if known:
            return False
        self.version = _version(content)
        _log.info("config.reloaded", file=self._path.name, version=self.version)
        return True

    def _refuse(self, faults: str) -> None:
        if faults != self._refused:
            _log.error("config.rejected", file=self._path.name, faults=faults.splitlines())
        self._refused = faults


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _parsed(path: Path, content: bytes, model: type[T]) -> T:
    try:
        raw = yaml.safe_load(content)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: not YAML: {error}") from error
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        raise ConfigError("\n".join(f"{path}: {_place(raw, f['loc'])}: {f['msg']}" for f in faults)) from error


def _place(raw: Any, location: tuple[int | str, ...]) -> str:
    """`rules[2] 'high_revenue'.conditions[0].operator`: the path, with the names of the entries on its way."""
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else part
        try:
            raw = raw[part]
        except (KeyError, IndexError, TypeError):
            raw = None
        named = next((raw[name] for name in _NAMES if name in raw), None) if isinstance(raw, dict) else None
        place += f" '{named}'" if named is not None else ""
    return place or "(file)"
