"""Creates folders and files that only their owner may read."""

import os
import stat
from pathlib import Path

UMASK = 0o077
"""The umask of child processes: only the owner may use the files that they create."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def private_folder(path: Path) -> bool:
    """Create the folder, or restrict its rights; return whether only its owner can open it.

    A folder with the sticky bit, as `/tmp`, is shared and keeps its rights.
    """
    path.mkdir(mode=stat.S_IRWXU, parents=True, exist_ok=True)
    mode = path.stat().st_mode
    if not mode & _OTHERS:
        return True
    if mode & stat.S_ISVTX:
        return False
    try:
        path.chmod(stat.S_IRWXU)
    except OSError:
        return False
    return True


def private_file(path: str, flags: int) -> int:
    """Open a file, for `open`'s `opener`. Only its owner can read a file that this creates."""
    return os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR)
