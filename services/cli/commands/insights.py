"""`pantry insights`: rebuild the roll-ups from the documents, or compare them."""

import sys
from zoneinfo import ZoneInfo

import cyclopts
from rich.live import Live

from services.cli.common import console
from services.cli.database import with_storage
from services.insights.rebuild import REPORTED_MAX, Overtaken, Verdict, rebuild, verify_until_stable
from shared.errors import UsageError
from shared.mongo.storage import Storage
from shared.settings import Settings

insights_app = cyclopts.App(name="insights", help="Rebuild or verify the figures behind the dashboard and analytics.")
_out = console()
_TRIES, _PAUSE_S = 5, 2.0
# The embedded database reads a whole collection before it returns its first document.
_TIMEOUT_MS = 60_000


@insights_app.command(name="rebuild")
def insights_rebuild() -> None:
    """Count all leads again from the stored documents, by days in PANTRY_TIMEZONE.

    The current figures stay until it ends. If it is interrupted, run it again.
    """
    zone = ZoneInfo(Settings().timezone)

    async def work(storage: Storage) -> int:
        done = 0
        with Live(console=_out, transient=True) as live:
            async for done in rebuild(storage, zone):
                live.update(f"{done:,} leads counted")
        return done

    try:
        _out.print(f"{with_storage(work, timeout_ms=_TIMEOUT_MS):,} leads counted")
    except Overtaken:
        raise UsageError("another rebuild started meanwhile and replaces this one") from None


@insights_app.command(name="verify")
def insights_verify() -> None:
    """Recompute all figures from the stored documents and compare.

    The exit status is 1 if any differs.
    """
    try:
        verdict = with_storage(lambda storage: verify_until_stable(storage, _TRIES, _PAUSE_S), timeout_ms=_TIMEOUT_MS)
    except LookupError as error:
        raise UsageError(f"{error}: is the insights worker running?") from None
    _print_verdict(verdict)
    sys.exit(0 if verdict.equal else 1)


def _print_verdict(verdict: Verdict) -> None:
    for difference in verdict.differences[:REPORTED_MAX]:
        _out.print(difference, markup=False, highlight=False)
    found = f"{verdict.leads:,} leads in {verdict.buckets:,} buckets"
    if verdict.equal:
        _out.print(f"equal: {found}")
        return
    moving = "; leads changed meanwhile, so try again when there is less traffic" if verdict.moving else ""
    _out.print(f"{len(verdict.differences):,} differences in {found}{moving}")
