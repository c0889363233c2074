"""`pantry import`: files of leads on a real broker."""

import asyncio
import csv
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from cyclopts import App

from deploy.local import LocalServers
from schemas.topics import CAPTURED
from services.import_cli import import_file
from services.terminal import Misused
from shared.broker import Kafka
from shared.log import create_topics, read_all

CSV = (
    "Given name;Surname;Organisation;E-mail Address;Mobile;Scan Date;Scan Time;Booth\r\n"
    'Ana;Reyes;"Blue\r\nFork";Ana@Example.com;;05/16/2026;2:03 PM;12\r\n'
    "Bo;Li;Red Pan;;555-123-4567;;;12\r\n"
    "Cy;Moss;;cy@example;;;;12\r\n"
)
SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(file: Path, sheets: dict[str, list[list[str]]]) -> Path:
    """An XLSX file; a cell is a text, or `=NUMBER`, or `@NUMBER` for a date as spreadsheets count them."""
    numbers = range(1, len(sheets) + 1)
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Target="xl/workbook.xml"'
        f' Type="{RELATIONS}/officeDocument"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{RELATIONS}"><sheets>'
        + "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in zip(numbers, sheets, strict=True))
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Target="worksheets/sheet{n}.xml" Type="{RELATIONS}/worksheet"/>' for n in numbers
        )
        + f'<Relationship Id="r0" Target="styles.xml" Type="{RELATIONS}/styles"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{SHEET}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/>'
        "</cellXfs></styleSheet>",
    }
    for number, rows in zip(numbers, sheets.values(), strict=True):
        body = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{SHEET}"><sheetData>{body}</sheetData></worksheet>'
        )
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file


def _cell(text: str) -> str:
    if text.startswith(("=", "@")):
        return f'<c s="{int(text.startswith("@"))}"><v>{text[1:]}</v></c>'
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'


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
    assert "read 3 = 2 published + 1 rejected" in capsys.readouterr().out
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
    assert header[-1] == "errors"
    assert {"company", "E-mail Address"} == {told.partition(":")[0] for told in row[-1].split("; ")}
    mended = rejects.read_text("utf-8-sig").replace("cy@example,", "cy@example.com,").replace("Moss,", "Moss,Tin Pot")
    rejects.write_text(mended)
    assert pantry(rejects, *options) == 0
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
    assert "line 3: " in told
    assert "read 2 = 1 could be published + 1 rejected" in told
    assert list(small.parent.iterdir()) == [small]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "--yes"),
        (["--yes", "--sheet", "People"], "workbook"),
        (["--yes", "--map", "Nothing=contact.email"], "column"),
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
    with pytest.raises(Misused, match=told):
        pantry(small, *options)


def test_a_broker_that_is_away_is_told_in_a_sentence(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANTRY_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    with pytest.raises(Misused, match="import the file again"):
        pantry(small, "--yes")


@pytest.mark.parametrize(
    ("name", "content"), [("gone.csv", None), ("broken.xlsx", b"no workbook"), ("what.pdf", b""), ("empty.csv", b"")]
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(name: str, content: bytes | None, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Misused, match=r"\.$"):
        pantry(tmp_path / name, "--dry-run")


def test_a_sheet_is_found_by_its_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [["First name", "Last name", "Company", "Email"], ["Ana", "Reyes", "Blue Fork", "ana@example.com"]]
    book = workbook(tmp_path / "two.xlsx", {"Old": [["a", "b"]], "New": rows})
    assert pantry(book, "--sheet", "New", "--source", "website", "--dry-run") == 0
    assert "read 1 = 1 could be published + 0 rejected" in capsys.readouterr().out
    with pytest.raises(Misused, match="Old, New"):
        pantry(book, "--sheet", "Newer", "--dry-run")
