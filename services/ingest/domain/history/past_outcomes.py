"""What became of imported leads, and the commands that tell it (schemas/README.md#history). Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo

from schemas.base import TEXT_MAX, WORD_MAX, Model
from schemas.commands import ConvertLead, QualifyLead, UpdateLead
from schemas.lead import Requirements, Status
from schemas.topics import CONVERT, QUALIFY, UPDATE, Topic
from services.ingest.domain.history.past_words import columns_in, past_words
from services.ingest.domain.tables.table import SourceRow, SourceTable
from services.ingest.domain.values.blanks import match_choice, spelling_key
from services.ingest.domain.values.consent_answers import read_answer
from services.ingest.domain.values.moment_reading import DateOrder, orders_of, parse_moment
from services.ingest.domain.values.vocabulary import is_nothing

BY = "pantry import"
"""Who asks for the commands of an import."""
_MOMENTS = ("closedAt", "changedAt")
# Of a lead that is still open, the closing date of a CRM is only expected.
_CLOSED = frozenset({Status.CONVERTED, Status.UNQUALIFIED, Status.LOST})
# The furthest first (schemas/README.md#history).
_FURTHEST = (Status.CONVERTED, Status.QUALIFIED, Status.CONTACTED, Status.NEW, Status.UNQUALIFIED, Status.LOST)


@dataclass(frozen=True, slots=True)
class PastColumns:
    """The columns that tell what became of the leads: each path's header, and the date order of moments.

    `statuses` are the words that the user explained, in their form for comparison.
    """

    headers: Mapping[str, str]
    dates: Mapping[str, DateOrder | None] = field(default_factory=dict)
    statuses: Mapping[str, Status] = field(default_factory=dict)

    @property
    def undecided(self) -> tuple[str, ...]:
        """The headers of the columns whose dates can be read in two ways."""
        return tuple(header for header, order in self.dates.items() if order is None)


@dataclass(frozen=True, slots=True)
class PastOutcome:
    """What became of a lead. `at`: when it got its status. `word`: its status as the file says it."""

    status: Status
    at: datetime | None = None
    lost_reason: str | None = None
    owner: str | None = None
    word: str = ""
    known: bool = True
    """Whether the word is known. An unknown one counts as new."""


@dataclass(frozen=True, slots=True)
class PastEvent:
    """An event of the past to publish: `name` tells it from others of its lead."""

    topic: Topic
    payload: Model
    name: str
    at: datetime


def past_columns(table: SourceTable, dates: DateOrder | None, statuses: Mapping[str, Status]) -> PastColumns:
    """Return the columns of this table that tell the past. `dates` is the order that the user states."""
    headers = columns_in(table.headers, past_words().leads)
    cells = {
        header: [row.cells[at] for row in table.rows if at < len(row.cells)] for at, header in enumerate(table.headers)
    }
    moments = {headers[path]: cells[headers[path]] for path in _MOMENTS if path in headers}
    others = {header: texts for header, texts in cells.items() if header not in moments}
    return PastColumns(headers, orders_of(moments, others, dates), statuses)


def read_outcome(table: SourceTable, row: SourceRow, columns: PastColumns, zone: tzinfo) -> PastOutcome:
    """Return what a row tells of its lead's past. Moments without a zone are in `zone`."""
    cells = table.cells(row)
    texts = {
        path: text
        for path, header in columns.headers.items()
        if (text := cells.get(header, "").strip()) and not is_nothing(text)
    }
    word = texts.get("status", "")
    known = _status(word, columns.statuses)
    converted = read_answer(texts.get("converted", ""), negated=False) is True
    status = Status.CONVERTED if converted else known or Status.NEW
    told = [_moment(path, texts, columns, zone) for path in (_MOMENTS if status in _CLOSED else _MOMENTS[1:])]
    return PastOutcome(
        status,
        next(filter(None, told), None),
        texts.get("lostReason", "")[:TEXT_MAX] or None,
        texts.get("owner", "")[:WORD_MAX] or None,
        word,
        known is not None or converted or not word,
    )


def _status(word: str, explained: Mapping[str, Status]) -> Status | None:
    key = spelling_key(word)
    return explained.get(key) or past_words().statuses.get(key)


def _moment(path: str, texts: Mapping[str, str], columns: PastColumns, zone: tzinfo) -> datetime | None:
    header = columns.headers.get(path, "")
    read = parse_moment(texts.get(path, ""), zone, columns.dates.get(header))
    return datetime.fromisoformat(read) if read else None


def furthest(outcomes: Iterable[PastOutcome]) -> PastOutcome:
    """Return the outcome that counts of several rows about one lead: the furthest status, then the latest."""
    ranked = sorted(outcomes, key=lambda one: one.at.timestamp() if one.at else 0.0, reverse=True)
    return min(ranked, key=lambda one: _FURTHEST.index(one.status))


def outcome_events(
    lead_id: str, outcome: PastOutcome, created: datetime, lost_reasons: Collection[str]
) -> Iterator[PastEvent]:
    """Yield the commands that bring a lead, which came at `created`, to this outcome.

    Without a time of its own the outcome is as old as the lead.
    """
    at = max(outcome.at or created, created)
    common = {"lead_id": lead_id, "requested_by": BY, "historical": True}
    if outcome.owner:
        yield PastEvent(UPDATE, UpdateLead(**common, assigned_to=outcome.owner), "owner", created)
    if outcome.status is Status.CONTACTED:
        yield PastEvent(UPDATE, UpdateLead(**common, status=Status.CONTACTED), "contacted", at)
    if outcome.status in (Status.QUALIFIED, Status.CONVERTED):
        yield PastEvent(QUALIFY, QualifyLead(**common, requirements=Requirements()), "qualified", at)
    if outcome.status is Status.CONVERTED:
        yield PastEvent(CONVERT, ConvertLead(**common), "converted", at)
    if outcome.status is Status.UNQUALIFIED:
        yield PastEvent(QUALIFY, QualifyLead.model_validate({**common, "bant": {}}), "unqualified", at)
    if outcome.status is Status.LOST:
        reason = match_choice(outcome.lost_reason or "", lost_reasons)
        named = reason if reason in lost_reasons else None
        lost = UpdateLead(**common, status=Status.LOST, lost_reason=named, reason=outcome.lost_reason)
        yield PastEvent(UPDATE, lost, "lost", at)


def explained_statuses(pairs: Sequence[str]) -> dict[str, Status]:
    """Return the statuses by word of `WORD=STATUS` pairs. Raises `ValueError` with the wrong pair."""
    found = {}
    for pair in pairs:
        word, _, status = pair.rpartition("=")
        if not spelling_key(word) or status not in set(Status):
            raise ValueError(pair)
        found[spelling_key(word)] = Status(status)
    return found
