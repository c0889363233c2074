"""Laws of nurture: each step once, under one id, and none after the end.

The rules are in schemas/README.md#nurture.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from tests.faults.oracle import normal
from tests.faults.oracle.world import (
    ACTIONS,
    CONVERTED,
    ENROLLED,
    RESCORE,
    SCORED,
    UPDATED,
    Event,
    World,
    differing,
    grouped,
)

_PATIENCE = timedelta(seconds=90)
"""A step that a killed process held goes out once its lease, a minute, is over; one in flight at the end does too."""
Step = tuple[str, str, str]
"""A lead, a sequence and a step of it."""


def _step(of: Mapping[str, Any]) -> Step:
    return of["leadId"], of["sequenceId"], of["stepId"]


def sent(world: World) -> Iterator[str]:
    """Each sent step was published under an id of its own, and each published step is sent."""
    ids = {step: {one.data["actionId"] for one in events} for step, events in _actions(world).items()}
    rows = grouped((_step(one), one) for one in world.collections["nurture_steps"])
    for step in ids.keys() | rows.keys():
        if step[0] not in world.living:
            continue
        out, states = len(ids.get(step, ())), Counter(one["state"] for one in rows.get(step, ()))
        # A process that was killed may have published a step before marking it, or the step is cancelled then.
        most = states["sent"] + states["cancelled"] + states["scheduled"]
        if out < states["sent"]:
            yield f"{step} is sent {states['sent']} times, and {out} went out"
        if out > most:
            yield f"{step} went out under {out} ids, and is there {dict(states)}"


def _actions(world: World) -> Mapping[Step, list[Event]]:
    return grouped((_step(one.data), one) for one in world.published[ACTIONS])


def tasks(world: World) -> Iterator[str]:
    """Each call and task that went out is one task, which ends with its lead and belongs to the lead's owner."""
    rows = grouped((one["actionId"], one) for one in world.collections["tasks"] if "actionId" in one)
    asked = {one.data["actionId"]: one.data["leadId"] for one in world.published[ACTIONS] if _is_task(one)}
    yield from (f"the task of {one} is of no action" for one in rows.keys() - asked.keys())
    for action, lead_id in asked.items():
        lead, there = world.living.get(lead_id), rows.get(action, ())
        if lead is None:
            continue
        ended = lead["status"] in ("converted", "lost")
        once_lost = any(one.data["changed"].get("status", {}).get("to") == "lost" for one in _updates(world, lead_id))
        if len(there) != 1 and not (not there and (ended or once_lost)):
            yield f"action {action} of {lead_id} made {len(there)} tasks"
        for one in there:
            if one["state"] == "open" and (ended or one.get("assignedTo") != lead.get("assignedTo")):
                yield f"the task of {action} is open for {one.get('assignedTo')}, and {lead_id} is {lead['status']}"


def _is_task(action: Event) -> bool:
    return action.data["action"] in ("call", "task")


def _updates(world: World, lead_id: str) -> list[Event]:
    return world.of_lead(lead_id, UPDATED)


def same(world: World) -> Iterator[str]:
    """All events with one action id have the same content."""
    for action, events in grouped((one.data["actionId"], one) for one in world.published[ACTIONS]).items():
        if len(events) > 1:
            yield f"action {action} went out as {len(events)} events: {[one.id for one in events]}"


def punctual(world: World) -> Iterator[str]:
    """No due step stays scheduled, and no step is published early."""
    for row in world.collections["nurture_steps"]:
        late = row["state"] == "scheduled" and row.get("wakeAt", row["dueAt"]) < world.now - _PATIENCE
        if late and row["leadId"] in world.living:
            yield f"{_step(row)} was due {row['dueAt']}, and is scheduled still"
    for event in world.published[ACTIONS]:
        due = normal.moment(event.data["dueAt"])
        if due and event.record.at < due - timedelta(seconds=2):
            yield f"{_step(event.data)} went out {event.record.at}, and is due {due}"


def enrolled(world: World) -> Iterator[str]:
    """Each lead was enrolled after its first score, unless nurture had ended before.

    The published steps are the stored ones.
    """
    steps = grouped((one["leadId"], _step(one)) for one in world.collections["nurture_steps"])
    for lead_id in world.living:
        published = world.of_lead(lead_id, ENROLLED)
        if not published and world.of_lead(lead_id, SCORED) and not _ends(world, lead_id):
            yield f"lead {lead_id} was never enrolled"
        wanted = Counter(
            (lead_id, one.data["sequenceId"], it["stepId"]) for one in published for it in one.data["steps"]
        )
        there = Counter(steps.get(lead_id, ()))
        yield from (f"steps: {one}" for one in differing(wanted, there))
        yield from (f"lead {lead_id}: {fault}" for one in published for fault in _impersonal(world, one))


_PERSONAL = {
    "industry": ("company", "industry"),
    "companySize": ("company", "size"),
    "firstName": ("contact", "firstName"),
}


def _impersonal(world: World, event: Event) -> Iterator[str]:
    """Yield what an enrolment states about its lead and the lead never stated."""
    lead, published = world.living[str(event.subject)], event.data["personalization"]
    for name, (section, field) in _PERSONAL.items():
        held = (lead.get(section) or {}).get(field)
        if published.get(name) not in (None, held) or (name == "firstName" and name not in published):
            yield f"enrolled as {name} = {published.get(name)}, and it is {held}"


def ended(world: World) -> Iterator[str]:
    """A converted, lost or unsubscribed lead gets only steps that were due before."""
    for event in world.published[ACTIONS]:
        end, due = _end(world, str(event.subject)), normal.moment(event.data["dueAt"])
        if end and due and event.time and due > end + _PATIENCE and event.time > end + _PATIENCE:
            yield f"{_step(event.data)} went out {event.time}, and the lead ended {end}"


def _end(world: World, lead_id: str) -> datetime | None:
    """Return when nurture ended for a lead; None if it came back or agreed to mail."""
    came_back = any("new" in _published_status(one) for one in world.of_lead(lead_id, UPDATED))
    agrees = (world.leads.get(lead_id, {}).get("consent") or {}).get("email") is True
    came_back |= agrees and world.leads[lead_id]["status"] not in ("converted", "lost")
    return None if came_back else min(_ends(world, lead_id), default=None)


def _ends(world: World, lead_id: str) -> list[datetime]:
    """Return the moments that ended nurture: the publication of each end, not its own time.

    An event's time is that of its cause, and a mailer may report an unsubscription late. An unsubscription by a lead
    that refused mail before changes no consent; only its request for a new score shows it.
    """
    ends = [normal.moment(one.data["convertedAt"]) for one in world.of_lead(lead_id, CONVERTED)]
    ends += [one.record.at for one in world.of_lead(lead_id, UPDATED) if _ends_it(one)]
    ends += [one.record.at for one in world.of_lead(lead_id, RESCORE) if one.causation in world.unsubscriptions]
    return [one for one in ends if one]


def _ends_it(updated: Event) -> bool:
    return "lost" in _published_status(updated) or updated.data.get("reason") in ("unsubscribed", "complained")


def _published_status(updated: Event) -> tuple[str, ...]:
    change = updated.data["changed"].get("status")
    return (change["to"],) if change else ()
