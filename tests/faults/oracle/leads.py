"""Laws of leads: one per person, nothing lost or overwritten, one opportunity, one owner.

An erased lead is gone.
"""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from typing import Any

from tests.faults.oracle import normal
from tests.faults.oracle.world import (
    ASSIGNED,
    CAPTURED,
    CONVERT,
    CONVERTED,
    CREATED,
    DISQUALIFIED,
    QUALIFIED,
    QUALIFY,
    UPDATED,
    Document,
    Event,
    World,
    grouped,
)

_KEPT = ("company", "contact", "context")
_FILLED = (*_KEPT, "requirements")
_CONTEXT_MAX = 50


def unique(world: World) -> Iterator[str]:
    """No two leads have the same e-mail, or the same phone, company and name."""
    emails = grouped((normal.email((one.get("contact") or {}).get("email")), key) for key, one in world.leads.items())
    people = grouped((normal.person(lead), key) for key, lead in world.leads.items())
    for what, found in (("e-mail", emails), ("phone, company and name", people)):
        yield from _shared(what, found)


def _shared(what: str, found: Mapping[Hashable, list[str]]) -> Iterator[str]:
    for value, ids in found.items():
        if value is not None and len(ids) > 1:
            yield f"leads {ids} have the same {what}"


def persons(world: World) -> Iterator[str]:
    """All captures of a person are one lead, and a lead is one person.

    It checks people that the ledger names.
    """
    leads: dict[str, set[str]] = {}
    anybodys: set[str] = set()
    for record, event in world.inputs:
        line = world.line_of(record) if record.topic == CAPTURED else None
        if line and event and event.name in world.lead_of_capture:
            theirs = leads.setdefault(line.person, set()) if line.person else anybodys
            theirs.add(world.lead_of_capture[event.name])
    yield from (f"person {one} is {len(ids)} leads: {sorted(ids)}" for one, ids in leads.items() if len(ids) > 1)
    owners = grouped((lead, one) for one, ids in leads.items() for lead in ids)
    yield from (f"lead {lead} is {len(them)} people: {them}" for lead, them in owners.items() if len(them) > 1)
    unlisted = any(line is None for line in (world.line_of(record) for record, _ in world.inputs))
    if leads and not unlisted:
        yield from (f"lead {one} belongs to no person" for one in world.living.keys() - owners.keys() - anybodys)


def created(world: World) -> Iterator[str]:
    """Each lead is published as created once, and exists unless it was erased."""
    for lead in world.leads:
        published = world.of_lead(lead, CREATED)
        if len(published) != 1:
            yield f"lead {lead} was published as created {len(published)} times"
    for event in world.published[CREATED]:
        if event.subject not in world.leads and event.subject not in world.erased:
            yield f"lead {event.subject} was published as created, and doesn't exist"


def provenance(world: World) -> Iterator[str]:
    """Each capture's row names an existing lead, and each lead has a capture's row."""
    named = [one for one in world.collections["captures"] if "id" in one]
    for row in named:
        if row["leadId"] not in world.leads:
            yield f"the row of capture {row['id']} is of lead {row['leadId']}, which isn't there"
    rows = Counter(row["leadId"] for row in named)
    yield from (f"lead {lead} has no capture" for lead in world.leads if not rows[lead])


def kept(world: World) -> Iterator[str]:
    """A merge keeps the values that the lead was created with."""
    for event in world.published[CREATED]:
        lead, before = world.leads.get(str(event.subject)), event.data["lead"]
        if lead is None:
            continue
        for path, value in _leaves(before, _KEPT):
            if _plain(_at(lead, path)) != _plain(value):
                yield f"lead {event.subject}: {'.'.join(path)} was overwritten"
        if lead["source"] != before["source"]:
            yield f"lead {event.subject}: its first source was overwritten"


def filled(world: World) -> Iterator[str]:
    """A merge fills empty fields: the lead has a value wherever a capture had one."""
    for lead_id, captures in world.captures_of.items():
        lead = world.living.get(lead_id)
        if lead is None:
            continue
        full = len(lead.get("context") or ()) >= _CONTEXT_MAX
        published = {path for capture in captures for path, _ in _leaves(capture.data, _FILLED)}
        for path in sorted(published):
            if normal.empty(_at(lead, path)) and not (full and path[0] == "context"):
                yield f"lead {lead_id}: {'.'.join(path)} of a capture was forgotten"


def _leaves(of: Mapping[str, Any], sections: tuple[str, ...]) -> Iterator[tuple[tuple[str, str], Any]]:
    for section in sections:
        for name, value in (of.get(section) or {}).items():
            if not normal.empty(value):
                yield (section, name), value


def _at(lead: Document, path: tuple[str, str]) -> Any:
    return (lead.get(path[0]) or {}).get(path[1])


def _plain(value: Any) -> Any:
    return normal.moment(value) or value


def status(world: World) -> Iterator[str]:
    """A lead's status is the one that was published, and every change of it was published."""
    for lead_id, lead in world.living.items():
        published = _statuses(world.of_lead(lead_id, QUALIFIED, DISQUALIFIED, CONVERTED, UPDATED))
        if lead["status"] not in _possible(published):
            yield f"lead {lead_id} is {lead['status']}, and was published as {sorted(published) or 'nothing'}"


def _statuses(events: list[Event]) -> set[str]:
    plain = {QUALIFIED: "qualified", DISQUALIFIED: "unqualified", CONVERTED: "converted"}
    found = {plain[one.record.topic] for one in events if one.record.topic in plain}
    changes = [one.data["changed"].get("status") for one in events if one.record.topic == UPDATED]
    return found | {one["to"] for one in changes if one}


