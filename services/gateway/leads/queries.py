"""The reads behind the routes of one lead: the lead, its score, its timeline and its nurture steps."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import JsonValue

from schemas import topics
from schemas.lead import Lead
from services.gateway.leads.domain.page_cursors import cursor_text
from services.gateway.leads.domain.sentences import EventDetails, SpokenWords, sentence_for
from services.gateway.web.middleware import UnreadableLead
from shared.domain.activity_documents import row_id
from shared.domain.consent.contact_permission import ConsentPolicy, may, why_not
from shared.domain.consent.statements import CHANNELS
from shared.domain.stored.insights_documents import TimelineRow
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import StepDocument
from shared.domain.task_lists import task_document_id
from shared.mongo.names import ACTIVITIES, LEADS, NOTES, STEPS, TASKS, TIMELINE
from shared.mongo.storage import Storage

Answer = dict[str, object]
"""A part of an answer that is only written as JSON: `services/gateway/web/responses.py` describes it."""
_ACTIVITIES_MAX = _NOTES_MAX = 100
_ACTIVITY_FIELDS = (
    *("type", "description", "outcome", "scheduledAt", "completedAt", "cancelled", "createdBy", "at", "metadata"),
)
_SPOKEN = (topics.ACTIVITIES.name, topics.ENGAGEMENTS.name)
_OF_TASKS = (topics.TASKS.name, topics.TASK_CREATED.name, topics.TASK_UPDATED.name)
_QUALIFICATION_FIELDS = ("method", "bantScore", "bant", "by", "at")


def public_lead(document: Mapping[str, object]) -> dict[str, JsonValue]:
    """Return the public form of a lead (schemas/README.md#lead). Raises `UnreadableLead`."""
    try:
        return Lead.of(document).wire()
    except (ValueError, TypeError, KeyError) as error:
        raise UnreadableLead from error


async def find_lead(storage: Storage, lead_id: str, policy: ConsentPolicy) -> Answer | None:
    """Return a lead with its latest activities and notes, and its contact permissions; None if unknown."""
    found, activities, notes = await asyncio.gather(
        storage.read(LEADS, [lead_id]),
        storage.find(ACTIVITIES, {"leadId": lead_id}, sort=(("at", -1),), limit=_ACTIVITIES_MAX),
        storage.find(NOTES, {"leadId": lead_id}, sort=(("at", -1),), limit=_NOTES_MAX),
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
        "notes": [{"id": one["_id"], **_present(one, ("text", "by", "at"))} for one in notes],
    }
    held = found[lead_id].get("qualification")
    return document | ({"qualification": _present(held, _QUALIFICATION_FIELDS)} if held else {})


def _present(document: Mapping[str, object], fields: Sequence[str]) -> Answer:
    return {name: document[name] for name in fields if name in document}


def _activity(document: Mapping[str, object]) -> Answer:
    return {
        "id": document.get("activityId", document["_id"]),
        **_present(document, _ACTIVITY_FIELDS),
        "changeable": "activityId" in document and "engagement" not in document,
    }


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


async def find_timeline(storage: Storage, lead_id: str, before: str, most: int) -> Answer | None:
    """Return the events that touched a lead, newest first; None for an unknown lead."""
    if lead_id not in await storage.read(LEADS, [lead_id], fields=("_id",)):
        return None
    query = {"leadId": lead_id, "key": {"$lt": before}}
    rows = await storage.find(TIMELINE, query, sort=(("key", -1),), limit=most + 1)
    said = await _spoken_words(storage, rows)
    events = [_event(row, said.get(row["_id"], {})) for row in rows[:most]]
    return {"events": events, "nextCursor": cursor_text(rows[most - 1]["key"]) if len(rows) > most else None}


async def _spoken_words(storage: Storage, rows: Sequence[TimelineRow]) -> dict[str, SpokenWords]:
    """Return the words of the rows' activities and tasks, by the row's id."""
    activities = {row["_id"]: _activity_rows(row) for row in rows if row["topic"] in _SPOKEN}
    tasks = {row["_id"]: _task_row(row) for row in rows if row["topic"] in _OF_TASKS}
    ids = {id_ for some in activities.values() for id_ in some}
    spoken, planned = await asyncio.gather(
        storage.read(ACTIVITIES, ids, fields=("description", "outcome")),
        storage.read(TASKS, tasks.values(), fields=("title", "outcome")),
    )
    words: dict[str, SpokenWords] = {
        key: _words_of(planned[id_], "title") for key, id_ in tasks.items() if id_ in planned
    }
    for key, some in activities.items():
        found = next((spoken[id_] for id_ in some if id_ in spoken), None)
        words |= {key: _words_of(found, "description")} if found else {}
    return words


def _words_of(document: Mapping[str, object], name: str) -> SpokenWords:
    words: SpokenWords = {}
    if name in document:
        words["description"] = str(document[name])
    if "outcome" in document:
        words["outcome"] = str(document["outcome"])
    return words


def _activity_rows(row: TimelineRow) -> tuple[str, str]:
    """Return where an event's activity may be stored: under the event's key, or its own id."""
    return row["_id"], row_id(row["leadId"], row["details"].get("activityId") or row["eventId"])


def _task_row(row: TimelineRow) -> str:
    """Return where an event's task is stored. The id of the event that creates a task is the task's."""
    return task_document_id(row["leadId"], row["details"].get("taskId") or row["eventId"])


def _event(row: TimelineRow, words: SpokenWords) -> Answer:
    fields = ("eventId", "topic", "source", "causationId", "correlationId")
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
