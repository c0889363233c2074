"""Configuration files in YAML: checked with errors that name the place, reloaded while running."""

import asyncio
import hashlib
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
import yaml
from pydantic import BaseModel, ValidationError
from watchfiles import awatch

T = TypeVar("T", bound=BaseModel)

FILE_MAX = 512 * 1024
"""Bytes of a configuration file."""

NODES_MAX = 50_000
"""Values of a file, those that its aliases repeat among them."""

DEPTH_MAX = 40
"""Levels of a file's lists and maps."""

_FAULTS_MAX = 100
_NAMES = ("name", "id")
_NAME_MAX = 100
_OPEN = (0, 0)  # of a node whose parts are being counted
_log = structlog.get_logger()


class ConfigError(ValueError):
    """A configuration file that can't be used; each fault stands on a line with its place and the entry's name."""


def load(path: Path, model: type[T], zone: tzinfo = UTC) -> T:
    """The file at `path` as `model`; its dates without a zone are in `zone`. Raises `ConfigError`."""
    return _parsed(path, _bytes(path), model, zone)


def sections(path: Path) -> frozenset[str]:
    """The names of the sections that the file at `path` has. Raises `ConfigError`."""
    raw = _raw(path, _bytes(path))
    return frozenset(name for name in raw if isinstance(name, str)) if isinstance(raw, dict) else frozenset()


class Reloading(Generic[T]):
    """A configuration that follows its file. A change that can't be used is logged and leaves the last good one."""

    def __init__(self, path: Path, model: type[T], zone: tzinfo = UTC) -> None:
        """Loads at once; dates without a zone are in `zone`. Raises `ConfigError`."""
        self._path, self._model, self._zone = path, model, zone
        content = _bytes(path)
        self.current = _parsed(path, content, model, zone)
        self.version = _version(content)
        self._refused = ""

    async def watch(self, stopping: asyncio.Event) -> None:
        """Follow the file until `stopping` is set."""
        # Looked at every few seconds too: what was saved before the watch began, or where nothing tells of it.
        async for _ in awatch(self._path.parent, stop_event=stopping, recursive=False, yield_on_timeout=True):
            # A large file takes seconds to parse. The worker goes on meanwhile.
            self._take(await asyncio.to_thread(self._read))

    def refresh(self) -> bool:
        """Take the file as it is now; whether that changed anything."""
        return self._take(self._read())

    def _read(self) -> tuple[str, T] | ConfigError | None:
        """Return the changed file's version and content, or why it can't be used; None when it is as it was."""
        try:
            content = _bytes(self._path)
            version = _version(content)
            known = version == self.version
            return None if known else (version, _parsed(self._path, content, self._model, self._zone))
        except ConfigError as error:
            return error

    def _take(self, found: tuple[str, T] | ConfigError | None) -> bool:
        if isinstance(found, ConfigError):
            self._refuse(str(found))
            return False
        self._refused = ""
        if found is None:
            return False
        self.version, self.current = found
        _log.info("config.reloaded", file=self._path.name, version=self.version)
        return True

    def _refuse(self, faults: str) -> None:
        if faults != self._refused:
            _log.error("config.rejected", file=self._path.name, faults=faults.splitlines())
        self._refused = faults


def _bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(content) > FILE_MAX:
        raise ConfigError(f"{path}: a configuration file may have {FILE_MAX} bytes at most")
    return content


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _parsed(path: Path, content: bytes, model: type[T], zone: tzinfo) -> T:
    raw = _raw(path, content)
    try:
        return model.model_validate(raw, context={"zone": zone})
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)[:_FAULTS_MAX]
        told = "\n".join(f"{path}: {_place(raw, f['loc'])}: {f['msg']}" for f in faults)
        raise ConfigError(_printable(told)) from error
    except Exception as error:
        raise ConfigError(f"{path}: can't be checked ({type(error).__name__})") from error


def _raw(path: Path, content: bytes) -> Any:
    """Return what the file says in YAML, read by its size and depth first: aliases can make much of little."""
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return loader.construct_document(node)
    except RecursionError as error:
        raise ConfigError(f"{path}: not YAML: more than {DEPTH_MAX} levels") from error
    except Exception as error:  # the library lets whatever Python says of a number or a date pass
        raise ConfigError(_printable(f"{path}: not YAML: {error}")) from error


def _measure(node: yaml.Node, known: dict[yaml.Node, tuple[int, int]], above: int = 0) -> tuple[int, int]:
    """Return how many values and levels a node has, with all aliases followed; `above` counts the levels over it.

    Raises `ValueError` where it has too many.
    """
    size, levels = known.get(node, (1, 1))
    if (size, levels) == _OPEN:
        raise ValueError("an alias stands within what it repeats")
    if node not in known:
        known[node] = _OPEN
        for part in _parts(node):
            size_of_part, levels_of_part = _measure(part, known, above + 1)
            size, levels = size + size_of_part, max(levels, levels_of_part + 1)
        known[node] = (size, levels)
    if size > NODES_MAX:
        raise ValueError(f"more than {NODES_MAX} values")
    if above + levels > DEPTH_MAX:
        raise ValueError(f"more than {DEPTH_MAX} levels")
    return size, levels


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [one for pair in node.value for one in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _printable(text: str) -> str:
    return text.encode(errors="replace").decode()


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
        place += f" '{str(named)[:_NAME_MAX]}'" if isinstance(named, str | int) else ""
    return place or "(file)"
