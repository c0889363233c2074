"""`pantry model evaluate`: any table of leads, judged as the pipeline judges itself; faults name row and column."""

import csv
import json
import random
import sys
from pathlib import Path

import pytest

from services.cli import main
from services.cli.commands.model import model_app
from services.prediction.domain.judging.evaluation import TooFew, evaluate_models
from services.prediction.domain.learning.lead_table import Unfit, read_lead_table
from shared.errors import UsageError


def _rows(size: int, seed: int = 1) -> list[dict[str, str]]:
    chance = random.Random(seed)
    rows = []
    for number in range(size):
        channel, visits = chance.choice(("web", "show", "referral")), chance.randrange(20)
        won = chance.random() < 0.1 + 0.4 * (channel == "referral") + 0.02 * visits
        day = f"2025-{number * 12 // size + 1:02d}-{number % 28 + 1:02d}"
        found = {
            "id": f"{number}",
            "day": day,
            "channel": channel,
            "visits": str(visits),
            "mail": f"p{number}@x.example",
        }
        rows.append({**found, "tier": chance.choice(("gold", "", "n/a")), "same": "x", "won": "yes" if won else "No"})
    return rows


def test_columns_are_recognised_and_what_tells_nothing_is_left_out() -> None:
    table = read_lead_table(_rows(400), "won", "day", ["tier"])
    assert table.sample.kinds == {"channel": "category", "visits": "number"}
    assert set(table.left_out) == {"id", "mail", "same", "tier"}
    assert table.sample.times == sorted(table.sample.times or ())
    assert {type(one["visits"]) for one in table.sample.vectors} == {float}


@pytest.mark.parametrize(
    ("label", "time", "spoil", "told"),
    [
        ("sold", None, {}, "no column 'sold'"),
        ("won", "when", {}, "no column 'when'"),
        ("won", "day", {"won": "maybe"}, "row 3, column 'won': 'maybe' is neither yes nor no"),
        ("won", "day", {"day": "03/02/2025"}, "row 3, column 'day': '03/02/2025' is not a date"),
    ],
)
def test_faults_name_row_and_column(label: str, time: str | None, spoil: dict[str, str], told: str) -> None:
    rows = _rows(10)
    rows[2] |= spoil
    with pytest.raises(Unfit, match=told):
        read_lead_table(rows, label, time, [])


def test_an_evaluation_stands_beside_base_rate_and_naive_bayes() -> None:
    found = evaluate_models(read_lead_table(_rows(2_000), "won", "day", []).sample)
    assert set(found.by_model) == {"base rate", "logistic", "boosting", "naive Bayes"}
    assert (len(found.learned.labels), len(found.holdout.labels)) == (1_500, 500)
    assert found.best is not None
    assert (found.by_model[found.best].auc or 0) > 0.65
    assert found.leaks == {}
    assert not any("certainly" in one for one in found.why)


def test_a_column_that_was_decided_with_the_outcome_is_told() -> None:
    rows = [{**row, "closing": "signed" if row["won"] == "yes" else "none"} for row in _rows(800)]
    assert evaluate_models(read_lead_table(rows, "won", "day", []).sample).leaks == {"closing": 1.0}


def test_too_few_outcomes_are_told_with_their_numbers() -> None:
    with pytest.raises(TooFew, match="40 of each are needed"):
        evaluate_models(read_lead_table(_rows(60), "won", "day", []).sample)


def _write(file: Path, rows: list[dict[str, str]]) -> Path:
    with file.open("w", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


def test_the_command_prints_what_a_program_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = _write(tmp_path / "leads.csv", _rows(600))
    words = ["evaluate", "--csv", str(file), "--label", "won", "--time", "day", "--drop", "tier", "--json"]
    model_app(words, result_action="return_value")
    told = json.loads(capsys.readouterr().out)
    assert set(told["metrics"]) == {"base rate", "logistic", "naive Bayes"}
    assert told["leftOut"]["tier"] == "dropped as asked"
    model_app([*words[:-1]], result_action="return_value")
    assert "Calibration" in capsys.readouterr().out


def test_a_file_that_is_not_there_or_no_table_is_a_mistake_told_in_a_sentence(tmp_path: Path) -> None:
    for content in (None, b"\xff\xfe\x00", b"just words"):
        file = tmp_path / "leads.csv"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(UsageError, match=r"leads\.csv"):
            model_app(["evaluate", "--csv", str(file), "--label", "won"], result_action="return_value")


def test_other_commands_do_not_wait_for_what_only_models_need() -> None:
    import subprocess  # noqa: PLC0415 - a process of its own is the test

    asked = f"import sys, {main.__name__}; print([one for one in ('numpy', 'sklearn') if one in sys.modules])"
    assert subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True).stdout == "[]\n"
