"""The CPU that another process uses."""

import os
from pathlib import Path


def cpu_seconds(pid: int) -> float:
    """CPU seconds that a process has used, in user and kernel; Linux only."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
