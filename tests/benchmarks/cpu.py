"""The CPU that other processes use."""

import os
from dataclasses import dataclass
from pathlib import Path

from deploy.local.child_process import Process


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used, in user and kernel; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds of a program, of the database and of the broker."""

    own: float
    database: float
    broker: float

    @classmethod
    def used(cls, pid: int, database: Process, broker: Process) -> "Cpu":
        """What these processes have used."""
        return cls(*(cpu_seconds(one) for one in (pid, database.pid, broker.pid)))

    def since(self, before: "Cpu") -> "Cpu":
        """What was used since then."""
        return Cpu(self.own - before.own, self.database - before.database, self.broker - before.broker)
