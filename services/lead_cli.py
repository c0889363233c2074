"""`pantry leads`: what is stored of leads, looked through."""

import sys

import cyclopts
from rich.console import Console

from services.lead_check import Finding, check
from services.terminal import with_storage
from shared.storage import Storage

leads_app = cyclopts.App(name="leads", help="What is stored of leads.")
_out = Console()
# The embedded database reads a whole collection before it gives the first of it.
_TIMEOUT_MS = 60_000


@leads_app.command(name="check")
def leads_check(*, repair: bool = False) -> None:
    """Find documents that can't be read back as they are stored; exit status 1 when any is left.

    Parameters
    ----------
    repair
        Rename what begins with a dollar: `$ref` becomes `_ref`. Values stay.

    """

    async def work(storage: Storage) -> tuple[int, int]:
        found = left = 0
        async for finding, done in check(storage, repairing=repair):
            found, left = found + 1, left + (not done)
            _out.print(_line(finding, done=done), markup=False, highlight=False, soft_wrap=True)
        return found, left

    found, left = with_storage(work, timeout_ms=_TIMEOUT_MS)
    _out.print(f"{found:,} documents found, {found - left:,} repaired", markup=False, highlight=False)
    sys.exit(1 if left else 0)


def _line(finding: Finding, *, done: bool) -> str:
    names = f"names: {', '.join(finding.paths)}" if finding.paths else ""
    why = f"can't be shown: {finding.why}" if finding.why else ""
    said = "; ".join(part for part in (names, why, "repaired" if done else "") if part)
    return f"{finding.collection} {finding.id}: {said}"
