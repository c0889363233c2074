"""The reads behind the lead routes: the list in pages, a lead, its score and timeline.

A page is read in stretches of time that grow until the page is full. So the database reads about a page of leads, even
if it collects all matches before it applies a limit.
"""

import asyncio
import base64
import binascii
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from schemas import topics
from schemas.lead import Lead
from services.gateway.leads.domain.sentences import ActivityWords, EventDetails, sentence_for
from services.gateway.web.middleware import UnreadableLead
from services.ingest.domain.capture_events import Fault, Invalid
from shared.domain.activity_documents import row_id
from shared.domain.consent.contact_permission import ConsentPolicy, may, why_not
from shared.domain.consent.statements import CHANNELS
from shared.domain.listing import Question, moment_key
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.insights_documents import LeadRow, TimelineRow
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import StepDocument
from shared.mongo.names import ACTIVITIES, LEAD_ROWS, LEADS, STEPS, TIMELINE
from shared.mongo.storage import Storage

Answer = dict[str, object]
"""A part of an answer that is only written as JSON: `services/gateway/web/responses.py` describes it."""
_ACTIVITIES_MAX = 100
_ACTIVITY_FIELDS = (
    *("type", "description", "outcome", "scheduledAt", "completedAt", "cancelled", "createdBy", "at", "metadata"),
)
_SPOKEN = (topics.ACTIVITIES.name, topics.ENGAGEMENTS.name)
_QUALIFICATION_FIELDS = ("method", "bantScore", "bant", "by", "at")
_STRETCH_S = 15.0
_GROWTH = 4
_STRETCH_MAX_S = 40 * 365 * 86_400.0
_READ_MAX = 400
"""The most rows that one read of a stretch returns."""
_END = "~"
"""A key greater than every key."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page begins: after this key. `stretch`: seconds that held about a page."""

    key: str = _END
    stretch: float = _STRETCH_S

    @property
    def text(self) -> str:
        """Return the cursor as text for a reader."""
        return base64.urlsafe_b64encode(f"{self.stretch:.3f} {self.key}".encode()).decode().rstrip("=")


def cursor_of(text: str | None) -> Cursor:
    """Return the cursor of a text that a reader got. Raises `Invalid`."""
    if text is None:
        return Cursor()
    try:
        padded = text + "=" * (-len(text) % 4)
        stretch, _, key = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(" ")
        seconds = float(stretch)
        _moment(key)
    except (ValueError, binascii.Error):
        raise Invalid(Fault("cursor", "is not a cursor of an earlier answer")) from None
    return Cursor(key, min(max(seconds, 0.001), _STRETCH_MAX_S) if math.isfinite(seconds) else _STRETCH_S)


@dataclass(frozen=True, slots=True)
class Page:
    """Leads and the next cursor. `unreadable`: ids of leads that can't be shown as stored."""

    leads: list[dict[str, JsonValue]]
    following: Cursor | None
    unreadable: list[str]


async def find_page(storage: Storage, question: Question, cursor: Cursor, most: int, now: datetime) -> Page:
    """Return up to `most` leads that match the question, newest first."""
    rows: list[LeadRow] = []
    upper, stretch = cursor.key, cursor.stretch
    while upper and len(rows) <= most:
        lower = _lower(upper, stretch, now)
        found, reached = await _stretch(storage, question, lower, upper)
        rows += [row for row in found if question.fits(row)]
        stretch = stretch / _GROWTH if reached > lower else stretch * (_GROWTH if len(rows) <= most else 1)
        upper = reached
    leads = await storage.read(LEADS, (row["_id"] for row in rows[:most]))
    shown = {row["_id"]: _shown(leads[row["_id"]]) for row in rows[:most] if row["_id"] in leads}
    following = Cursor(rows[most - 1]["key"], stretch) if len(rows) > most else None
    return Page(
        [one for one in shown.values() if one is not None], following, [i for i, one in shown.items() if one is None]
    )


def _lower(upper: str, stretch: float, now: datetime) -> str:
    """Return the lower key of a stretch below `upper`. The last stretch reaches the beginning."""
    end = now + timedelta(days=1) if upper == _END else _moment(upper)
    if stretch >= _STRETCH_MAX_S:
        return ""
    return moment_key(end - timedelta(seconds=stretch + (86_400 if upper == _END else 0)))


def _moment(key: str) -> datetime:
    return datetime.strptime(key[: len("2026-01-01T00:00:00.000Z")], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)


async def _stretch(storage: Storage, question: Question, lower: str, upper: str) -> tuple[list[LeadRow], str]:
    """Return rows between these keys, and the key down to which they are complete."""
    between = {"$gte": lower, "$lt": upper}
    prefix = question.prefix
    queries = [{"prefixes": prefix}] if prefix else [{"terms": term} for term in question.terms]
    answers = await asyncio.gather(
        *(
            storage.find(
                LEAD_ROWS,
                {**query, "key": between},
                fields=("key", "counts", "words"),
                sort=(("key", -1),),
                limit=_READ_MAX,
            )
            for query in queries
        )
    )
    reached = max((rows[-1]["key"] for rows in answers if len(rows) == _READ_MAX), default=lower)
    rows = sorted((row for rows in answers for row in rows if row["key"] >= reached), key=lambda row: row["key"])
    return rows[::-1], reached


