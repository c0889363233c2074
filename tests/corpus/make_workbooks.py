"""Writes the corpus's workbooks, but for the XLS: `deploy/run python tests/corpus/make_workbooks.py`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

HERE = Path(__file__).parent / "workbooks"
PEOPLE = (
    ("First Name", "Last Name", "Company", "Email", "Phone"),
    ("Ana", "Reyes", "Blue Fork", "ana@bluefork.example", "+1 303 555 0142"),
    ("Jonas", "Berg", "Nordic Table", "jonas@nordictable.example", ""),
)
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_LINKS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_OPEN = "urn:oasis:names:tc:opendocument:xmlns"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Cell formats by number: 0 general, 1 a date, 2 a date with its time, 3 a time.
_STYLES = f"""<styleSheet xmlns="{_MAIN}"><fonts count="1"><font/></fonts><fills count="1"><fill/></fills>\
<borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="4"><xf numFmtId="0"/>\
<xf numFmtId="14" applyNumberFormat="1"/><xf numFmtId="22" applyNumberFormat="1"/>\
<xf numFmtId="21" applyNumberFormat="1"/></cellXfs></styleSheet>"""


@dataclass(frozen=True)
class Raw:
    """A cell as XML: its attributes besides its place, and what is in it."""

    attributes: str
    content: str


@dataclass(frozen=True)
class Sheet:
    """A sheet: its rows from row `first` on, and XML before and behind them."""

    name: str
    rows: Sequence[Sequence[str | Raw]]
    first: int = 1
    state: str = "visible"
    before: str = ""
    behind: str = ""
    stray: str = ""


def number(value: float, style: int = 0) -> Raw:
    """A number, which style 1 to 3 shows as a date or a time."""
    return Raw(f's="{style}"', f"<v>{value}</v>")


def _xml(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _cell(column: int, row: int, cell: str | Raw) -> str:
    place = f"{chr(ord('A') + column)}{row}"
    if isinstance(cell, Raw):
        return f'<c r="{place}" {cell.attributes}>{cell.content}</c>'
    return f'<c r="{place}" t="inlineStr"><is><t xml:space="preserve">{_xml(cell)}</t></is></c>' if cell else ""


def _sheet(sheet: Sheet) -> str:
    rows = "".join(
        f'<row r="{at}">{"".join(_cell(column, at, cell) for column, cell in enumerate(cells))}</row>'
        for at, cells in enumerate(sheet.rows, sheet.first)
    )
    data = f"<sheetData>{rows}{sheet.stray}</sheetData>"
    return f'<worksheet xmlns="{_MAIN}">{sheet.before}{data}{sheet.behind}</worksheet>'


def _pack(file: str, parts: dict[str, str]) -> None:
    with ZipFile(HERE / file, "w", ZIP_DEFLATED) as archive:
        for name, text in parts.items():
            # A fixed moment: the same workbook is the same file again.
            entry = ZipInfo(name, (2024, 5, 16, 14, 3, 0))
            entry.compress_type = ZIP_DEFLATED
            archive.writestr(entry, text)


def xlsx(file: str, *sheets: Sheet, properties: str = "") -> None:
    """Write a workbook of these sheets."""
    numbered = list(enumerate(sheets, 1))
    entries = "".join(
        f'<sheet name="{_xml(one.name)}" sheetId="{at}" r:id="rId{at}" state="{one.state}"/>' for at, one in numbered
    )
    links = "".join(
        f'<Relationship Id="rId{at}" Type="{_LINKS}/worksheet" Target="worksheets/sheet{at}.xml"/>'
        for at, _ in numbered
    )
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{at}.xml" ContentType='
        '"application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
        for at, _ in numbered
    )
    _pack(
        file,
        {
            "[Content_Types].xml": f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" ContentType='
            '"application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType='
            '"application/xml"/><Override PartName="/xl/workbook.xml" ContentType='
            '"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
            f"{kinds}</Types>",
            "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_LINKS}">{properties}'
            f"<sheets>{entries}</sheets></workbook>",
            "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}/relationships">{links}'
            f'<Relationship Id="rId99" Type="{_LINKS}/styles" Target="styles.xml"/></Relationships>',
            "xl/styles.xml": _STYLES,
            **{f"xl/worksheets/sheet{at}.xml": _sheet(one) for at, one in numbered},
        },
    )


def ods(file: str, rows: Sequence[Sequence[str]]) -> None:
    """Write an OpenDocument spreadsheet; a cell that begins with `<` is XML already."""
    names = ("office", "table", "text")
    spaces = " ".join(f'xmlns:{one}="{_OPEN}:{one}:1.0"' for one in names)

    def cell(text: str) -> str:
        if text.startswith("<"):
            return text
        return f'<table:table-cell office:value-type="string"><text:p>{_xml(text)}</text:p></table:table-cell>'

    lines = "".join(f"<table:table-row>{''.join(map(cell, row))}</table:table-row>" for row in rows)
    _pack(
        file,
        {
            "mimetype": "application/vnd.oasis.opendocument.spreadsheet",
            "META-INF/manifest.xml": f'<manifest:manifest xmlns:manifest="{_OPEN}:manifest:1.0">'
            '<manifest:file-entry manifest:full-path="/" manifest:media-type='
            '"application/vnd.oasis.opendocument.spreadsheet"/></manifest:manifest>',
            "content.xml": f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="Leads">{lines}</table:table></office:spreadsheet></office:body>'
            "</office:document-content>",
        },
    )


def _typed_cell(value: str, shown: str) -> str:
    return f'<table:table-cell office:value-type="{value}"><text:p>{shown}</text:p></table:table-cell>'


def _typed(*, first_day: int) -> list[Sequence[str | Raw]]:
    """People whose cells have types; 2024-05-16 is `first_day` days after the workbook's epoch."""
    scanned = first_day + 14.05 / 24
    return [
        ("First Name", "Last Name", "Company", "Email", "Phone", "Scan Time", "Email Opt Out", "Employees", "Revenue"),
        (
            "Ana",
            "Reyes",
            "Blue Fork",
            "ana@bluefork.example",
            number(13035550142),
            number(scanned, 2),
            Raw('t="b"', "<v>1</v>"),
            number(37),
            number(1200000.5),
        ),
        (
            "Jonas",
            "Berg",
            Raw('t="str"', '<f>"Nordic"&amp;" Table"</f><v>Nordic Table</v>'),
            "jonas@nordictable.example",
            Raw('t="e"', "<v>#N/A</v>"),
            number(first_day + 1, 1),
            Raw('t="b"', "<v>0</v>"),
            Raw('t="e"', "<v>#REF!</v>"),
            "",
        ),
    ]


