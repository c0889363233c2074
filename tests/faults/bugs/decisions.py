"""Bugs in what workers decide: scores, qualification, conversion, owners, figures."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from schemas.outputs import LeadAssigned
from schemas.topics import ASSIGNED, CONVERTED, REJECTED, SCORED
from services.capture.domain import merge as capturing
from services.conversion import worker as conversion
from services.conversion.domain import decide as opportunity
from shared.consuming.worker import Handler, Runtime
from shared.domain.consent.restating import restate_lead
from shared.domain.statuses import after, objection
from shared.kafka.events import Outgoing, Received, emit
from shared.leads.documents import read_leads
from shared.mongo.storage import Change
from tests.collection_names import ACTIVITIES, LEADS, ROLLUPS
from tests.faults.bugs.planting import bug, changing, handling, inserting, reading, telling, without
from tests.swapping import swap


def _with_fields(change: Change, **fields: Any) -> Change:
    """Return the change with these fields set instead."""
    return replace(change, update={**change.update, "$set": {**change.update.get("$set", {}), **fields}})


def _without(fields: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


@bug("scoring")
def scores_by_the_wall_clock() -> None:
    """An activity counts as recent from its arrival, not from its completion."""

    def seen(lead: dict[str, Any]) -> dict[str, Any]:
        stats = lead.get("activityStats") or {}
        now = datetime.now(UTC)
        return {**lead, "activityStats": {**stats, "completedAt": [now for _ in stats.get("completedAt", ())]}}

    reading(LEADS, seen)


@bug("scoring")
def tells_another_score_before() -> None:
    """Each score is published as if there had been none before."""
    telling(SCORED, lambda event: event["data"].pop("previousScore", None))


@bug("engagement")
def counts_no_activity() -> None:
    """An activity is stored and not counted on its lead."""
    changing(
        LEADS,
        lambda one: replace(one, update={**one.update, "$set": _without(one.update.get("$set", {}), "activityStats")}),
    )


@bug("engagement")
def forgets_what_leads_do() -> None:
    """An engagement triggers a sequence and leaves no activity."""
    inserting(ACTIVITIES, lambda row: () if "engagement" in row else (row,))


@bug("capture")
def lets_the_first_consent_hold() -> None:
    """A later statement about mail changes nothing."""

    def make(original: Any) -> Any:
        def first(lead: Any, statements: Any, region: str) -> Any:
            return original(lead, () if lead.get("standing") else statements, region)

        return first

    swap(capturing, restate_lead, make)


@bug("qualification")
def forgets_the_bant() -> None:
    """A BANT is judged and not stored."""

    def forgetful(change: Change) -> Change:
        kept: Any = change.update.get("$set", {}).get("qualification")
        return _with_fields(change, qualification=_without(kept, "bant", "bantScore", "bantOrder")) if kept else change

    changing(LEADS, forgetful)


@bug("conversion")
def makes_a_second_opportunity() -> None:
    """A second conversion command creates a second opportunity."""
    swap(opportunity, opportunity.opportunity_id, lambda _: lambda _lead: str(uuid.uuid4()))

    def judge(move: Any, lead: Any) -> Any:
        return None if lead and lead["status"] == "converted" else objection(move, lead)

    swap(conversion, objection, lambda _: judge)
    swap(opportunity, after, lambda original: lambda move, _status: original(move, "qualified"))


@bug("conversion")
def tells_another_opportunity_each_time() -> None:
    """A redelivered conversion is published with an opportunity that is not stored."""

    def another(event: dict[str, Any]) -> None:
        event["data"]["opportunityId"] = str(uuid.uuid4())

    telling(CONVERTED, another)


@bug("conversion")
def converts_in_silence() -> None:
    """A conversion is stored and not published."""
    without(CONVERTED)


@bug("conversion")
def carries_out_what_it_rejects() -> None:
    """An unqualified lead is converted, and the command rejected."""

    def make(runtime: Runtime, original: Handler) -> Handler:
        async def handle(received: Sequence[Received]) -> Any:
            results = await original(received)
            told = [one for one in results if isinstance(one, Outgoing) and one.topic == REJECTED.name]
            leads = {(one.key or b"").decode() for one in told}
            await runtime.storage.change(LEADS, [Change(one, {}, {"$set": {"status": "converted"}}) for one in leads])
            return results

        return handle

    handling("conversion", make)


@bug("assignment")
def assigns_at_every_score() -> None:
    """Every score assigns an owner, not only the first one."""

    def make(runtime: Runtime, original: Handler) -> Handler:
        async def handle(received: Sequence[Received]) -> Any:
            results = await original(received)
            later = [
                one for one in received if one.record.topic == SCORED.name and one.payload.previous_score is not None
            ]
            leads = await read_leads(runtime.storage, {str(one.lead_id) for one in later})
            owned = [(one, lead) for one in later if (lead := leads.get(str(one.lead_id))) and lead.get("assignment")]
            return [*results, *(_assigned(one, lead) for one, lead in owned)]

        return handle

    handling("assignment", make)


def _assigned(received: Received, lead: Mapping[str, Any]) -> Outgoing:
    record = lead["assignment"]
    told = LeadAssigned(lead_id=lead["_id"], assigned_to=record["owner"], rule=record["rule"])
    source = "/services/assignment"
    return emit(ASSIGNED, told, cause=received.cause, key=lead["_id"], source=source, at=record["at"])


@bug("insights")
def counts_leads_twice() -> None:
    """A lead is added to the figures twice."""

    def twice(change: Change) -> Change:
        added: Mapping[str, Any] = change.update.get("$inc", {})
        doubled = {"$inc": {path: 2 * amount for path, amount in added.items()}} if added else {}
        return replace(change, update={**change.update, **doubled})

    changing(ROLLUPS, twice)


@bug("insights")
def misses_a_status() -> None:
    """A lead that changes its status still counts under the old one."""
    first: dict[str, Any] = {}

    def seen(lead: dict[str, Any]) -> dict[str, Any]:
        return {**lead, "status": first.setdefault(lead["_id"], lead["status"])} if "status" in lead else lead

    reading(LEADS, seen)
