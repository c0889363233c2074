"""`pantry import`: files of leads on a real broker."""

import asyncio
import csv
import io
import json
import os
import shlex
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from deploy.local import LocalServers
from schemas.topics import CAPTURED
from services.cli.commands.imports import import_file
from shared.errors import UsageError
from shared.kafka.admin import create_topics
from shared.kafka.client import Kafka
from shared.kafka.reading import read_all
from tests.workbooks import workbook

CSV = (
    "Given name;Surname;Organisation;E-mail Address;Mobile;Scan Date;Scan Time;Booth\r\n"
    'Ana;Reyes;"Blue\r\nFork";Ana@Example.com;;05/16/2026;2:03 PM;12\r\n'
    "Bo;Li;Red Pan;;555-123-4567;;;12\r\n"
    "Cy;Moss;;cy@example;;;;12\r\n"
)

app = App(result_action="return_value")
app.command(import_file, name="import")


def pantry(file: Path, *options: str) -> int:
    """The exit status of `pantry import`."""
    try:
        app(["import", str(file), *options])
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def captured(kafka: Kafka) -> dict[str, Any]:
    """The events in the topic by id, with the key that each has."""

    async def all_of_them() -> list[Any]:
        return [one async for one in read_all(kafka, [CAPTURED.name])]

    records = asyncio.run(all_of_them())
    events = [json.loads(record.value) | {"key": record.key.decode()} for record in records]
    return {event["id"]: event for event in events}


