"""Workbooks, made part by part."""

import zipfile
from collections.abc import Collection
from pathlib import Path

SHEET = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def workbook(file: Path, sheets: dict[str, list[list[str]]], hidden: Collection[str] = ()) -> Path:
    """An XLSX file; a cell is a text, or `=NUMBER`, or `@NUMBER` for a date as spreadsheets count them.

    A cell that begins with `<` is XML.
    """
    bodies = {name: "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows) for name, rows in sheets.items()}
    return raw_workbook(file, bodies, hidden)


def raw_workbook(file: Path, sheets: dict[str, str], hidden: Collection[str] = (), dimension: str = "A1") -> Path:
    """An XLSX file of sheets whose rows are given as XML, and which claim to have this dimension."""
    numbers, states = range(1, len(sheets) + 1), ("visible", "hidden")
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="r1" Target="xl/workbook.xml"'
        f' Type="{RELATIONS}/officeDocument"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{RELATIONS}"><sheets>'
        + "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="r{n}" state="{states[name in hidden]}"/>'
            for n, name in zip(numbers, sheets, strict=True)
        )
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
        + "".join(
            f'<Relationship Id="r{n}" Target="worksheets/sheet{n}.xml" Type="{RELATIONS}/worksheet"/>' for n in numbers
        )
        + f'<Relationship Id="r0" Target="styles.xml" Type="{RELATIONS}/styles"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{SHEET}"><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="22"/>'
        "</cellXfs></styleSheet>",
    }
    for number, body in zip(numbers, sheets.values(), strict=True):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{SHEET}"><dimension ref="{dimension}"/><sheetData>{body}</sheetData></worksheet>'
        )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return file


def _cell(text: str) -> str:
    if text.startswith("<"):
        return text
    if text.startswith(("=", "@")):
        return f'<c s="{int(text.startswith("@"))}"><v>{text[1:]}</v></c>'
    return f'<c t="inlineStr"><is><t>{text}</t></is></c>'
