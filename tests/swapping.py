"""Putting another thing in place of one of the product's, by the thing itself: who renames it renames it here too."""

from collections.abc import Callable
from typing import Any


class MissingTargetError(AssertionError):
    """What a test means to put another thing in place of is not there."""


def name_of(owner: object, thing: Any) -> str:
    """The name that `thing` has in `owner`, a module or a class. Raises `MissingTargetError` where it has none."""
    for name, value in vars(owner).items():
        if value is thing:
            return name
    raise MissingTargetError(f"{owner} has no {thing}")


def swap(owner: object, thing: Any, make: Callable[[Any], Any]) -> None:
    """Put what `make` makes of `thing` in its place, in this process and for good. Raises `MissingTargetError`."""
    setattr(owner, name_of(owner, thing), make(thing))