def test_files_go_into_the_log_once_and_what_is_mended_follows(
    local: LocalServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = Kafka(local.servers.kafka_bootstrap)
    monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", kafka.bootstrap)
    asyncio.run(create_topics(kafka, [CAPTURED]))
    file = tmp_path / "Spring fair.csv"
    file.write_text(CSV, newline="")
    options = ("--source", "trade_show", "--zone", "America/Chicago", "--yes")

    assert pantry(file, *options) == 1
    said = capsys.readouterr().out
    assert "3 rows read: 2 imported, 1 rejected" in said
    again = shlex.join(["pantry", "import", f"{file}.rejects.csv", *options[:4], "--channel", "Spring fair"])
    assert f"fix them there, then run\n  {again}\n" in said
    there = captured(kafka)
    ana, bo = sorted(there.values(), key=lambda event: event["data"]["contact"]["firstName"])
    assert (ana["source"], ana["key"]) == ("/imports/Spring%20fair", "ana@example.com")
    assert ana["time"] == "2026-05-16T14:03:00-05:00"
    assert ana["data"] == {
        "source": "trade_show",
        "company": {"name": "Blue\r\nFork"},
        "contact": {"firstName": "Ana", "lastName": "Reyes", "email": "Ana@Example.com"},
        "context": {"booth": "12"},
    }
    assert bo["key"] == "+15551234567"

    os.utime(file, (0, 0))
    assert pantry(file, *options) == 1
    assert captured(kafka).keys() == there.keys()

    rejects = tmp_path / "Spring fair.csv.rejects.csv"
    assert (tmp_path / "Spring fair.csv.rejects2.csv").exists()
    with rejects.open(encoding="utf-8-sig", newline="") as text:
        header, row = csv.reader(text)
    assert header[0] == "reason for rejection"
    assert row[0] == "E-mail Address is not an e-mail address"
    mended = rejects.read_text("utf-8-sig").replace("cy@example,", "cy@example.com,").replace("Moss,", "Moss,Tin Pot")
    rejects.write_text(mended)
    assert pantry(rejects, *shlex.split(again)[3:], "--yes") == 0
    (cy,) = new(kafka, there)
    assert (cy["key"], cy["source"]) == ("cy@example.com", ana["source"])
    assert cy["data"]["context"] == {"booth": "12"}

    columns = ["Name", "Company", "Phone", "Scanned at", "Deal size", "Opt"]
    people = [columns, ["Reyes, Dan", "Grill", "=5551234568", "@46158.5", "=12500.5", "x"]]
    book = workbook(tmp_path / "fair.xlsx", {"Notes": [["only a word"]], "People": people})
    meant = ("--map", "Deal size=requirements.budget", "--map", "Opt=", "--channel", "fair/2026")
    there = captured(kafka)
    assert pantry(book, *options, *meant) == 0
    (dan,) = new(kafka, there)
    assert (dan["source"], dan["time"]) == ("/imports/fair%2F2026", "2026-05-16T12:00:00-05:00")
    assert dan["data"] == {
        "source": "trade_show",
        "company": {"name": "Grill"},
        "contact": {"firstName": "Dan", "lastName": "Reyes", "phone": "5551234568"},
        "requirements": {"budget": 12500.5},
    }


def test_a_no_of_a_rejected_row_is_told_before_the_import_after_it_and_in_its_file(
    local: LocalServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kafka = Kafka(local.servers.kafka_bootstrap)
    monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", kafka.bootstrap)
    asyncio.run(create_topics(kafka, [CAPTURED]))
    file = tmp_path / "left.csv"
    file.write_text("Name,Email,Newsletter\nAna Reyes,ana@blue.example,yes\n,bo@blue.example,no\n")
    assert pantry(file, "--source", "website", "--yes") == 1
    said = capsys.readouterr().out
    before, _, after = said.partition("2 rows read: 1 imported, 1 rejected")
    told = "1 rejected row refuses e-mail, and its no is not kept"
    assert f"note: {told}" in before
    assert told in after
    with (tmp_path / "left.csv.rejects.csv").open(encoding="utf-8-sig", newline="") as text:
        _, row = csv.reader(text)
    assert row[0].endswith("; refuses e-mail: this refusal is not stored until the row can be used")


def new(kafka: Kafka, there: dict[str, Any]) -> list[Any]:
    return [event for id_, event in captured(kafka).items() if id_ not in there]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "small.csv"
    file.write_text("First name,Last name,Company,Email\nAna,Reyes,Blue Fork,ana@example.com\nBo,Li,,\n")
    return file


def test_a_dry_run_needs_no_broker_and_writes_nothing(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("PANTRY_KAFKA_BOOTSTRAP", raising=False)
    assert pantry(small, "--dry-run", "--source", "website") == 1
    told = capsys.readouterr().out
    assert "contact.firstName" in told
    assert "rejected 1 row: has no e-mail address and no phone number (line 3)" in told
    assert "2 rows read: 1 can be imported, 1 rejected" in told
    assert list(small.parent.iterdir()) == [small]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "give --source, one of website"),
        (["--yes"], "give --source, one of website"),
        (["--source", "website"], "--yes"),
        (["--yes", "--sheet", "People"], "workbook"),
        (["--yes", "--map", "Nothing=contact.email"], "The columns are "),
        (["--yes", "--map", "Email=contact.mail"], "contact.mail"),
        (["--yes", "--zone", "Mars/Olympus"], "zone"),
        (["--yes", "--rejects", "small.csv"], "rejects"),
    ],
)
def test_what_cannot_be_done_as_asked_is_told_before_anything_is_published(
    options: list[str], told: str, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", "nowhere.invalid:1")
    monkeypatch.chdir(small.parent)
    with pytest.raises(UsageError, match=told):
        pantry(small, *options)


def test_a_source_is_called_in_the_help_as_everywhere_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    pantry(Path("--help"))
    assert "trade_show, social_media" in capsys.readouterr().out


def test_a_broker_that_is_away_is_told_in_a_sentence(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    with pytest.raises(UsageError, match="PANTRY_KAFKA_BOOTSTRAP doesn't answer"):
        pantry(small, "--yes", "--source", "website")


def test_on_a_terminal_the_source_is_asked_for_when_no_column_holds_it(
    small: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", Terminal("fair\ntrade_show\n"))
    assert pantry(small, "--dry-run") == 1
    assert "2 rows read: 1 can be imported, 1 rejected" in capsys.readouterr().out


def test_the_order_of_dates_that_no_date_shows_is_given_or_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fair.csv"
    file.write_text("Name,Company,Email,Scanned at\nAna Reyes,Blue Fork,ana@example.com,03/04/2026\n")
    with pytest.raises(UsageError, match=r"Scanned at.*--dates"):
        pantry(file, "--dry-run", "--source", "website", "--yes")
    assert pantry(file, "--dry-run", "--source", "website", "--dates", "day-first") == 0
    monkeypatch.setattr("sys.stdin", Terminal("month-first\n"))
    assert pantry(file, "--dry-run", "--source", "website") == 0
    assert "day-first/month-first" in capsys.readouterr().out


def test_an_address_that_identifies_nobody_counts_as_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("First Name,Company,Email\nAna,Blue Fork,noemail@noemail.com\nBo,Red Pan,bo@red.example\n")
    assert pantry(file, "--dry-run", "--source", "website") == 1
    assert "rejected 1 row: Email is a placeholder, and counts as missing (line 2)" in capsys.readouterr().out


def test_a_source_that_a_column_holds_is_not_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "told.csv"
    file.write_text("First name,Last name,Company,Email,Source\nAna,Reyes,Blue Fork,ana@example.com,website\n")
    assert pantry(file, "--dry-run") == 0


def test_a_row_that_names_no_known_source_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "told.csv"
    file.write_text("First name,Last name,Company,Email,Source\nAna,Reyes,Blue Fork,ana@example.com,Google Ads\n")
    with pytest.raises(UsageError, match="1 of 1 rows state no known source: give --source"):
        pantry(file, "--dry-run")
    monkeypatch.setattr("sys.stdin", Terminal("website\n"))
    assert pantry(file, "--dry-run") == 0


def test_what_may_be_consent_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "told.csv"
    file.write_text("First name,Company,Email,GDPR status\nAna,Blue Fork,ana@example.com,yes\n")
    with pytest.raises(UsageError, match=r"--map 'GDPR status=consent\.email'"):
        pantry(file, "--dry-run", "--source", "website")
    assert pantry(file, "--dry-run", "--source", "website", "--map", "GDPR status=context.GDPR") == 0
    monkeypatch.setattr("sys.stdin", Terminal("no calls\n"))
    capsys.readouterr()
    assert pantry(file, "--dry-run", "--source", "website") == 0
    assert "consent.phone; a yes means no" in capsys.readouterr().out


def test_a_command_that_mends_rejected_rows_is_shown_to_be_copied(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "my leads.csv"
    file.write_text("Name,Wo\nAna Reyes,ana@blue.example\n")
    assert pantry(file, "--dry-run", "--source", "website") == 1
    command = f"pantry import '{file}' --source website --map Wo=contact.email"
    assert command in capsys.readouterr().out
    assert pantry(file, *shlex.split(command)[3:], "--dry-run") == 0


class Terminal(io.StringIO):
    """What somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "content"), [("gone.csv", None), ("broken.xlsx", b"no workbook"), ("what.pdf", b""), ("empty.csv", b"")]
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=r"\.$"):
        pantry(tmp_path / name, "--dry-run")


def test_a_sheet_is_found_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["First name", "Last name", "Company", "Email"], ["Ana", "Reyes", "Blue Fork", "ana@example.com"]]
    book = workbook(tmp_path / "two.xlsx", {"Old": [["a", "b"]], "New": rows})
    assert pantry(book, "--sheet", "New", "--source", "website", "--dry-run") == 0
    assert "1 row read: 1 can be imported, 0 rejected" in capsys.readouterr().out
    with pytest.raises(UsageError, match="Old, New"):
        pantry(book, "--sheet", "Newer", "--dry-run")
