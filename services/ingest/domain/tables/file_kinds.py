"""Recognise the kind of a file by its first bytes, not by its name. Pure."""

from services.ingest.domain.tables.text_decoding import decode_text

LOOKED_AT = 4_096
"""How many bytes from the start of a file decide its kind."""
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
_OTHERS = {
    b"%PDF": "is a PDF: export the table as CSV or XLSX where it comes from.",
    b"\x1f\x8b": "is compressed with gzip: unpack it, and import the file inside.",
    b"Rar!": "is a RAR archive: unpack it, and import a file inside.",
    b"7z\xbc\xaf": "is a 7z archive: unpack it, and import a file inside.",
    b"\x89PNG": "is a picture.",
    b"\xff\xd8\xff": "is a picture.",
}
_MARKUP = "is a web page or XML, despite its name: open it in a spreadsheet, and save it as XLSX or CSV."
_JSON = "is JSON: send it to /v1/scans."
_CARDS = "has contact cards (vCard): export the contacts as CSV."
_NO_TEXT = "is neither text nor a workbook: save it as CSV or XLSX."
_BEGINNINGS = {"<": _MARKUP, "{": _JSON, "[{": _JSON, "BEGIN:VCARD": _CARDS}
_MOST_CONTROLS = 0.02


def is_workbook(start: bytes) -> bool:
    """Return whether these first bytes begin a workbook, or an archive that may be one."""
    return start.startswith(_WORKBOOKS)


def why_no_table(start: bytes, encoding: str | None = None) -> str | None:
    """Return why these first bytes begin no text, as the end of a sentence; None if they do."""
    if not start.strip():
        return "is empty."
    for beginning, why in _OTHERS.items():
        if start.startswith(beginning):
            return why
    text = decode_text(start, encoding).text.lstrip()
    squeezed = "".join(text[:40].split())
    controls = sum(char < " " and not char.isspace() for char in text)
    if controls > len(text) * _MOST_CONTROLS:
        return _NO_TEXT
    return next((why for beginning, why in _BEGINNINGS.items() if squeezed.startswith(beginning)), None)
