"""A configuration follows its file, whatever becomes of the file."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from services.scoring.domain.decide import RuleSet
from shared.config import Reloading

GOOD, OTHER, BROKEN = "rules: []\n", "# other\nrules: []\n", "rules: 1\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rules.yaml"
    path.write_text(GOOD)
    return path


def test_a_fault_is_told_once_and_again_after_it_was_mended(path: Path) -> None:
    rules = Reloading(path, RuleSet)
    with capture_logs() as logs:
        for content in (BROKEN, BROKEN, GOOD, BROKEN, OTHER):
            path.write_text(content)
            rules.refresh()
            rules.refresh()
        path.unlink()
        rules.refresh()
    events = [one["event"] for one in logs]
    assert events == ["config.rejected", "config.rejected", "config.reloaded", "config.rejected"]
    assert rules.current.rules == ()


async def test_what_was_saved_before_the_watch_began_is_taken_over(path: Path) -> None:
    rules, stopping = Reloading(path, RuleSet), asyncio.Event()
    before = rules.version
    _save(path)
    watching = asyncio.create_task(rules.watch(stopping))
    try:
        async with asyncio.timeout(60):
            while rules.version == before:  # noqa: ASYNC110 - the file's time, not ours
                await asyncio.sleep(0.1)
    finally:
        stopping.set()
        await watching


def _save(path: Path) -> None:
    path.write_text(OTHER)
