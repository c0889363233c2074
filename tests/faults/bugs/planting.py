"""What a planted bug is, and how one is planted: a name of the product is given another meaning in this process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Bug:
    """A bug of `workers`. Where it shows only after a kill, `crash` names the point (`tests.faults.doomed`).

    `settings` are environment variables that let it show in a small load. A `late` process begins when all is fed:
    there are bugs that only large batches show.
    """

    name: str
    says: str
    workers: tuple[str, ...]
    plant: Callable[[], None]
    crash: str | None = None
    late: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)


BUGS: dict[str, Bug] = {}
"""All bugs by name."""


def bug(
    *workers: str, crash: str | None = None, late: bool = False, settings: Mapping[str, str] | None = None
) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a function that plants the bug it is named after, in these workers."""

    def register(plant: Callable[[], None]) -> Callable[[], None]:
        name = plant.__name__
        BUGS[name] = Bug(name, plant.__doc__ or "", workers, plant, crash, late or crash is not None, settings or {})
        return plant

    return register


def swap(target: object, name: str, make: Callable[[Any], Any]) -> None:
    """Let `target.name` be what `make` makes of it. Raises `AttributeError` when the product has no such thing."""
    setattr(target, name, make(getattr(target, name)))
