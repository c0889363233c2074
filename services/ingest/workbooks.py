"""Read workbooks in another process, so that their claimed size can't exhaust this one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from services.ingest.domain.tables.table import SourceRow, SourceTable, UnreadableTable, find_table

_TEXT_MAX = 256 * 1024**2
_TOO_LARGE = (
    "{} has more cells than can be read. A cell far from the table makes it so large:"
    " delete the rows and columns around the table, or save the sheet as CSV."
)
_BROKEN = "{} can't be read as a workbook: save it as XLSX or CSV."
_READER = "services.ingest.workbook_reader"


def read_workbook(file: Path, sheet: str | None = None) -> SourceTable:
    """Return the table of the sheet named `sheet`. Raises `UnreadableTable`.

    Without a name, it takes the visible sheet with the most known columns.
    """
    command = [sys.executable, "-m", _READER, str(file.absolute()), *([] if sheet is None else [sheet])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as reader:  # noqa: S603 - our own
        try:
            return _table(reader, file, sheet)
        finally:
            reader.kill()


def _table(reader: subprocess.Popen[bytes], file: Path, sheet: str | None) -> SourceTable:
    lines = _lines(reader.stdout, file)
    head = next(lines, None)
    if not isinstance(head, dict):
        raise _failed(reader, file)
    if "unreadable" in head:
        raise UnreadableTable(f"{file.name}: {head['unreadable']}")
    others = ", ".join(head["others"])
    notes = (f"read the sheet {head['sheet']}; --sheet names another: {others}",) if others and not sheet else ()
    return find_table(_rows(lines, reader, file), notes=notes)


def _rows(lines: Iterator[object], reader: subprocess.Popen[bytes], file: Path) -> Iterator[SourceRow]:
    for line in lines:
        if line is None:
            return
        if not isinstance(line, list):
            break
        yield SourceRow(line[0], tuple(line[1]))
    raise _failed(reader, file)


def _lines(output: IO[bytes] | None, file: Path) -> Iterator[object]:
    size = 0
    for line in output or ():
        size += len(line)
        if size > _TEXT_MAX:
            raise UnreadableTable(f"{file.name} holds more than {_TEXT_MAX // 1024**2} MiB of text: split it.")
        yield json.loads(line)


def _failed(reader: subprocess.Popen[bytes], file: Path) -> UnreadableTable:
    """Return the error for a reader that ended early: out of memory or time, or a broken file."""
    broke = reader.wait() == 1
    return UnreadableTable((_BROKEN if broke else _TOO_LARGE).format(file.name))