def main() -> None:
    """Write every workbook."""
    HERE.mkdir(exist_ok=True)
    plain = Sheet("Leads", PEOPLE)
    xlsx("plain.xlsx", plain)
    xlsx("lying-dimension.xlsx", Sheet("Leads", PEOPLE, before='<dimension ref="A1:XFD1048576"/>'))
    stray = '<row r="1048576"><c r="XFD1048576" t="inlineStr"><is><t>stray</t></is></c></row>'
    xlsx("stray-cell.xlsx", Sheet("Leads", PEOPLE, stray=stray))
    titles = (("Leads of booth B-12",), ("NRA Show, Chicago", "", "", "16 to 19 May"), ())
    merged = '<mergeCells count="2"><mergeCell ref="A1:E1"/><mergeCell ref="A2:C2"/></mergeCells>'
    xlsx("title-rows.xlsx", Sheet("Leads", (*titles, *PEOPLE), behind=merged))
    xlsx("typed-cells.xlsx", Sheet("Leads", _typed(first_day=45428)))
    xlsx(
        "dates-since-1904.xlsx", Sheet("Leads", _typed(first_day=45428 - 1462)), properties='<workbookPr date1904="1"/>'
    )
    serials: list[Sequence[str | Raw]] = [("First Name", "Last Name", "Company", "Email", "Scan Date", "Scan Time")]
    serials += [("Ana", "Reyes", "Blue Fork", "ana@bluefork.example", number(45428), number(0.5, 3))]
    serials += [("Jonas", "Berg", "Nordic Table", "jonas@nordictable.example", number(45429), number(0.25))]
    xlsx("unformatted-dates.xlsx", Sheet("Leads", serials))
    lookup = (("Code", "Meaning"), ("H", "Hot"), ("C", "Cold"))
    xlsx("hidden-sheet.xlsx", Sheet("Lists", lookup, state="hidden"), plain)
    cover = (("Exported by", "Sam Ito"), ("Rows", "2"), ("Source", "NRA Show"))
    xlsx("cover-sheet.xlsx", Sheet("Read me", cover), plain)
    second = (PEOPLE[0], ("Lena", "Okafor", "Spice Route", "lena@spiceroute.example", ""))
    xlsx("named-sheet.xlsx", plain, Sheet("Day 2", second))
    xlsx("lower-right.xlsx", Sheet("Leads", [("", "", *row) for row in PEOPLE], first=5))
    xlsx("nothing.xlsx", Sheet("Empty", ()))
    cut = (HERE / "plain.xlsx").read_bytes()
    (HERE / "cut-off.xlsx").write_bytes(cut[: len(cut) // 2])
    date = _typed_cell('date" office:date-value="2024-05-16T14:03:00', "05/16/24")
    phone = _typed_cell('float" office:value="13035550142', "1.30E10")
    gap = '<table:table-cell table:number-columns-repeated="2"/>'
    head = ("First Name", "Last Name", "Company", "Email", "Phone", "Scan Time")
    ana = ("Ana", "Reyes", "Blue Fork", "ana@bluefork.example", phone, date)
    ods("open-document.ods", (head, ana, ("Jonas", "Berg", "Nordic Table", "jonas@nordictable.example", gap)))
    tail = '<table:table-cell table:number-columns-repeated="16378"/>'
    ods("repeated-cells.ods", ((*head, tail), (*ana, tail)))


if __name__ == "__main__":
    main()
