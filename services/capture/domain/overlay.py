"""A mapping with changes: the mapping below stays as it was."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import TypeVar, overload

K = TypeVar("K")
V = TypeVar("V")
T = TypeVar("T")

_FEWER = 4
"""A layer has more than this many times the entries of the layer above it, so there are few layers."""


class Overlay(Mapping[K, V]):
    """Layers of entries, the newest first. Many small changes cost little each."""

    __slots__ = ("_layers",)

    def __init__(self, *layers: Mapping[K, V]) -> None:
        self._layers = layers

    def __getitem__(self, key: K) -> V:
        for layer in self._layers:
            if key in layer:
                return layer[key]
        raise KeyError(key)

    @overload
    def get(self, key: K, /) -> V | None: ...
    @overload
    def get(self, key: K, /, default: V | T) -> V | T: ...
    def get(self, key: K, /, default: T | None = None) -> V | T | None:
        """Return the value of this key, or the default. The inherited method raises and catches at each miss."""
        for layer in self._layers:
            if key in layer:
                return layer[key]
        return default

    def __contains__(self, key: object) -> bool:
        return any(key in layer for layer in self._layers)

    def __iter__(self) -> Iterator[K]:
        return iter(dict.fromkeys(chain(*reversed(self._layers))))

    def __len__(self) -> int:
        return len(set(chain(*self._layers)))

    def with_changes(self, changes: Mapping[K, V]) -> "Overlay[K, V]":
        """Return this mapping with these changes; it joins small layers into one."""
        *upper, lowest = self._layers
        while upper and len(upper[0]) <= _FEWER * len(changes):
            changes = {**upper.pop(0), **changes}
        return Overlay(changes, *upper, lowest)


def overlay(below: Mapping[K, V], changes: Mapping[K, V]) -> Mapping[K, V]:
    """Return the mapping `below` with these changes."""
    if not changes:
        return below
    return below.with_changes(changes) if isinstance(below, Overlay) else Overlay(changes, below)
