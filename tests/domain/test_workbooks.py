"""Workbooks: found by what they are, read as they show their cells, and never at the cost of memory."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.ingest.domain.tables.table import UnreadableTable
from services.ingest.files import open_table
from tests.workbooks import raw_workbook, workbook

HEADER = ["Name", "Email", "Company", "Phone"]
ANA = ["Ana Reyes", "ana@example.com", "Blue Fork", "=14155550123.0"]
TEXT = '<c r="{}" t="inlineStr"><is><t>{}</t></is></c>'
CELLS = [
    [TEXT.format(f"{'ABC'[at]}{n}", text) for at, text in enumerate(texts[:3])] for n, texts in ((1, HEADER), (2, ANA))
]
ROWS = "".join(f"<row>{''.join(row)}</row>" for row in CELLS)
# What a process of 1 GiB makes of each file: how many rows, or why none.
READ_ALL = """
import json, resource, sys
from pathlib import Path
from services.ingest.files import open_table
from services.ingest.domain.tables.table import UnreadableTable
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
def told(file):
    try:
        return len(open_table(Path(file)).rows)
    except UnreadableTable as error:
        return str(error)
print(json.dumps({Path(file).stem: told(file) for file in sys.argv[1:]}))
# Not ru_maxrss: that is at least what the process that started this one had.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) // 1024)
"""
ODS = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"><office:body><office:spreadsheet>'
    '<table:table table:name="S"><table:table-row table:number-rows-repeated="1048576"><table:table-cell'
    ' office:value-type="string" table:number-columns-repeated="16384"><text:p>x</text:p></table:table-cell>'
    "</table:table-row></table:table></office:spreadsheet></office:body></office:document-content>"
)


def ods(file: Path) -> Path:
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry'
        f' manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    )
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr("META-INF/manifest.xml", manifest)
        archive.writestr("content.xml", ODS)
    return file


def swollen(file: Path) -> Path:
    """A workbook whose one part says that it unpacks to almost 4 GiB."""
    workbook(file, {"S": [HEADER, ANA]})
    content = bytearray(file.read_bytes())
    at = content.rindex(b"PK\x01\x02")
    content[at + 24 : at + 28] = b"\xf0\xff\xff\xff"
    file.write_bytes(content)
    return file


def test_no_workbook_costs_memory_whatever_it_claims(tmp_path: Path) -> None:
    whole = "A1:XFD1048576"
    files = [
        raw_workbook(
            tmp_path / "claims.xlsx",
            {"S": f'{ROWS}<row r="1048576"><c r="XFD1048576" s="1"/></row>'},
            dimension=whole,
        ),
        raw_workbook(
            tmp_path / "far.xlsx",
            {"S": f'{ROWS}<row r="1048576">{TEXT.format("XFD1048576", "x")}</row>'},
            dimension=whole,
        ),
        raw_workbook(tmp_path / "wide.xlsx", {"S": f"<row>{'<c><v>1</v></c>' * 20_000}</row>{ROWS}"}),
        ods(tmp_path / "repeated.ods"),
        swollen(tmp_path / "swollen.xlsx"),
    ]
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *map(str, files)], check=True, capture_output=True, text=True
    )
    told, memory = map(json.loads, done.stdout.splitlines())
    assert told["claims"] == 1
    assert "more cells than can be read" in told["far"]
    assert "1000 columns" in told["wide"]
    assert told["repeated"].endswith(".")
    assert "unpacks to more than 1024 MiB" in told["swollen"]
    assert memory < 200


def test_cells_are_texts_as_people_write_them(tmp_path: Path) -> None:
    cells = [
        "@46158.604166667",
        '<c t="b"><v>1</v></c>',
        '<c t="e"><v>#N/A</v></c>',
        "=1.4155550123E10",
        "=2.125",
        "'+1 303",
    ]
    book = workbook(tmp_path / "cells.xlsx", {"S": [[*HEADER, *"abcdef"], [*ANA, *cells]]})
    table = open_table(book)
    assert table.rows[0].cells[3:] == (
        *("14155550123", "2026-05-16T14:30:00", "true", "", "14155550123", "2.1250", "+1 303"),
    )


def test_the_sheet_is_the_visible_one_with_the_most_known_columns(tmp_path: Path) -> None:
    sheets = {
        "Old": [HEADER, ANA, ANA],
        "Read me": [["Company", "Address"]],
        "People": [["Fair of", "2026"], HEADER, ANA],
    }
    book = workbook(tmp_path / "fair.xlsx", sheets, hidden={"Old"})
    table = open_table(book)
    assert (table.headers, len(table.rows), table.rows[0].line) == (tuple(HEADER), 1, 3)
    assert table.notes == ("read the sheet People; --sheet names another: Read me",)
    assert len(open_table(book, "Old").rows) == 2


def test_a_file_is_read_as_what_it_is_whatever_it_is_called(tmp_path: Path) -> None:
    book = workbook(tmp_path / "really a workbook.csv", {"S": [HEADER, ANA]})
    assert open_table(book).headers == tuple(HEADER)
    text = tmp_path / "really text.xls"
    text.write_bytes("\t".join(HEADER).encode("utf-16"))
    assert open_table(text).headers == tuple(HEADER)


def archive(file: Path) -> bytes:
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("leads.csv", "Name,Email")
    return file.read_bytes()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is empty"),
        (b"  <HTML><table>", "web page"),
        (b'<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>', "XML"),
        ('[\n {"a": 1}]'.encode("utf-16"), "JSON"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x1f\x8b\x08\x00", "gzip"),
        (b"BEGIN:VCARD\nVERSION:3.0\n", "vCard"),
        (bytes(range(256)) * 4, "neither text nor a workbook"),
        (b"PK\x03\x04 and so on", "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512, "workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "password"),
        (None, "ZIP archive"),
    ],
)
def test_what_is_no_table_is_refused_with_what_to_do(content: bytes | None, why: str, tmp_path: Path) -> None:
    file = tmp_path / "leads.xlsx"
    file.write_bytes(archive(tmp_path / "a.zip") if content is None else content)
    with pytest.raises(UnreadableTable, match=rf"{why}.*\.$"):
        open_table(file)
