"""Laws of inputs: none is lost, each has one outcome, invalid ones become dead letters."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from tests.faults.oracle import normal
from tests.faults.oracle.world import (
    ACTIVITIES,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    DISQUALIFIED,
    ENGAGEMENTS,
    ERASE,
    ERASED,
    MERGED,
    QUALIFIED,
    QUALIFY,
    REJECTED,
    RESCORE,
    TASK_CREATED,
    TASK_UPDATED,
    TASKS,
    TRIGGERED,
    UPDATE,
    UPDATED,
    Event,
    Record,
    World,
    differing,
    grouped,
)

_REASONS = {
    *("not_json", "not_cloudevent", "invalid_data", "unsupported_version", "too_large", "lead_not_found"),
    "handler_failed",
}
_VERDICTS = {
    QUALIFY: (QUALIFIED, DISQUALIFIED),
    UPDATE: (UPDATED,),
    CONVERT: (CONVERTED,),
    ERASE: (ERASED,),
    TASKS: (TASK_CREATED, TASK_UPDATED),
}
_FOR_NOW = {"lead_not_qualified", "lead_lost", "invalid_transition"}
_REJECTIONS = {*_FOR_NOW, "already_converted", "lead_not_found", "too_large", "unknown_task"}
_TRIGGERS = {
    "clicked_pricing": "high_intent_detected",
    "downloaded_whitepaper": "content_engagement",
    "visited_multiple_pages": "website_engagement",
}
_ENGAGED, _BANT, _BECAME = (
    "Email engagement: ",
    "BANT qualification completed - Score: ",
    "Lead converted to opportunity ",
)


def fed(world: World) -> Iterator[str]:
    """Every acknowledged record is in its topic."""
    there = Counter((one.topic, one.key, one.value) for one, _ in world.inputs)
    for line, count in Counter((one.topic, one.key, one.value) for one in world.ledger).items():
        if there[line] < count:
            yield f"{line[0]}: {count - there[line]} of {count} records with key {line[1]!r} are gone"


def captures(world: World) -> Iterator[str]:
    """Each capture has one row, and one event about the same lead.

    A capture of an erased lead may have no event.
    """
    unknown: list[str] = []
    for name, event in world.accepted[CAPTURED].items():
        rows, published = world.rows.get(name, ()), world.caused(event.id, CREATED, MERGED)
        gone = not rows and world.lead_of_capture.get(name) in {None, *world.erased}
        unknown += [event.id] if gone else []
        if not gone and len(rows) != 1:
            yield f"capture {event.id} has {len(rows)} rows"
        if len(published) != 1 and not gone:
            yield f"capture {event.id} was published {len(published)} times: {_words(published)}"
        if rows and any(one.subject != rows[0]["leadId"] for one in published):
            yield f"capture {event.id} is of lead {rows[0]['leadId']}, and was published for {published[0].subject}"
    stripped = sum("id" not in one for one in world.collections["captures"])
    if len(unknown) != stripped:
        some = ", ".join(unknown[:5])
        yield f"{len(unknown)} captures are of erased leads or of none ({some}…), {stripped} rows are of erased leads"
    for name in world.rows.keys() - world.accepted[CAPTURED].keys():
        yield f"a row is of capture {name}, which was never fed"


def activities(world: World) -> Iterator[str]:
    """Each activity, engagement, BANT verdict and conversion is one row; no row is left over."""
    fed_, rows = _activities_fed(world), grouped((one["leadId"], _row(one)) for one in world.collections["activities"])
    optional = _activities_fed(world, given_up=True)
    for lead in {*fed_, *rows} - world.erased:
        wanted, there = Counter(fed_.get(lead, ())), Counter(rows.get(lead, ()))
        yield from (f"activities of {lead}: {one}" for one in differing(wanted, there - _some(optional, lead, wanted)))


def _some(optional: Mapping[str, list[Any]], lead: str, wanted: Counter[Any]) -> Counter[Any]:
    return Counter(one for one in optional.get(lead, ()) if not wanted[one])


def _activities_fed(world: World, *, given_up: bool = False) -> Mapping[str, list[Any]]:
    events = [*world.accepted[ACTIVITIES].values(), *world.accepted[ENGAGEMENTS].values()]
    found = [(world.lead_named(one), _activity(one)) for one in events if (one.name in world.given_up) == given_up]
    published = [] if given_up else [*world.published[QUALIFIED], *world.published[DISQUALIFIED]]
    found += [
        (one.subject, ("follow_up", f"{_BANT}{one.data['bantScore']}"))
        for one in published
        if one.data["method"] == "bant"
    ]
    became = [] if given_up else world.published[CONVERTED]
    found += [(one.subject, ("follow_up", f"{_BECAME}{one.data['opportunityId']}")) for one in became]
    return grouped(found)


def _activity(event: Event) -> tuple[Any, ...]:
    if event.record.topic == ENGAGEMENTS:
        return "email", f"{_ENGAGED}{event.data['action']}", event.data["action"], "system"
    it = event.data["activity"]
    return it["type"], str(it.get("description")).strip(), it["createdBy"], normal.moment(it.get("completedAt"))


def _row(row: Mapping[str, Any]) -> tuple[Any, ...]:
    type_, said = row.get("type"), str(row.get("description"))
    if said.startswith(_ENGAGED):
        return type_, said, row.get("outcome"), row.get("createdBy")
    if said.startswith((_BANT, _BECAME)):
        return type_, said
    return type_, said, row.get("createdBy"), normal.moment(row.get("completedAt"))


def activities_published(world: World) -> Iterator[str]:
    """Each activity and engagement requests one rescore, and its action's triggers once."""
    for event in (*world.accepted[ACTIVITIES].values(), *world.accepted[ENGAGEMENTS].values()):
        lead = world.lead_named(event)
        ended = lead in world.erased or event.name in world.given_up
        asked, triggered = world.caused(event.id, RESCORE), world.caused(event.id, TRIGGERED)
        wanted = _TRIGGERS.get(str(event.data.get("action")).casefold())
        if len(asked) != 1 and not ended:
            yield f"{event.record.topic} {event.id} asked for a score {len(asked)} times"
        if len(triggered) != bool(wanted) and not ended:
            yield f"{event.record.topic} {event.id} triggered {len(triggered)} times"
        yield from (f"{event.id} triggered {one.data}" for one in triggered if one.data["trigger"] != wanted)
        yield from (
            f"{event.id} was published for {one.subject}" for one in (*asked, *triggered) if one.subject != lead
        )


