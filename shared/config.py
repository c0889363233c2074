"""Configuration files in YAML: checks and reloads them, and names the place of each fault."""

import asyncio
import hashlib
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any, Generic, TypeVar

import structlog
import yaml
from pydantic import BaseModel, ValidationError
from watchfiles import awatch

from shared.errors import UsageError

T = TypeVar("T", bound=BaseModel)

FILE_MAX = 512 * 1024
"""Most bytes of a configuration file."""

NODES_MAX = 50_000
"""Most values of a file, with those that its aliases repeat."""

DEPTH_MAX = 40
"""Most levels of a file's lists and maps."""

_FAULTS_MAX = 100
_NAMES = ("name", "id")
_NAME_MAX = 100
_OPEN = (0, 0)  # the size of a node while its parts are counted
_log = structlog.get_logger()


class ConfigError(UsageError, ValueError):
    """A configuration can't be used. Each line has a fault, its place and the entry's name."""


def load_config(path: Path, model: type[T], zone: tzinfo = UTC) -> T:
    """Return the file as `model`; dates without a zone are in `zone`. Raises `ConfigError`."""
    return _parse(path, _read_bytes(path), model, zone)


def sections(path: Path) -> frozenset[str]:
    """Return the names of the file's sections. Raises `ConfigError`."""
    raw = _raw(path, _read_bytes(path))
    return frozenset(name for name in raw if isinstance(name, str)) if isinstance(raw, dict) else frozenset()


class Reloading(Generic[T]):
    """A configuration that reloads its file. It logs a bad file and keeps the last good one."""

    def __init__(self, path: Path, model: type[T], zone: tzinfo = UTC) -> None:
        """Load the file; dates without a zone are in `zone`. Raises `ConfigError`."""
        self._path, self._model, self._zone = path, model, zone
        content = _read_bytes(path)
        self.current = _parse(path, content, model, zone)
        self.version = _version(content)
        self.refused: tuple[str, ...] = ()
        """The faults of the saved file; empty if it is in use."""

    @property
    def name(self) -> str:
        """The file's name, without its folder."""
        return self._path.name

    async def watch(self, stopping: asyncio.Event) -> None:
        """Reload the file when it changes, until `stopping` is set."""
        # Also reads the file every few seconds: some file systems report no changes.
        async for _ in awatch(self._path.parent, stop_event=stopping, recursive=False, yield_on_timeout=True):
            # Parsing a large file takes seconds; a thread keeps the worker going.
            self._take(await asyncio.to_thread(self._read))

    def refresh(self) -> bool:
        """Read the file now; return whether the configuration changed."""
        return self._take(self._read())

    def _read(self) -> tuple[str, T] | ConfigError | None:
        """Return the changed file's version and content, or its faults; None if it is unchanged."""
        try:
            content = _read_bytes(self._path)
            version = _version(content)
            known = version == self.version
            return None if known else (version, _parse(self._path, content, self._model, self._zone))
        except ConfigError as error:
            return error

    def _take(self, found: tuple[str, T] | ConfigError | None) -> bool:
        if isinstance(found, ConfigError):
            self._refuse(str(found))
            return False
        self.refused = ()
        if found is None:
            return False
        self.version, self.current = found
        _log.info("config.reloaded", file=self.name, version=self.version)
        return True

    def _refuse(self, faults: str) -> None:
        refused = tuple(line.removeprefix(f"{self._path}: ") for line in faults.splitlines())
        if refused != self.refused:
            _log.error("config.rejected", file=self.name, faults=faults.splitlines())
        self.refused = refused


def _read_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    if len(content) > FILE_MAX:
        raise ConfigError(f"{path}: a configuration file may have at most {FILE_MAX} bytes")
    return content


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _parse(path: Path, content: bytes, model: type[T], zone: tzinfo) -> T:
    raw = _raw(path, content)
    try:
        return model.model_validate(raw, context={"zone": zone})
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False, include_input=False)[:_FAULTS_MAX]
        faults = "\n".join(f"{path}: {_place(raw, one['loc'])}: {one['msg']}" for one in errors)
        raise ConfigError(_printable(faults)) from error
    except Exception as error:
        raise ConfigError(f"{path}: can't be checked ({type(error).__name__})") from error


def _raw(path: Path, content: bytes) -> object:
    """Return the file's YAML values. Checks size and depth first: aliases can multiply values."""
    try:
        loader = yaml.SafeLoader(content)
        node = loader.get_single_node()
        if node is None:
            return None
        _measure(node, {})
        return loader.construct_document(node)
    except RecursionError as error:
        raise ConfigError(f"{path}: not YAML: more than {DEPTH_MAX} levels") from error
    except Exception as error:  # the library passes on all errors of numbers and dates
        raise ConfigError(_printable(f"{path}: not YAML: {error}")) from error


def _measure(node: yaml.Node, known: dict[yaml.Node, tuple[int, int]], above: int = 0) -> tuple[int, int]:
    """Return a node's number of values and levels, aliases included. `above`: levels over it.

    Raises `ValueError` if it has too many.
    """
    size, levels = known.get(node, (1, 1))
    if (size, levels) == _OPEN:
        raise ValueError("an alias is inside the value that it repeats")
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


def _place(raw: Any, location: tuple[int | str, ...]) -> str:  # a file's YAML, of any shape
    """Return a fault's path with the names of its entries: `rules[2] 'high_revenue'.operator`."""
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
