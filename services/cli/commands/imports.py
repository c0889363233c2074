"""`pantry import`: import leads from the file of a spreadsheet, badge scanner or CRM."""

import asyncio
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cyclopts import Parameter
from rich.progress import Progress

from schemas.attributes import Attributes
from schemas.lead import Source
from services.cli import import_dialog as view
from services.cli.brokers import broker_of, check_broker_answers
from services.cli.database import database_of
from services.cli.past_import import PastImport
from services.ingest import files
from services.ingest.domain.columns import meanings
from services.ingest.domain.lines import Terms
from services.ingest.domain.survey import Survey
from services.ingest.domain.tables.table import SourceTable, UnreadableTable
from services.ingest.domain.tables.table_reading import reading_of
from services.ingest.domain.tables.text_decoding import encoding_of
from services.ingest.domain.values.moment_reading import DateOrder
from services.ingest.files import ImportPlan, RejectedRow
from shared.config import load_config
from shared.domain.identity.placeholders import Placeholders
from shared.errors import UsageError
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused
from shared.kafka.client import Kafka
from shared.kafka.reading import publishing
from shared.settings import Settings


def import_file(  # noqa: PLR0913 - a command's options, each by name
    file: Path,
    *,
    mapped: Annotated[tuple[str, ...], Parameter(name="--map", negative=(), show_default=False)] = (),
    sheet: str | None = None,
    source: Annotated[Source | None, Parameter(name_transform=str.lower)] = None,
    channel: str | None = None,
    zone: str = "UTC",
    dates: DateOrder | None = None,
    encoding: str | None = None,
    yes: Annotated[bool, Parameter(negative=())] = False,
    dry_run: Annotated[bool, Parameter(negative=())] = False,
    rejects: Path | None = None,
    history: bool = False,
    activities: Path | None = None,
    status: Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)] = (),
) -> None:
    """Import leads from a CSV file or a workbook.

    The kinds of workbooks are XLSX, XLS and ODS. Importing a file twice changes nothing.

    Parameters
    ----------
    file
        The file. Its columns may have any names and any order.
    mapped
        HEADER=PATH says what a column contains if the guess is wrong. `HEADER=` leaves the column out.
        "HEADER=not consent.email" reads a yes in it as a no. Can be repeated.
    sheet
        The workbook's sheet. By default the visible sheet with the most known columns.
    source
        The source of rows that state no known source. The command asks for it if a row needs it.
    channel
        Where the leads come from. By default the file's name.
    zone
        The time zone of times that state none, such as "America/Chicago".
    dates
        How to read dates such as 03/04/2026. The command asks for it if no date in the file shows it.
    encoding
        The encoding of a text file that is neither UTF-8 nor Western European, such as "windows-1250".
    yes
        Import without asking.
    dry_run
        Show what would happen to every column and row, and import nothing.
    rejects
        The file for rejected rows, by default FILE.rejects.csv. An earlier default file is never overwritten.
    history
        The file is the export of another CRM. Its leads keep their created date, and get their status, outcome and
        owner. Nothing is started for them: no sequence, no assignment, no task.
    activities
        With --history: a file of their past activities, by e-mail address.
    status
        With --history: WORD=STATUS says what a status of the file means, such as "Sampling=contacted". Can be repeated.
    """
    settings = Settings()
    kafka = None if dry_run else broker_of(settings)
    if not history and (activities or status):
        raise UsageError("--activities and --status need --history")
    if history and not dry_run:
        database_of(settings)
    if rejects and rejects.resolve() == file.resolve():
        raise UsageError("--rejects is the file that is imported: name another file")
    encoding = _encoding(encoding)
    table = _open(file, sheet, encoding)
    declared = load_config(settings.attributes_file, Attributes, settings.zone)
    given = _given(table.headers, mapped, declared)
    known = load_config(settings.placeholders_file, Placeholders, settings.zone)
    terms = Terms(
        settings.region,
        source,
        files.modified_at(file),
        _zone(zone),
        dates=dates,
        encoding=encoding,
        placeholders=known,
        attributes=declared,
    )
    name = channel or file.name.partition(".")[0]
    reading = reading_of(table, given, dates, declared)
    plan = ImportPlan(table, reading, terms, f"/imports/{quote(name, safe='')}", history)
    plan, survey = _settle_questions(plan, given, may_ask=not yes)
    past = PastImport.of(plan, settings, activities, status) if history else None
    if past:
        past.show(view.print_line)
    options = past.options if past else ()
    view.show_fixes(
        plan.reading, survey, lambda pairs: _command(file, plan, pairs, sheet=sheet, channel=channel, past=options)
    )
    if kafka is None:
        _print_totals(survey.rows, survey.rejected, published="can be imported")
        sys.exit(bool(survey.rejected))
    if not yes:
        view.confirm()
    rejected = asyncio.run(_import(plan, kafka, past, idempotence=bool(settings.kafka_idempotence)))
    _print_totals(survey.rows, len(rejected), published="imported")
    if past:
        past.show_unused(view.print_line)
        view.print_line("`pantry model train` learns from this history now; else prediction does within a day")
    if rejected:
        target = rejects or files.free_rejects_name(file)
        _keep(target, plan, rejected)
        # The rejects file is UTF-8 with ISO 8601 days, whatever the imported file used. Its columns of history stay.
        again = replace(plan, terms=replace(plan.terms, encoding=None, dates=past.dates if past else None))
        view.print_line(f"  {_command(target, again, (), channel=name, past=options)}")
        for remark in survey.unkept():
            view.print_line(remark)
        view.show_fixes(plan.reading, survey, lambda pairs: _command(target, again, pairs, channel=name, past=options))
        sys.exit(1)


