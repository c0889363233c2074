"""The benchmarks run."""

import json
import subprocess
import sys
from pathlib import Path
from statistics import median

import pytest

from tests.benchmarks.table import from_json, markdown

_PROGRAMS = ["ours", "bare loop", "bare loop with the same reads"]


@pytest.mark.long
def test_the_command_measures_ours_and_the_bare_loops(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--quick", "--only", "capture", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    rows, _ = from_json((tmp_path / "results.json").read_text())
    assert [row.what for row in rows] == _PROGRAMS
    for row in rows:
        assert median(row.rate) > 0
        assert [len(one) for one in (row.own, row.database, row.broker)] == [1, 1, 1], row
        assert row.what in done.stdout
    assert all(len(row.ratios) <= 1 for row in rows), "one round; CPU is counted in hundredths of a second"
    assert json.loads((tmp_path / "results.json").read_text())["about"]["machine"] in done.stdout
    assert (tmp_path / "results.txt").read_text().endswith(markdown(rows))
    assert (tmp_path / "capture.svg").read_text().count("bare loop") >= 2
