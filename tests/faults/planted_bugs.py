"""`python -m tests.faults.planted_bugs BUG [--crash POINT] WORKER…`: `pantry worker WORKER…` with a bug in it.

BUG is a name out of `tests.faults.bugs`, or `none`; POINT is where the process of its one WORKER ends by SIGKILL, as
`points` names them. The product has no hook for either: both are planted in this process alone.
"""

import argparse
import os
import sys
from pathlib import Path

from services.cli.main import main
from tests.faults.bugs import BUGS
from tests.faults.crash_injector import inject_crash


def _run() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.planted_bugs", description=__doc__)
    parser.add_argument("bug", choices=["none", *BUGS])
    parser.add_argument("workers", nargs="+", metavar="WORKER")
    parser.add_argument("--crash", help="the point's name")
    asked = parser.parse_args()
    if asked.bug != "none":
        BUGS[asked.bug].plant()
    if asked.crash:
        (worker,) = asked.workers
        inject_crash(worker, asked.crash, 1, Path(os.devnull))
    sys.argv = ["pantry", "worker", *asked.workers]
    main()


if __name__ == "__main__":
    _run()