def _settle_questions(plan: ImportPlan, given: Mapping[str, str], *, may_ask: bool) -> tuple[ImportPlan, Survey]:
    """Ask what only the user knows, then show the preview.

    Raises `UsageError` if a question remains.
    """
    survey = _survey(plan)
    if view.can_ask(allowed=may_ask):
        plan, survey = _ask_questions(plan, survey, given)
    view.show_preview(plan.table, plan.reading, survey)
    if questions := _questions(plan, survey):
        raise UsageError("; ".join(questions))
    return plan, survey


def _ask_questions(plan: ImportPlan, survey: Survey, given: Mapping[str, str]) -> tuple[ImportPlan, Survey]:
    unclear, undecided = view.consent_questions(plan.reading, survey), plan.reading.undecided
    if unclear or undecided:
        answers = view.ask_consent(unclear, _examples(plan.table))
        terms = replace(plan.terms, dates=view.ask_dates(undecided)) if undecided else plan.terms
        reading = reading_of(plan.table, {**given, **answers}, terms.dates, terms.attributes)
        plan = replace(plan, reading=reading, terms=terms)
        survey = _survey(plan)
    if why := _why_source(plan, survey):
        plan = replace(plan, terms=replace(plan.terms, default_source=view.ask_source(why)))
    return plan, survey


def _questions(plan: ImportPlan, survey: Survey) -> list[str]:
    """Return the open questions that only the user can answer, with their options."""
    questions = []
    if why := _why_source(plan, survey):
        questions.append(f"{why}: give --source, one of {', '.join(Source)}")
    if undecided := plan.reading.undecided:
        questions.append(f"{view.describe_unclear_dates(undecided)}: give --dates, one of {', '.join(DateOrder)}")
    if unclear := view.consent_questions(plan.reading, survey):
        questions.append(view.how_to_map(unclear))
    return questions


def _why_source(plan: ImportPlan, survey: Survey) -> str | None:
    """Return why the source must be asked for; None if the rows or the user state it."""
    if plan.terms.default_source is not None:
        return None
    if "source" not in {column.path for column in plan.reading.columns}:
        return "no column says where these leads come from"
    return f"{survey.defaulted} of {survey.rows} rows state no known source" if survey.defaulted else None


def _examples(table: SourceTable) -> dict[str, str]:
    """Return the first filled cell of each column."""
    found: dict[str, str] = {}
    for row in table.rows:
        for header, cell in zip(table.headers, row.cells, strict=False):
            if cell and header not in found:
                found[header] = cell
    return found


