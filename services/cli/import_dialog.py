"""The dialog of `pantry import`: preview, questions, and commands that fix rows."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence

from rich.markup import escape
from rich.prompt import Confirm, Prompt
from rich.table import Table as Grid

from schemas.lead import Source
from services.cli.common import console
from services.ingest.domain.columns.meanings import CONTEXT, NOT, ColumnOrigin, SourceColumn, context_name
from services.ingest.domain.preview import preview_columns, suggest_mappings, totals
from services.ingest.domain.survey import Survey
from services.ingest.domain.tables.table import SourceTable
from services.ingest.domain.tables.table_reading import TableReading
from services.ingest.domain.values.moment_reading import DateOrder
from shared.errors import UsageError

out = console()
_CONSENTS = {
    "mail": "consent.email",
    "calls": "consent.phone",
    "mail and calls": "consent",
    "no mail": f"{NOT}consent.email",
    "no calls": f"{NOT}consent.phone",
    "no mail and no calls": f"{NOT}consent",
}
_TEXT = "nothing"
_QUESTIONED = 10


def print_line(text: str) -> None:
    """Print a line without markup."""
    out.print(text, markup=False, highlight=False, soft_wrap=True)


def show_preview(table: SourceTable, reading: TableReading, survey: Survey) -> None:
    """Print the preview: each column, what looks wrong, and what becomes of the rows."""
    grid = Grid("column", "becomes", "known by", "example", "cells")
    for one in preview_columns(table, reading, survey):
        grid.add_row(*map(escape, (one.header, one.becomes, one.known, one.example, one.cells)))
    out.print(grid)
    for remark in survey.remarks(table, reading):
        print_line(f"note: {remark}")
    for line in totals(survey):
        print_line(line)


def show_fixes(reading: TableReading, survey: Survey, command: Callable[[Sequence[str]], str]) -> None:
    """Print commands that may fix rejected rows; `command` turns mappings into one."""
    for why, pairs in suggest_mappings(reading, survey).items():
        guesses = ", ".join("{!r} looks like {}".format(*pair.rsplit("=", 1)) for pair in pairs)
        print_line(f"rejected {survey.reasons[why].rows}: {why}. {guesses}. If so, run")
        print_line(f"  {command(pairs)}")


def given_pairs(reading: TableReading) -> list[str]:
    """Return the mappings that the user gave, as the option takes them."""
    mapped = [one for one in reading.columns if one.origin in {ColumnOrigin.GIVEN, ColumnOrigin.LEFT_OUT}]
    return [f"{one.header}={NOT if one.negated else ''}{one.path or ''}" for one in mapped]


def can_ask(*, allowed: bool = True) -> bool:
    """Return whether questions are allowed and there is a terminal to ask them on."""
    return allowed and sys.stdin.isatty()


def ask_source(why: str) -> Source:
    """Ask for the source of rows that state none."""
    return Source(Prompt.ask(f"{why[:1].upper()}{why[1:]}. Source", choices=list(Source), console=out))


def describe_unclear_dates(headers: Sequence[str]) -> str:
    """Return a sentence on these columns, whose dates can be read in two ways."""
    return f"{', '.join(headers)}: dates such as 03/04/2026 can be read in two ways"


def ask_dates(headers: Sequence[str]) -> DateOrder:
    """Ask for the date order that the file doesn't show."""
    return DateOrder(
        Prompt.ask(escape(f"{describe_unclear_dates(headers)}. Which order"), choices=list(DateOrder), console=out)
    )


def ask_consent(columns: Sequence[SourceColumn], examples: Mapping[str, str]) -> dict[str, str]:
    """Ask what the columns that may state consent mean; return their paths by header."""
    answers = {}
    for column in columns:
        text = f"Column {column.header!r} (such as {examples.get(column.header, '')!r}): what does a yes allow?"
        answer = Prompt.ask(escape(text), choices=[*_CONSENTS, _TEXT], console=out)
        answers[column.header] = _CONSENTS.get(answer, _as_text(column.header))
    return answers


def how_to_map(columns: Sequence[SourceColumn]) -> str:
    """Return how to map columns that may state consent."""
    named = ", ".join(repr(column.header) for column in columns[:_QUESTIONED])
    header = columns[0].header
    options = (f"{header}=consent.email", f"{header}={NOT}consent.email", f"{header}={_as_text(header)}")
    offered = ", ".join(f"--map {shlex.quote(option)}" for option in options)
    return (
        f"only you know what these columns say about consent: {named}. Give --map for each. Map it to consent.email,"
        f" consent.phone or consent (both). Put `{NOT.strip()}` before it if a yes means no. Map it to context if it"
        f" says nothing about consent. For example, one of {offered}"
    )


def _as_text(header: str) -> str:
    return CONTEXT + (context_name(header) or "unnamed")


def consent_questions(reading: TableReading, survey: Survey) -> list[SourceColumn]:
    """Return the filled columns that may state consent, whose meaning only the user knows."""
    filled = {header for header, tally in survey.columns.items() if tally.filled}
    return [column for column in reading.columns if column.origin is ColumnOrigin.ASKED and column.header in filled]


def confirm() -> None:
    """Ask whether to continue. Raises `UsageError` if not."""
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to confirm on: check with --dry-run, then add --yes")
    if not Confirm.ask("Import these leads?", console=out, default=False):
        raise UsageError("nothing was imported")
