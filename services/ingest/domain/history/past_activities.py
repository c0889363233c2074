"""The rows of a file of past activities: whose each is, what was done, and when. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from pydantic import ValidationError

from schemas.activities import ActivityRecorded
from schemas.base import TEXT_MAX, WORD_MAX
from schemas.lead import ActivityType
from services.ingest.domain.capture_events import faults_of
from services.ingest.domain.history.past_outcomes import BY
from services.ingest.domain.history.past_words import columns_in, past_words
from services.ingest.domain.tables.table import SourceRow, SourceTable
from services.ingest.domain.values.blanks import spelling_key
from services.ingest.domain.values.contacts import email_in
from services.ingest.domain.values.moment_reading import DateOrder, orders_of, parse_moment
from shared.domain.identity.normal_forms import email_key
from shared.domain.ids import derive

NEEDED = ("email", "at")
"""The paths that a file of activities must have columns for."""


@dataclass(frozen=True, slots=True)
class ActivityColumns:
    """The columns of a file of activities: each path's header, and the date order of moments."""

    headers: Mapping[str, str]
    dates: Mapping[str, DateOrder | None] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """The needed paths that no column has."""
        return tuple(path for path in NEEDED if path not in self.headers)

    @property
    def undecided(self) -> tuple[str, ...]:
        """The headers of the columns whose dates can be read in two ways."""
        return tuple(header for header, order in self.dates.items() if order is None)


@dataclass(frozen=True, slots=True)
class PastActivity:
    """An activity of the past: the normal form of its lead's address, and the event's parts."""

    email: str
    payload: Mapping[str, object]
    id: str
    at: datetime

    def event(self, lead_id: str) -> ActivityRecorded:
        """Return the payload for this lead. Raises `ValidationError`."""
        return ActivityRecorded.model_validate({**self.payload, "leadId": lead_id, "historical": True})


def activity_columns(table: SourceTable, dates: DateOrder | None) -> ActivityColumns:
    """Return the columns of this table. `dates` is the order that the user states."""
    headers = columns_in(table.headers, past_words().activities)
    at = headers.get("at")
    if at is None:
        return ActivityColumns(headers)
    place = table.headers.index(at)
    cells = [row.cells[place] for row in table.rows if place < len(row.cells)]
    return ActivityColumns(headers, orders_of({at: cells}, {}, dates))


def read_activity(
    table: SourceTable, row: SourceRow, columns: ActivityColumns, zone: tzinfo, now: datetime
) -> PastActivity | str:
    """Return the activity of a row, or why it is none. Moments without a zone are in `zone`."""
    if row.fault:
        return row.fault
    cells = table.cells(row)
    texts = {path: cells.get(header, "").strip() for path, header in columns.headers.items()}
    email = email_in(texts["email"])
    address = email_key(email[0]) if email else None
    if not address:
        return "has no e-mail address: it doesn't say whose activity it is"
    read = parse_moment(texts["at"], zone, columns.dates.get(columns.headers["at"]))
    if read is None:
        return "has no readable date"
    at = datetime.fromisoformat(read)
    if at > now:
        return "is planned, not past"
    kind = past_words().types.get(spelling_key(texts.get("type", "")), ActivityType.FOLLOW_UP)
    described = texts.get("description") or texts.get("type") or kind.value
    activity = {
        "type": kind.value,
        "description": described[:TEXT_MAX],
        "outcome": texts.get("outcome", "")[:TEXT_MAX] or None,
        "completedAt": at.isoformat(),
        "createdBy": texts.get("by", "")[:WORD_MAX] or BY,
    }
    payload = {"activity": activity}
    fault = _fault(payload)
    # The same row again, in the same file or a newer one, is the same activity.
    return fault or PastActivity(address, payload, derive("past activity", address, str(sorted(activity.items()))), at)


def _fault(payload: Mapping[str, object]) -> str | None:
    try:
        ActivityRecorded.model_validate({**payload, "leadId": "x"})
    except ValidationError as error:
        first = faults_of(error)[0]
        return f"{first.path}: {first.message}"
    return None


def unknown_kinds(table: SourceTable, columns: ActivityColumns) -> Sequence[str]:
    """Return the words for kinds of activities that aren't known, each once. They count as follow-ups."""
    if "type" not in columns.headers:
        return ()
    words = {table.cells(row).get(columns.headers["type"], "").strip() for row in table.rows}
    return sorted(word for word in words if word and spelling_key(word) not in past_words().types)
