"""`pantry report`: write the dashboard's figures to a file."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from services.cli.common import console
from services.cli.database import with_storage
from services.gateway.analytics.domain.measures import Answers
from services.gateway.analytics.queries import Figures
from services.gateway.report.domain.content import build_report as report_of
from services.gateway.report.domain.content import warning_of
from services.gateway.report.domain.csv_export import export_csv
from services.gateway.report.page import render_report
from shared.clock import system_clock
from shared.domain.rollups import WINDOWS
from shared.errors import UsageError
from shared.mongo.storage import Storage
from shared.settings import Settings

_FORMATS = {"html": "html", "csv": "csv", "print": "html"}
"""The file suffix of each format."""
_STDOUT = Path("-")
_err = console(stderr=True)


def write_report(
    *,
    timeframe: str = "month",
    format_: Annotated[str, Parameter(name="--format")] = "html",
    output: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
) -> None:
    """Write a report of the last 7, 30 or 90 days, compared with the days before, to one file.

    Parameters
    ----------
    timeframe
        week, month or quarter: the last 7, 30 or 90 days, including today.
    format_
        html: a page with charts, in the reader's light or dark mode. print: the same for A4 paper or PDF, with all
        figures as tables too. csv: one number per row, for spreadsheets. Its columns are section, name, measure,
        value, unit and previous (the value of the days before). It is UTF-8 with a byte order mark. A text that a
        spreadsheet would take for a formula gets an apostrophe in front.
    output
        The file, which is overwritten; - is standard output. By default standard output, or on a terminal the file
        lead-report-TIMEFRAME-DATE.html in this folder.

    """
    if timeframe not in WINDOWS:
        raise UsageError(f"--timeframe {timeframe}: give one of {', '.join(WINDOWS)}")
    if format_ not in _FORMATS:
        raise UsageError(f"--format {format_}: give one of {', '.join(_FORMATS)}")
    made = system_clock()
    now, before = _answers(timeframe)
    text = (
        export_csv(now, before, made)
        if format_ == "csv"
        else render_report(report_of(now, before, made), paper=format_ == "print")
    )
    _put(text, output or _place(timeframe, format_, now))
    if warning := warning_of(now.leads):
        _say(warning)


def _answers(timeframe: str) -> tuple[Answers, Answers]:
    zone = Settings().timezone

    async def read(storage: Storage) -> tuple[Answers, Answers]:
        return await Figures(storage, system_clock, zone).compared(timeframe)

    return with_storage(read)


def _place(timeframe: str, format_: str, now: Answers) -> Path:
    if format_ == "csv" or not sys.stdout.isatty():
        return _STDOUT
    kind = "" if format_ == "html" else f"-{format_}"
    return Path(f"lead-report-{timeframe}-{now.leads['to']}{kind}.{_FORMATS[format_]}")


def _put(text: str, place: Path) -> None:
    if place == _STDOUT:
        # Bytes: the terminal's encoding and line ends may differ from the file's.
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    try:
        place.write_bytes(text.encode())
    except OSError as error:
        raise UsageError(f"{place} can't be written: {error.strerror}") from None
    _say(f"report written to {place}")


def _say(text: str) -> None:
    _err.print(text, markup=False, highlight=False, soft_wrap=True)
