"""`pantry leads`: check the stored leads."""

import sys

import cyclopts

from services.cli.common import console
from services.cli.database import with_storage
from shared.leads.lead_check import Finding, check_leads
from shared.mongo.storage import Storage

leads_app = cyclopts.App(name="leads", help="Check and repair the stored leads.")
_out = console()
# The embedded database reads a whole collection before it returns its first document.
_TIMEOUT_MS = 60_000


@leads_app.command(name="check")
def leads_check(*, repair: bool = False) -> None:
    """Find documents that can't be read back as stored. The exit status is 1 if any is left.

    Parameters
    ----------
    repair
        Rename fields that begin with a dollar sign: `$ref` becomes `_ref`. Values don't change.

    """

    async def work(storage: Storage) -> tuple[int, int]:
        found = left = 0
        async for finding, done in check_leads(storage, repairing=repair):
            found, left = found + 1, left + (not done)
            _out.print(_line(finding, done=done), markup=False, highlight=False, soft_wrap=True)
        return found, left

    found, left = with_storage(work, timeout_ms=_TIMEOUT_MS)
    _out.print(f"{found:,} documents found, {found - left:,} repaired", markup=False, highlight=False)
    sys.exit(1 if left else 0)


def _line(finding: Finding, *, done: bool) -> str:
    names = f"fields: {', '.join(finding.paths)}" if finding.paths else ""
    why = f"can't be shown: {finding.why}" if finding.why else ""
    details = "; ".join(part for part in (names, why, "repaired" if done else "") if part)
    return f"{finding.collection} {finding.id}: {details}"
