"""Laws of events (schemas/README.md#envelope): envelopes, ids, and causes."""

import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from tests.faults.oracle.world import OUTPUTS, RESCORE, Event, World, grouped

_CONTENT_TYPE = b"application/cloudevents+json"
_ACTIONS = "nurture.actions"


def envelopes(world: World) -> Iterator[str]:
    """Every published record is an event of its topic, about the lead in its key."""
    for topic in OUTPUTS:
        events = {one.record.place: one for one in world.outputs[topic]}
        for record in world.records.get(topic, ()):
            event = events.get(record.place)
            if event is None:
                yield f"{record.place} is no event"
                continue
            if record.headers.get("content-type") != _CONTENT_TYPE or event.type != f"{topic}.v1" or event.time is None:
                yield f"{topic} {event.id} has another content type, type or time"
            if (record.key or b"").decode(errors="replace") != event.subject:
                yield f"{topic} {event.id} has the key {record.key!r}, and is about {event.subject}"


def ids(world: World) -> Iterator[str]:
    """An id derives from its cause: a UUID of version 5, one for each effect of a cause."""
    for topic, events in world.published.items():
        for event in events:
            if not _is_derived(event.id):
                yield f"{topic} {event.id} of {event.subject} has an id that is derived from nothing"
        effects = grouped(((one.causation, one.subject, _which(one)), one) for one in events)
        for (cause, lead, _), same in effects.items():
            if len(same) > 1:
                yield f"{topic} of {lead} was published under {len(same)} ids because of {cause}"


def _which(event: Event) -> Any:
    # One event can enrol a lead in several sequences, change several tasks, and be what several steps go out for.
    of = event.data
    if "taskId" in of:
        return of["taskId"]
    return of.get("actionId") if event.record.topic == _ACTIONS else of.get("sequenceId")


def _is_derived(text: str) -> bool:
    try:
        return uuid.UUID(text).version == 5
    except ValueError:
        return False


def contents(world: World) -> Iterator[str]:
    """All events with one id have the same content.

    Only the lead document that an event carries may be a later one.
    """
    for topic, events in world.outputs.items():
        for id_, same in grouped((one.id, one) for one in events).items():
            other = next((one for one in same if _said(one) != _said(same[0])), None)
            if other:
                erased = " (erased)" if same[0].subject in world.erased else ""
                yield f"{topic} {id_} of {same[0].subject}{erased} says different things: {_differing(same[0], other)}"


def _said(event: Event) -> tuple[Any, ...]:
    data = dict(event.data)
    lead = data.pop("lead", None) or {}
    return event.subject, event.causation, event.correlation, lead.get("id"), data


def _differing(one: Event, other: Event) -> list[str]:
    names = sorted(one.data.keys() | other.data.keys())
    return [
        f"{name}: {one.data.get(name)}, then {other.data.get(name)}"
        for name in names
        if name != "lead" and one.data.get(name) != other.data.get(name)
    ]


def later_documents(world: World) -> int:
    """Return how many ids were published again with a later document of their lead.

    That is harmless after a kill.
    """
    repeated = [grouped((one.id, one.data) for one in events).values() for events in world.outputs.values()]
    return sum(any(one != same[0] for one in same) for groups in repeated for same in groups)


def causes(world: World) -> Iterator[str]:
    """Each event leads back to an input, and carries that input's correlation id."""
    known = _known(world)
    for topic, events in world.published.items():
        for event in events:
            cause = known.get(event.causation or "")
            if cause is None:
                # What time or changed rules ask for begins a chain of its own.
                if topic != RESCORE or event.causation != event.correlation:
                    yield f"{topic} {event.id} was caused by {event.causation}, which was neither fed nor published"
            elif event.correlation != (cause.correlation or cause.id):
                yield f"{topic} {event.id} has lost the correlation id of {cause.id}"


def _known(world: World) -> Mapping[str, Event]:
    fed = {one.id: one for events in world.accepted.values() for one in events.values()}
    return fed | {one.id: one for events in world.published.values() for one in events}


def repeated(world: World) -> int:
    """Return how many events were published again under the same id: harmless after a kill."""
    return sum(len(events) - len(world.published[topic]) for topic, events in world.outputs.items())
