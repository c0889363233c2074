"""The past in `pantry import --history`: what the files tell of it, in words, and its commands and activities."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path

from rich.progress import Progress

from schemas.lead import Status
from schemas.topics import ACTIVITIES
from services.cli.database import database_of
from services.ingest import files
from services.ingest.domain.capture_events import event_of
from services.ingest.domain.history.past_activities import (
    ActivityColumns,
    PastActivity,
    activity_columns,
    read_activity,
    unknown_kinds,
)
from services.ingest.domain.history.past_outcomes import (
    PastColumns,
    PastOutcome,
    explained_statuses,
    furthest,
    outcome_events,
    past_columns,
    read_outcome,
)
from services.ingest.domain.tables.table import SourceTable, UnreadableTable
from services.ingest.domain.values.moment_reading import DateOrder
from services.ingest.files import ImportPlan
from services.ingest.past_loading import NoLeads, cause_key, find_leads, past_record, publish_groups
from shared.clock import system_clock
from shared.errors import UsageError
from shared.kafka.events import Outgoing
from shared.kafka.reading import Publish
from shared.leads.documents import leads_by_email
from shared.mongo.storage import Storage, Unavailable
from shared.settings import Settings

_SHOWN = 5
_DATED = frozenset({Status.CONVERTED, Status.LOST})
_LABELS = {
    "status": "status",
    "converted": "converted: yes or no",
    "closedAt": "date of the outcome",
    "changedAt": "date of the outcome, where there is no other",
    "lostReason": "reason of the loss",
    "owner": "owner",
}


@dataclass(frozen=True)
class PastImport:
    """What became of the leads of an import, and their activities."""

    plan: ImportPlan
    settings: Settings
    columns: PastColumns
    options: Sequence[str]
    """What the command that repeats the import needs."""
    activities: tuple[SourceTable, ActivityColumns] | None = None
    unused: Counter[str] = field(default_factory=Counter)
    """Why activities were left out, with their numbers."""

    @classmethod
    def of(cls, plan: ImportPlan, settings: Settings, activities: Path | None, statuses: Sequence[str]) -> "PastImport":
        """Read the columns. Raises `UsageError` for what only the user can say."""
        try:
            explained = explained_statuses(statuses)
        except ValueError as error:
            raise UsageError(f"--status {error}: write WORD=STATUS with one of {', '.join(Status)}") from None
        columns = past_columns(plan.table, plan.terms.dates, explained)
        options = ["--history", *(("--activities", str(activities)) if activities else ())]
        options += [part for pair in statuses for part in ("--status", pair)]
        past = cls(plan, settings, columns, options, _open_activities(activities, plan) if activities else None)
        undecided = (*columns.undecided, *(past.activities[1].undecided if past.activities else ()))
        if undecided:
            raise UsageError(
                f"{', '.join(undecided)}: dates such as 03/04/2026 can be read in two ways: give --dates, one of"
                " day-first, month-first"
            )
        return past

    @property
    def dates(self) -> DateOrder | None:
        """The order of the dates in the columns of history, if one needs it."""
        return next(iter(self.columns.dates.values()), self.plan.terms.dates)

    @cached_property
    def rows(self) -> Mapping[str, tuple[datetime, PastOutcome]]:
        """When each capture was made, by its key, and what its rows tell of its lead. Equal rows are one capture."""
        found: dict[str, tuple[datetime, PastOutcome]] = {}
        for row, line in files.captured_rows(self.plan):
            key = cause_key(self.plan.source, line.id)
            told = read_outcome(self.plan.table, row, self.columns, self.plan.terms.zone)
            found[key] = line.time, furthest([told, found[key][1]]) if key in found else told
        return found

    def show(self, say: Callable[[str], None]) -> None:
        """Print what the files tell of the past, and what in it isn't understood."""
        for path, header in self.columns.headers.items():
            say(f"history: {header!r} is the {_LABELS[path]}")
        told = [outcome for _, outcome in self.rows.values()]
        counts = Counter(one.status for one in told)
        say("history: " + ", ".join(f"{counts[status]} {status}" for status in Status if counts[status]))
        if not {"status", "converted"} & self.columns.headers.keys():
            say("note: no column says what became of these leads: all count as new")
        if not {"time", "date"} & {column.path for column in self.plan.reading.columns}:
            say("note: no column says when these leads came: all count as of the file's own date")
        unknown = Counter(one.word for one in told if not one.known)
        for word, rows in unknown.most_common(_SHOWN):
            say(f"note: the status {word!r} of {rows} is not known and counts as new: say --status {word!r}=STATUS")
        if len(unknown) > _SHOWN:
            say(f"note: {len(unknown) - _SHOWN} more statuses are not known and count as new")
        undated = sum(one.status in _DATED and one.at is None for one in told)
        if undated:
            say(f"note: {undated} converted or lost leads have no date of it: it counts as the day on which they came")
        if self.activities:
            table, columns = self.activities
            say(f"history: {len(table.rows)} activities, by {columns.headers['email']!r} and {columns.headers['at']!r}")
            kinds = unknown_kinds(table, columns)
            for word in kinds[:_SHOWN]:
                say(f"note: the kind {word!r} of activities is not known and counts as follow_up")
            if len(kinds) > _SHOWN:
                say(f"note: {len(kinds) - _SHOWN} more kinds are not known and count as follow_up")

    async def load(self, publish: Publish, progress: Progress) -> None:
        """Publish what became of the leads, once they are stored, and their activities. Raises `UsageError`."""
        storage = Storage(database_of(self.settings), self.settings.mongo_database)
        try:
            await self._load_outcomes(storage, publish, progress)
            await self._load_activities(storage, publish, progress)
        except NoLeads as error:
            raise UsageError(f"{error} Import the file again then, no row counts twice") from None
        except Unavailable as error:
            raise UsageError(f"the database in PANTRY_MONGO_URL doesn't answer ({error})") from None
        finally:
            await storage.close()

    async def _load_outcomes(self, storage: Storage, publish: Publish, progress: Progress) -> None:
        task = progress.add_task("waiting for the leads", total=len(self.rows))
        of_lead: dict[str, list[tuple[datetime, PastOutcome]]] = {}
        async for found in find_leads(storage, self.rows, system_clock):
            for key, lead_id in found.items():
                of_lead.setdefault(lead_id, []).append(self.rows[key])
            progress.advance(task, len(found))
        reasons = self.settings.reasons_lost
        records = [
            past_record(one, self.plan.source, self.settings.region)
            for lead_id, rows in of_lead.items()
            for one in outcome_events(
                lead_id, furthest(outcome for _, outcome in rows), min(at for at, _ in rows), reasons
            )
        ]
        task = progress.add_task("what became of them", total=len(records))
        await publish_groups(publish, records, lambda done: progress.advance(task, done))

    async def _load_activities(self, storage: Storage, publish: Publish, progress: Progress) -> None:
        if self.activities is None:
            return
        table, columns = self.activities
        now = system_clock()
        read = [read_activity(table, row, columns, self.plan.terms.zone, now) for row in table.rows]
        told = [one for one in read if isinstance(one, PastActivity)]
        leads = await leads_by_email(storage, {one.email for one in told})
        records = [self._record(one, leads[one.email]) for one in told if one.email in leads]
        task = progress.add_task("activities", total=len(records))
        await publish_groups(publish, records, lambda done: progress.advance(task, done))
        self.unused.update(one for one in read if isinstance(one, str))
        self.unused["is of an address that no lead has"] += len(told) - len(records)

    def _record(self, activity: PastActivity, lead_id: str) -> Outgoing:
        return event_of(
            ACTIVITIES,
            activity.event(lead_id),
            id_=activity.id,
            source=self.plan.source,
            at=activity.at,
            region=self.settings.region,
        )

    def show_unused(self, say: Callable[[str], None]) -> None:
        """Print how many activities could not be used, and why."""
        for why, rows in self.unused.most_common():
            if rows:
                say(f"{rows} activities were left out: {why}")


def _open_activities(file: Path, plan: ImportPlan) -> tuple[SourceTable, ActivityColumns]:
    try:
        table = files.open_table(file, None, plan.terms.encoding)
    except UnreadableTable as error:
        raise UsageError(str(error)) from None
    columns = activity_columns(table, plan.terms.dates)
    if columns.missing:
        needed = {"email": "the e-mail address of the lead", "at": "the date of the activity"}
        missing = " and ".join(needed[path] for path in columns.missing)
        raise UsageError(f"{file}: no column has {missing}. Its columns are {', '.join(table.headers)}")
    return table, columns