def commands(world: World) -> Iterator[str]:
    """Each command is applied or rejected, once.

    Of an erased lead only the erasure must be published.
    """
    for topic, verdicts in _VERDICTS.items():
        for event in world.accepted[topic].values():
            published = _outcomes(world, event, verdicts)
            silent = topic != ERASE and world.lead_named(event) in world.erased
            if len(published) != 1 and not (silent and not published):
                yield f"{topic} {event.id} has {len(published)} outcomes: {_words(published)}"
            yield from (f"{topic} {event.id}: {one}" for it in published for one in _rejection(world, event, it))


def _outcomes(world: World, event: Event, verdicts: tuple[str, ...]) -> list[Event]:
    # A new task may follow its lead at once.
    created = world.caused(event.id, TASK_CREATED) if TASK_CREATED in verdicts else []
    return created + world.caused(event.id, REJECTED) if created else world.caused(event.id, *verdicts, REJECTED)


def _rejection(world: World, command: Event, published: Event) -> Iterator[str]:
    if published.record.topic != REJECTED:
        return
    said = published.data
    if (said.get("command"), said.get("commandId")) != (command.record.topic, command.id):
        yield f"its rejection says that it was {said.get('command')} {said.get('commandId')}"
    if said.get("reason") not in _REJECTIONS:
        yield f"it was rejected as {said.get('reason')}, which is no reason"
    if said.get("reason") == "lead_not_found" and not _waited(world, command, published.record):
        yield "it was rejected as lead_not_found, though its lead came in time"
    impatient = published.record.at - command.record.at + world.skew < timedelta(seconds=world.patience_s)
    # A closed task stays closed; a task that is not known may still come.
    for_now = {"unknown_task"} if command.record.topic == TASKS else _FOR_NOW
    if said.get("reason") in for_now and impatient:
        yield f"it was rejected as {said['reason']} before its patience was over"


def _waited(world: World, event: Event, published: Record) -> bool:
    """Return whether the event's lead never came, is erased, or came too late."""
    lead = world.lead_named(event)
    if lead is None or lead in world.erased or lead not in world.leads:
        return True
    return published.at - event.record.at >= timedelta(seconds=world.ttl_s)


def dead_letters(world: World) -> Iterator[str]:
    """Each invalid record is a dead letter with its key, value, place and reason; no other is."""
    by_place = {record.place: (record, event) for record, event in world.inputs}
    found = grouped((_place(one), one) for one in world.dead)
    for record, event in world.inputs:
        if event is None and record.place not in found:
            yield f"{record.place} is no event, and not in the dead letter"
    for place, letters in found.items():
        if place not in by_place:
            yield f"dead letters say that they stood at {place}, where nothing was"
            continue
        for letter in letters:
            yield from (f"the dead letter of {place} {one}" for one in _faults(world, letter, *by_place[place]))


def _place(letter: Record) -> tuple[Any, ...]:
    text = [letter.headers.get(name, b"").decode(errors="replace") for name in ("x-topic", "x-partition", "x-offset")]
    return text[0], *(int(one) if one.isdigit() else one for one in text[1:])


def _faults(world: World, letter: Record, record: Record, event: Event | None) -> Iterator[str]:
    headers = {name: value.decode(errors="replace") for name, value in letter.headers.items()}
    reason, line = headers.get("x-reason"), world.line_of(record)
    if (letter.key, letter.value) != (record.key, record.value):
        yield "has another key or value than the record that stood there"
    if reason not in _REASONS:
        yield f"has the reason {reason}, which is none"
    elif event is not None and (reason != "lead_not_found" or not _waited(world, event, letter)):
        yield f"is of a valid event, and says {reason}"
    elif event is None and line is not None and reason != line.expected:
        yield f"says {reason}, and it is {line.expected}"
    if not (headers.get("x-consumer", "").startswith("pantry.") and headers.get("x-attempts", "").isdigit()):
        yield "doesn't say who failed at it, or how often"
    if "x-detail" not in headers or normal.moment(headers.get("x-failed-at")) is None:
        yield "doesn't say what was wrong, or when"


def _words(published: list[Event]) -> str:
    return ", ".join(f"{one.record.topic} {one.id} of {one.subject}" for one in published) or "nothing"


def unlisted(world: World) -> int:
    """Return how many records are in no ledger."""
    return sum(world.line_of(record) is None for record, _ in world.inputs)


def repeated_dead_letters(world: World) -> int:
    """Return how many dead letters are there again: harmless after a kill."""
    return len(world.dead) - len({_place(one) for one in world.dead})
