"""A schedule that a seed decides: what breaks, when and for how long."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A fault; its target is a worker unless stated otherwise."""

    KILL = "SIGKILL"
    TERM = "SIGTERM"
    FREEZE = "SIGSTOP past its session"
    JOIN = "a second process joins, then leaves"
    CLOCK = "its clock jumps"
    CUT_DATABASE = "its connections to the database cut"
    STOP_DATABASE = "its connections to the database stopped"
    SLOW_DATABASE = "its connections to the database slowed"
    KILL_BROKER = "the broker killed"
    KILL_DATABASE = "the database killed"
    CUT_BROKER = "all connections to the broker cut"
    STOP_BROKER = "all connections to the broker stopped"
    SLOW_BROKER = "all connections to the broker slowed"


_OFTEN = {Kind.KILL: 6, Kind.TERM: 3, Kind.FREEZE: 3, Kind.JOIN: 2}
_SERVERS = frozenset(kind for kind in Kind if kind.name.endswith("BROKER") or kind is Kind.KILL_DATABASE)
BROKER, DATABASE = "broker", "database"


@dataclass(frozen=True, slots=True)
class Fault:
    """`kind` happens to `target`, `at` seconds after the start, for `seconds`."""

    at: float
    kind: Kind
    target: str
    seconds: float

    def __str__(self) -> str:
        return f"{self.at:7.1f} s  {self.target}: {self.kind.value}, for {self.seconds:.1f} s"


def schedule(seed: int, faults: int, over_s: float, workers: Sequence[str]) -> list[Fault]:
    """Return so many faults over this time, in order; the same arguments make the same faults.

    Each worker, the broker and the database are hit once before any is hit again.
    """
    rng = random.Random(f"faults/{seed}")
    targets: list[str] = []
    while len(targets) < faults:
        targets += rng.sample([*workers, BROKER, DATABASE], len(workers) + 2)
    moments = sorted(rng.uniform(0, over_s) for _ in range(faults))
    return [_fault(at, target, rng) for at, target in zip(moments, targets, strict=False)]


def _fault(at: float, target: str, rng: random.Random) -> Fault:
    if target == DATABASE:
        return Fault(at, Kind.KILL_DATABASE, target, rng.uniform(0.1, 3))
    kinds = [kind for kind in Kind if (kind in _SERVERS) == (target == BROKER) and kind is not Kind.KILL_DATABASE]
    kind = rng.choices(kinds, [_OFTEN.get(one, 1) for one in kinds])[0]
    return Fault(at, kind, target, rng.uniform(0.1, 4))
