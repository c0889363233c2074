"""`pantry report` on a real database: the same numbers as the gateway's, into whatever its user names."""

import asyncio
import csv
import io
import json
import os
import pty
from datetime import timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from deploy.local import LocalServers
from services.gateway.analytics.queries import Figures
from services.insights.rollup_store import count_leads, heartbeat
from shared.clock import system_clock
from shared.domain.rollups import WINDOWS
from tests.builders import NOW
from tests.collection_names import LEADS
from tests.gateway import Caller, gateway, new_key
from tests.harness import Bench, bench
from tests.report import leads

UTC = ZoneInfo("UTC")
_PASSING = {"asOf", "rollup", "leadVelocity"}


async def _counted(on: Bench, number: int) -> None:
    """So many leads of the last half year, counted."""
    late = system_clock() - NOW
    some = leads(number)
    for one in some:
        one["createdAt"] += late
        if "convertedAt" in one:
            one["convertedAt"] += late
    await on.storage.insert_new(LEADS, some)
    await count_leads(on.storage, [one["_id"] for one in some], UTC)
    await heartbeat(on.storage, UTC, system_clock())


def _lasting(told: Any) -> dict[str, Any]:
    """What doesn't change by itself while nothing happens."""
    return {name: value for name, value in told.items() if name not in _PASSING}


async def _asked(caller: Caller, key: str, what: str, timeframe: str) -> dict[str, Any]:
    answer = await caller.call("GET", f"/v1/analytics/{what}?timeframe={timeframe}", key=key)
    assert answer.status == 200, answer.text
    told: dict[str, Any] = answer.json
    return told


async def _report(on: Bench, *words: str) -> tuple[int, str, str]:
    """Status, standard output and standard error of the command."""
    process = await asyncio.create_subprocess_exec(
        *("pantry", "report", *words),
        env=on.environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert b"process.crashed" not in err
    return process.returncode or 0, out.decode(), " ".join(err.decode().split())


async def test_a_report_has_the_numbers_of_the_gateway_and_of_the_window_before(local: LocalServers) -> None:
    async with bench(local) as on, gateway(on) as caller:
        await _counted(on, 60)
        key, now = await new_key(on), system_clock()
        for timeframe, days in WINDOWS.items():
            shown, before = await Figures(on.storage, lambda: now, "UTC").compared(timeframe)
            asked = [await _asked(caller, key, what, timeframe) for what in ("leads", "conversions")]
            assert [_lasting(json.loads(json.dumps(one, default=str))) for one in (shown.leads, shown.conversions)] == [
                _lasting(one) for one in asked
            ]
            earlier = Figures(on.storage, lambda days=days: now - timedelta(days=days), "UTC")  # type: ignore[misc]
            assert _lasting(before.conversions) == _lasting(await earlier.conversions(timeframe))
            assert _lasting(before.leads) | {"series": ()} == _lasting(await earlier.leads(timeframe)) | {"series": ()}
            assert shown.leads["leadVelocity"]["previousPerDay"] == before.leads["leadVelocity"]["perDay"]


async def test_it_goes_where_its_user_names_and_says_where(local: LocalServers, tmp_path: Path) -> None:
    async with bench(local) as on:
        await _counted(on, 40)
        file = tmp_path / "for the board.html"
        named, piped = await asyncio.gather(
            _report(on, "--format", "print", "--output", str(file)),
            _report(on, "--timeframe", "week", "--format", "csv", "--output", "-"),
        )
        assert named == (0, "", f"report written to {file}")
        assert "Leads of the last 30 days" in file.read_text()
        assert piped[::2] == (0, "")
        rows = list(csv.reader(io.StringIO(piped[1].removeprefix("\ufeff"), newline="")))
        now, _ = await Figures(on.storage, system_clock, "UTC").compared("week")
        assert ["report", "window", "timeframe", "week", "text", ""] in rows
        assert [row[3] for row in rows if row[1:3] == ["all leads", "leads"]] == [str(now.leads["totalLeads"])]


async def test_into_a_terminal_no_page_is_poured_and_what_nobody_counts_is_told(
    local: LocalServers, tmp_path: Path
) -> None:
    async with bench(local) as on:
        ours, terminal = pty.openpty()
        process = await asyncio.create_subprocess_exec(
            *("pantry", "report"), env=on.environment, stdout=terminal, stderr=asyncio.subprocess.PIPE, cwd=tmp_path
        )
        _, err = await process.communicate()
        os.close(terminal)
        os.close(ours)
        file = tmp_path / f"lead-report-month-{system_clock().date()}.html"
        told = " ".join(err.decode().split())
        assert process.returncode == 0
        assert told.startswith(f"report written to {file.name} Counting has not started")
        assert "No leads in these days" in file.read_text()
