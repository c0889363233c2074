"""`pantry leads`: check the stored leads, export one."""

import sys
from contextlib import nullcontext
from pathlib import Path

import cyclopts

from services.cli.common import console
from services.cli.database import with_storage
from shared.clock import system_clock
from shared.domain.identity.normal_forms import email_key
from shared.errors import UsageError
from shared.leads.documents import leads_by_email
from shared.leads.lead_check import Finding, check_leads
from shared.leads.lead_export import export_lead
from shared.mongo.storage import Storage

leads_app = cyclopts.App(name="leads", help="Check and repair the stored leads; export one.")
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


@leads_app.command(name="export")
def leads_export(lead: str, *, to: Path | None = None) -> None:
    """Write all that is kept about a lead as JSON, for the person that it is about.

    Parameters
    ----------
    lead
        The lead's id, or its e-mail.
    to
        The file to write. Without it, the export goes to standard output.

    """

    async def work(storage: Storage) -> None:
        named = (await leads_by_email(storage, [lead])).get(email_key(lead) or "", lead) if "@" in lead else lead
        parts = await export_lead(storage, named, system_clock())
        if parts is None:
            raise UsageError(f"no lead has this id or e-mail: {lead}")
        with to.open("w", encoding="utf-8") if to else nullcontext(sys.stdout) as file:
            async for part in parts:
                file.write(part.decode())

    with_storage(work, timeout_ms=_TIMEOUT_MS)


def _line(finding: Finding, *, done: bool) -> str:
    names = f"fields: {', '.join(finding.paths)}" if finding.paths else ""
    why = f"can't be shown: {finding.why}" if finding.why else ""
    details = "; ".join(part for part in (names, why, "repaired" if done else "") if part)
    return f"{finding.collection} {finding.id}: {details}"