def _command(  # noqa: PLR0913 - a command's options, each by name
    file: Path,
    plan: ImportPlan,
    pairs: Sequence[str],
    *,
    sheet: str | None = None,
    channel: str | None = None,
    past: Sequence[str] = (),
) -> str:
    """Return the command that repeats this import with these additional mappings; `past` are the history's options."""
    terms, zone = plan.terms, str(plan.terms.zone)
    options = {
        "--sheet": sheet,
        "--encoding": terms.encoding,
        "--source": terms.default_source,
        "--zone": zone if zone != "UTC" else None,
        "--dates": terms.dates,
        "--channel": channel,
    }
    given = [part for name, value in options.items() if value for part in (name, value)]
    mapped = [part for pair in (*view.given_pairs(plan.reading), *pairs) for part in ("--map", pair)]
    return shlex.join(["pantry", "import", str(file), *given, *past, *mapped])


def _open(file: Path, sheet: str | None, encoding: str | None) -> SourceTable:
    try:
        return files.open_table(file, sheet, encoding)
    except UnreadableTable as error:
        raise UsageError(str(error)) from None


def _given(headers: Sequence[str], given: Sequence[str], attributes: Attributes) -> dict[str, str]:
    fixed = {}
    for one in given:
        header, equals, path = one.rpartition("=")
        if not equals or header not in headers:
            raise UsageError(
                f"--map {one}: write HEADER=PATH with a column of the file. The columns are {', '.join(headers)}"
            )
        if path and not meanings.is_target(path, attributes):
            own = (*meanings.TARGETS, *(f"attributes.{name}" for name in attributes.by_name))
            there = f"{', '.join(own)}, {meanings.CONSENT}, {meanings.NOT}consent.email and context.NAME"
            raise UsageError(f"--map {one}: there is no path {path}. The paths are {there}")
        fixed[header] = path
    return fixed


def _encoding(name: str | None) -> str | None:
    found = encoding_of(name) if name else None
    if name and found is None:
        raise UsageError(f"--encoding {name}: give the encoding of a text file, such as windows-1250 or windows-1251")
    return found


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        raise UsageError(f"--zone {name}: give a time zone, such as America/Chicago") from None


def _survey(plan: ImportPlan) -> Survey:
    with Progress(console=view.out, transient=True, disable=not view.out.is_terminal) as progress:
        task = progress.add_task("reading", total=len(plan.table.rows))

        def advance(rows: int) -> None:
            progress.advance(task, rows)

        return files.survey_rows(plan, advance)


async def _import(plan: ImportPlan, kafka: Kafka, past: PastImport | None, *, idempotence: bool) -> list[RejectedRow]:
    with Progress(console=view.out, transient=True, disable=not view.out.is_terminal) as progress:
        task = progress.add_task("importing", total=len(plan.table.rows))

        def advance(rows: int) -> None:
            progress.advance(task, rows)

        await check_broker_answers(kafka)
        try:
            async with publishing(kafka, idempotence=idempotence) as publish:
                rejected = await files.publish_rows(plan, publish, advance)
                if past:
                    await past.load(publish, progress)
                return rejected
        except (BrokerUnavailable, RecordRefused) as error:
            kind = error.kind if isinstance(error, BrokerUnavailable) else str(error)
            problem = f"the broker did not accept every row ({kind})"
            raise UsageError(f"{problem}: import the file again, no row counts twice") from None


def _print_totals(read: int, rejected: int, *, published: str) -> None:
    view.print_line(
        f"{'1 row' if read == 1 else f'{read} rows'} read: {read - rejected} {published}, {rejected} rejected"
    )


def _keep(target: Path, plan: ImportPlan, rejected: Sequence[RejectedRow]) -> None:
    try:
        files.write_rejects(target, plan.table, plan.reading, rejected)
    except OSError as error:
        problem = f"{target} can't be written: {error.strerror}"
        raise UsageError(f"{problem}; import the file again with --rejects, no row counts twice") from None
    view.print_line(f"the rejected rows are in {target}: fix them there, then run")