def public_lead(document: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return the public form of a lead (schemas/README.md#lead). Raises `UnreadableLead`."""
    try:
        return Lead.of(document).wire()
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableLead from error


def _shown(document: Mapping[str, object]) -> dict[str, JsonValue] | None:
    try:
        return public_lead(document)
    except UnreadableLead:
        return None


async def find_lead(storage: Storage, lead_id: str, policy: ConsentPolicy) -> Answer | None:
    """Return a lead with its latest activities and its contact permissions; None if unknown."""
    found, activities = await asyncio.gather(
        storage.read(LEADS, [lead_id]),
        storage.find(ACTIVITIES, {"leadId": lead_id}, sort=(("at", -1),), limit=_ACTIVITIES_MAX),
    )
    if lead_id not in found:
        return None
    shown = public_lead(found[lead_id])
    permissions = {channel: may(channel, found[lead_id], policy) for channel in CHANNELS}
    allowed = {channel: {"allowed": one.allowed, "why": one.why} for channel, one in permissions.items()}
    document: Answer = {
        **shown,
        "permissions": allowed,
        "activities": [_activity(one) for one in activities],
    }
    held = found[lead_id].get("qualification")
    return document | ({"qualification": _present(held, _QUALIFICATION_FIELDS)} if held else {})


def _present(document: Mapping[str, object], fields: Sequence[str]) -> Answer:
    return {name: document[name] for name in fields if name in document}


def _activity(document: Mapping[str, object]) -> Answer:
    return {"id": document.get("activityId", document["_id"]), **_present(document, _ACTIVITY_FIELDS)}


async def explain_score(storage: Storage, lead_id: str) -> Answer | None:
    """Return the reasons of a lead's score and its latest changes; None for an unknown lead."""
    found = (await storage.read(LEADS, [lead_id], fields=("score", "scoring"))).get(lead_id)
    if found is None:
        return None
    held = found.get("scoring") or {}
    fields = ("at", "score", "previousScore", "reason", "ruleSet", "breakdown")
    history = [_nullable(one, fields) for one in reversed(held.get("log") or ())]
    view = _nullable(held, ("at", "ruleSet", "agesAt"))
    return {
        "leadId": lead_id,
        "score": found.get("score"),
        **view,
        "breakdown": held.get("breakdown") or [],
        "history": history,
    }


def _nullable(document: Mapping[str, object], fields: Sequence[str]) -> Answer:
    return {name: document.get(name) for name in fields}


async def find_timeline(storage: Storage, lead_id: str, before: str | None, most: int) -> Answer | None:
    """Return the events that touched a lead, newest first; None for an unknown lead."""
    if lead_id not in await storage.read(LEADS, [lead_id], fields=("_id",)):
        return None
    query = {"leadId": lead_id, "key": {"$lt": before or _END}}
    rows = await storage.find(TIMELINE, query, sort=(("key", -1),), limit=most + 1)
    activities = {row["_id"]: _activity_rows(row) for row in rows if row["topic"] in _SPOKEN}
    ids = {id_ for some in activities.values() for id_ in some}
    spoken = await storage.read(ACTIVITIES, ids, fields=("description", "outcome"))
    said = {key: next((spoken[id_] for id_ in some if id_ in spoken), None) for key, some in activities.items()}
    events = [_event(row, said.get(row["_id"])) for row in rows[:most]]
    return {"events": events, "nextCursor": Cursor(rows[most - 1]["key"]).text if len(rows) > most else None}


def _activity_rows(row: TimelineRow) -> tuple[str, str]:
    """Return where an event's activity may be stored: under the event's key, or its own id."""
    return row["_id"], row_id(row["leadId"], row["details"].get("activityId") or row["eventId"])


def _event(row: TimelineRow, spoken: ActivityRow | None) -> Answer:
    fields = ("eventId", "topic", "source", "causationId", "correlationId")
    words: ActivityWords = {}
    if spoken and "description" in spoken:
        words["description"] = spoken["description"]
    if spoken and "outcome" in spoken:
        words["outcome"] = spoken["outcome"]
    details: EventDetails = {**row["details"], **words}
    event = {"time": row["at"], **_nullable(row, fields)}
    return {**event, "details": details, "text": sentence_for(row["topic"], details)}


async def nurture_steps(storage: Storage, lead_id: str, policy: ConsentPolicy) -> Answer | None:
    """Return a lead's nurture steps in order of their times; None for an unknown lead."""
    found, rows = await asyncio.gather(storage.read(LEADS, [lead_id]), storage.find(STEPS, {"leadId": lead_id}))
    if lead_id not in found:
        return None
    return {"steps": [_step(row, found[lead_id], policy) for row in sorted(rows, key=_by_time)]}


def _by_time(row: StepDocument) -> tuple[datetime, str]:
    return row["dueAt"], row["_id"]


def _step(row: StepDocument, lead: LeadDocument, policy: ConsentPolicy) -> Answer:
    fields: Sequence[str] = ("sequenceId", "stepId", "dueAt", "state", "action", "why")
    view = _present(row, fields)
    # A decided step is published, whatever the lead's status is now.
    open_ = row["state"] == "scheduled" and "decided" not in row
    reason = why_not(row["action"], lead, policy) if open_ else None
    return view | ({"willNotGo": reason} if reason else {})
