"""Print one sheet of a workbook as JSON lines, in a process with bounded memory.

A sheet of a 5 KiB file may claim 17 billion cells, and the library allocates all of them. See `workbooks`.
"""

import json
import re
import resource
import sys
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, datetime, time
from itertools import islice

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
    load_workbook,
)

from services.ingest.domain.tables.table import HEADER_WITHIN, SourceRow, header_likeliness

MEMORY_MAX = 1024**3
CPU_SECONDS_MAX = 120
UNPACKED_MAX = 1024**3
"""The most bytes that the parts of a workbook may unpack to."""
TOO_LARGE = 3
"""The exit status when a workbook needs more memory than allowed."""
_WORKBOOK_PARTS = {"xl/workbook.xml", "xl/workbook.bin", "content.xml"}
_PROTECTED = "EncryptedPackage".encode("utf-16-le")
_LOOKED_AT = 1024**2
_THREE_DECIMALS = re.compile(r"-?\d+\.\d{3}")


class _Refused(Exception):
    """The text says why no sheet can be read."""


def main(file: str, wanted: str | None) -> int:
    """Print the sheet's name, its rows that are not blank, and `null`; return the exit status.

    The first line also names the other sheets. If the workbook can't be read, it says why in a sentence instead.
    """
    _bound(resource.RLIMIT_AS, MEMORY_MAX)
    _bound(resource.RLIMIT_CPU, CPU_SECONDS_MAX)
    try:
        _check(file)
        with load_workbook(file) as book:
            _print_sheet(book, wanted)
    except MemoryError:
        return TOO_LARGE
    except _Refused as error:
        _print({"unreadable": str(error)})
    except (CalamineError, zipfile.BadZipFile) as error:
        _print({"unreadable": f"It can't be read as a workbook: {error}."})
    return 0


def _bound(what: int, most: int) -> None:
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    # Some systems don't let a process limit its own memory.
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (most, most))


def _check(file: str) -> None:
    """Raise `_Refused` if the file is no workbook, or unpacks to far more than its size."""
    if not zipfile.is_zipfile(file):
        with open(file, "rb") as opened:  # noqa: PTH123 - a path from the command line
            if _PROTECTED in opened.read(_LOOKED_AT):
                raise _Refused("The workbook is protected by a password: save it without one.")
        return
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
    if not any(part.filename in _WORKBOOK_PARTS for part in parts):
        raise _Refused("It is a ZIP archive, not a workbook: unpack it, and import a file inside.")
    if sum(part.file_size for part in parts) > UNPACKED_MAX:
        raise _Refused(f"The workbook unpacks to more than {UNPACKED_MAX // 1024**2} MiB: save the sheet as CSV.")


def _print_sheet(book: CalamineWorkbook, wanted: str | None) -> None:
    if wanted is not None and wanted not in book.sheet_names:
        raise _Refused(f"There is no sheet {wanted}; there are: {', '.join(book.sheet_names)}.")
    found = [wanted] if wanted is not None else _with_header(book)
    if not found:
        raise _Refused("No sheet has a header that names at least two columns.")
    _print({"sheet": found[0], "others": found[1:]})
    for row in _rows(book.get_sheet_by_name(found[0])):
        _print([row.line, row.cells])
    _print(None)


def _with_header(book: CalamineWorkbook) -> list[str]:
    """Return the visible sheets with a header; the one with the most known names first."""
    shown = [
        one.name
        for one in book.sheets_metadata
        if one.typ == SheetTypeEnum.WorkSheet and one.visible == SheetVisibleEnum.Visible
    ]
    like = {name: header_likeliness(list(islice(_rows(book.get_sheet_by_name(name)), HEADER_WITHIN))) for name in shown}
    named = [name for name in shown if like[name] > (0, 0)]
    best = max(named, key=lambda name: like[name][0], default=None)
    return [name for name in named if name == best] + [name for name in named if name != best]


def _rows(sheet: CalamineSheet) -> Iterator[SourceRow]:
    for number, cells in enumerate(sheet.iter_rows(), 1):
        texts = tuple(map(_text, cells))
        if any(texts):
            yield SourceRow(number, texts)


def _text(cell: object) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return _decimal(cell)
    return cell.isoformat() if isinstance(cell, datetime | date | time) else str(cell)


def _decimal(cell: float) -> str:
    if cell.is_integer():
        return str(int(cell))
    text = repr(cell)
    # Text such as 1.234 could mean a thousand. This number can't, so a fourth decimal shows that.
    return f"{text}0" if _THREE_DECIMALS.fullmatch(text) else text


def _print(value: object) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=True) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None))  # noqa: PLR2004 - the file and the sheet
