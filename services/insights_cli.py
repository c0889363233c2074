"""`pantry insights`: the roll-ups made anew from the documents, or compared with them."""

import sys
from zoneinfo import ZoneInfo

import cyclopts
from rich.console import Console
from rich.live import Live

from services.insights.rebuild import SHOWN_MAX, Overtaken, Verdict, rebuild, until_quiet
from services.terminal import Misused, with_storage
from shared.settings import Settings
from shared.storage import Storage

insights_app = cyclopts.App(name="insights", help="The roll-ups behind dashboard and analytics.")
_out = Console()
_TRIES, _PAUSE_S = 5, 2.0
# The embedded database reads a whole collection before it gives the first of it.
_TIMEOUT_MS = 60_000


@insights_app.command(name="rebuild")
def insights_rebuild() -> None:
    """Count every lead anew from the documents, in days of PANTRY_TIMEZONE. The figures of before stay till it ends.

    One that was interrupted is to be run again: it begins anew.
    """
    zone = ZoneInfo(Settings().timezone)

    async def work(storage: Storage) -> int:
        done = 0
        with Live(console=_out, transient=True) as live:
            async for done in rebuild(storage, zone):
                live.update(f"{done:,} leads counted")
        return done

    try:
        _out.print(f"{with_storage(work, timeout_ms=_TIMEOUT_MS):,} leads counted anew")
    except Overtaken:
        raise Misused("another rebuild was begun meanwhile: that one counts") from None


@insights_app.command(name="verify")
def insights_verify() -> None:
    """Recompute all figures from the documents and compare; exit status 1 when they differ."""
    try:
        verdict = with_storage(lambda storage: until_quiet(storage, _TRIES, _PAUSE_S), timeout_ms=_TIMEOUT_MS)
    except LookupError as error:
        raise Misused(f"{error}: is the insights worker running?") from None
    _tell(verdict)
    sys.exit(0 if verdict.equal else 1)


def _tell(verdict: Verdict) -> None:
    for difference in verdict.differences[:SHOWN_MAX]:
        _out.print(difference, markup=False, highlight=False)
    found = f"{verdict.leads:,} leads in {verdict.buckets:,} buckets"
    if verdict.equal:
        _out.print(f"equal: {found}")
        return
    moving = "; leads were changing meanwhile: try again when it is quieter" if verdict.moving else ""
    _out.print(f"{len(verdict.differences):,} differences over {found}{moving}")