def _possible(published: set[str]) -> set[str]:
    """Return the possible statuses after these events in any order.

    The table is in services/README.md#statuses.
    """
    if "converted" in published:
        return {"converted"}
    if "new" in published:
        return published - {"converted"}
    if "lost" in published:
        return {"lost"}
    judged = published & {"qualified", "unqualified"}
    # A disqualified lead can be set contacted; the load never does that.
    return judged or published & {"contacted"} or {"new"}


def opportunities(world: World) -> Iterator[str]:
    """A lead is one opportunity under one id, which it carries, and was qualified before."""
    for lead_id, events in grouped((str(one.subject), one) for one in world.outputs[CONVERTED]).items():
        ids = {one.data.get("opportunityId") for one in events}
        if len(ids) > 1:
            yield f"lead {lead_id} is {len(ids)} opportunities: {sorted(map(str, ids))}"
        if not world.of_lead(lead_id, QUALIFIED):
            yield f"lead {lead_id} was converted and never qualified"
        if lead_id in world.living and world.living[lead_id].get("convertedToOpportunityId") not in ids:
            yield f"lead {lead_id} carries another opportunity than was published"
    for lead_id, lead in world.living.items():
        if "convertedToOpportunityId" in lead and not world.of_lead(lead_id, CONVERTED):
            yield f"lead {lead_id} became opportunity {lead['convertedToOpportunityId']}, which was never published"
        if len({lead["status"] == "converted", "convertedAt" in lead, "convertedToOpportunityId" in lead}) > 1:
            yield f"lead {lead_id} is half converted"


def owners(world: World) -> Iterator[str]:
    """Each lead has one owner: the one that a rule, published once, or a command gave it."""
    for lead_id, lead in world.living.items():
        by_rule, given = world.of_lead(lead_id, ASSIGNED), _given(world, lead_id)
        if len(by_rule) > 1 or not (by_rule or given):
            yield f"lead {lead_id} was published as assigned {len(by_rule)} times"
        wanted = given or {one.data["assignedTo"] for one in by_rule}
        if lead.get("assignedTo") not in wanted:
            yield f"lead {lead_id} is {lead.get('assignedTo')}'s, and was published as {sorted(wanted)}'s"


def _given(world: World, lead_id: str) -> set[str]:
    changes = [one.data["changed"].get("assignedTo") for one in world.of_lead(lead_id, UPDATED)]
    return {one["to"] for one in changes if one}


def requirements(world: World) -> Iterator[str]:
    """A lead has the requirements of its qualifications; lists are united."""
    for event in world.accepted[QUALIFY].values():
        lead = world.living.get(world.lead_named(event) or "")
        if lead is None or not world.caused(event.id, QUALIFIED):
            continue
        known = lead.get("requirements") or {}
        for name, value in (event.data.get("requirements") or {}).items():
            missing = (
                set(value) - set(known.get(name) or ()) if isinstance(value, list) else normal.empty(known.get(name))
            )
            if missing and not normal.empty(value):
                yield f"lead {lead['_id']}: requirements.{name} of a qualification was forgotten"


def bants(world: World) -> Iterator[str]:
    """A lead keeps its newest BANT whole.

    What its only qualification stated is in its requirements.
    """
    done = [one for one in world.accepted[QUALIFY].values() if world.caused(one.id, QUALIFIED, DISQUALIFIED)]
    for lead_id, events in grouped((world.lead_named(one), one) for one in done).items():
        lead, given = world.living.get(lead_id), [one for one in events if "bant" in one.data]
        if lead is None or not given:
            continue
        newest = max(given, key=lambda one: (one.time, one.id))
        if (lead.get("qualification") or {}).get("bant") != newest.data["bant"]:
            yield f"lead {lead_id} doesn't keep the BANT of {newest.id}"
        known = lead.get("requirements") or {}
        for name, value in _asked_for(newest.data["bant"]) if len(events) == 1 else ():
            if known.get(name) != value:
                yield f"lead {lead_id}: requirements.{name} is not what the BANT of {newest.id} gave"


def _asked_for(bant: Document) -> Iterator[tuple[str, Any]]:
    time = bant.get("timeline", {})
    given = {
        "budget": bant.get("budget", {}).get("amount"),
        "timeline": time.get("implementationDate") or time.get("urgency"),
        "painPoints": bant.get("need", {}).get("painPoints"),
    }
    yield from ((name, value) for name, value in given.items() if not normal.empty(value))


def asked(world: World) -> Iterator[str]:
    """An opportunity has the values of the command that made it."""
    for event in world.accepted[CONVERT].values():
        for published in world.caused(event.id, CONVERTED):
            for name, value in (event.data.get("opportunity") or {}).items():
                if published.data["opportunity"].get(name) != value:
                    yield f"lead {published.subject}: its opportunity has another {name} than was asked for"


def gone(world: World) -> Iterator[str]:
    """Nothing is left of an erased lead."""
    for lead in world.erased & world.leads.keys():
        yield f"lead {lead} was erased, and is there"
    for collection in ("activities", "nurture_steps"):
        for lead, count in Counter(one["leadId"] for one in world.collections[collection]).items():
            if lead in world.erased:
                yield f"lead {lead} was erased, and {count} of its {collection} are there"
            elif lead not in world.leads:
                yield f"lead {lead}, of whom {count} {collection} are there, isn't there"
    for row in world.collections["captures"]:
        if row["leadId"] in world.erased and "id" in row:
            yield f"lead {row['leadId']} was erased, and its capture {row['id']} is there"
