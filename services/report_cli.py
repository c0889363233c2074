"""`pantry report`: the dashboard's figures as a file, for those who forward rather than click."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from services.gateway.analytics import Answers
from services.gateway.figures import Figures
from services.gateway.report.content import report as report_of
from services.gateway.report.content import warning_of
from services.gateway.report.page import page
from services.gateway.report.sheet import sheet
from services.terminal import Misused, with_storage
from shared.clock import system_clock
from shared.domain.rollups import WINDOWS
from shared.settings import Settings
from shared.storage import Storage

_FORMATS = {"html": "html", "csv": "csv", "print": "html"}
"""The endings of each format's files."""
_STDOUT = Path("-")
_told = Console(stderr=True)


def report(
    *,
    timeframe: str = "month",
    format_: Annotated[str, Parameter(name="--format")] = "html",
    output: Annotated[Path | None, Parameter(allow_leading_hyphen=True)] = None,
) -> None:
    """Write the figures of the last 7, 30 or 90 days, beside those of the days before, into one file to be passed on.

    They are those of the dashboard and of /v1/analytics. The file asks nobody for anything: it can be mailed, kept and
    opened anywhere.

    Parameters
    ----------
    timeframe
        week, month or quarter: 7, 30 or 90 days, today among them.
    format_
        html: a page with charts, light or dark as its reader's screen; print: the same for A4 paper or a PDF, with
        every figure as a table as well; csv: a number a row, for spreadsheets, in the columns section (key figures,
        source, owner, ...), name (whose number it is), measure (what of it), value, unit, previous (that of the window
        before). It is in UTF-8 with a byte order mark; what would be a formula has an apostrophe before it.
    output
        The file, which is overwritten; - is standard output, as is none at all, except that a page is not poured into
        a terminal: it becomes lead-report-TIMEFRAME-DATE.html, here.

    """
    if timeframe not in WINDOWS:
        raise Misused(f"--timeframe {timeframe}: name one of {', '.join(WINDOWS)}")
    if format_ not in _FORMATS:
        raise Misused(f"--format {format_}: name one of {', '.join(_FORMATS)}")
    made = system_clock()
    now, before = _answers(timeframe)
    text = (
        sheet(now, before, made) if format_ == "csv" else page(report_of(now, before, made), paper=format_ == "print")
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
        # As bytes: the terminal's encoding and line ends are not those of the file that this may become.
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
        return
    try:
        place.write_bytes(text.encode())
    except OSError as error:
        raise Misused(f"{place} can't be written: {error.strerror}") from None
    _say(f"the report is in {place}")


def _say(text: str) -> None:
    _told.print(text, markup=False, highlight=False, soft_wrap=True)
