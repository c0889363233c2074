"""The contract (schemas/README.md) as a model, with the status table of services/README.md.

`take` applies one event and compares the published events with the contract. It shares no decision with the product.
What the contract leaves open (ids, moments) comes from the published events, within limits.
"""

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

from schemas import topics
from tests.model.consent import CHANNELS, Statement, refusals
from tests.model.people import Identity, identity, who
from tests.model.rig import SETTINGS, Said
from tests.model.world import EMPTY, SECTIONS, Activity, Contradiction, Facts, Lead, Told, World, name_in

TRIGGERS = {
    "clicked_pricing": "high_intent_detected",
    "downloaded_whitepaper": "content_engagement",
    "visited_multiple_pages": "website_engagement",
}
TTL = timedelta(seconds=SETTINGS.orphan_ttl)
PATIENCE = timedelta(seconds=SETTINGS.command_patience)
_FOR_NOW = ("LEAD_NOT_QUALIFIED", "LEAD_LOST", "INVALID_TRANSITION")
_LISTS = ("decisionMakers", "painPoints")
_SOON = ("immediate", "within_month")

Meaning = tuple[dict[str, Facts], Lead | None]
"""The expected events of an input, by topic, and its lead."""


def take(world: World, said: Said, told: Told) -> Iterator[World]:
    """Return the worlds after `said`, as published. Raises `Contradiction`."""
    if said.waits and not told.facts and name_in(said.data) not in world.leads:
        # The erasure of its lead may have deleted it. A redelivery then waits anew, until its time is over.
        gone = deepcopy(world)
        gone.dropped.add(name_in(said.data))
        gone.forgotten.add(said.id)
        yield gone
    world = deepcopy(world)
    expected, lead = _MEANINGS[said.topic.name](world, said, told)
    if told.facts != expected:
        _excuse(said, told, expected, lead)
    if lead is not None:
        _touch(lead, said)
    yield world


def _excuse(said: Said, told: Told, expected: dict[str, Facts], lead: Lead | None) -> None:
    """Return why the published events may differ from the expected ones.

    Events of a lead under erasure may stay unpublished, and its redelivered activities expire. An expired event that
    arrives again is accepted.
    """
    again = {topics.DEADLETTER.name: {"reason": "lead_not_found"}}
    excess = [topic for topic, one in told.facts.items() if expected.get(topic, again.get(topic)) != one]
    if lead is None or said.ended is None or excess:
        raise Contradiction(f"{said.id} ({said.topic.name}): told {told.facts}; the contract: {expected}")
    lead.doomed |= not (said.copies > 1 and _waited(said, told) and expected.keys() <= told.facts.keys())
    if expected.keys() - told.facts.keys():
        lead.untold = min(lead.untold or said.ended[0], said.ended[0])


def _waited(said: Said, told: Told) -> bool:
    """Return whether the event expired only after its time, if it did."""
    ended = max((told.at[topic] for topic in ("leads.deadletter", "leads.rejected") if topic in told.at), default=None)
    return said.begun is not None and ended is not None and ended >= said.begun[1] + TTL


def _touch(lead: Lead, said: Said) -> None:
    lead.touched = max(lead.touched, said.ended[0] if said.ended else 0)
    lead.over_since = (lead.over_since or lead.touched) if lead.over else None
    lead.was_over |= lead.over


@cache
def _table() -> dict[str, dict[str, str]]:
    """Return the status table of `services/README.md#statuses`: the result of a move, by the status before."""
    page = (Path(__file__).parents[2] / "services/README.md").read_text()
    text = "move " + page.split("```\nmove ", 1)[1].split("```", 1)[0]
    head, *rows = [re.split(r" {2,}", line) for line in text.strip().splitlines()]
    return {row[0]: dict(zip(head[3:], row[3:], strict=True)) for row in rows}


def _captured(world: World, said: Said, told: Told) -> Meaning:
    person = identity(said.data)
    if not told.facts and _is_late(world, said, person):
        return {}, None
    matches = world.matches(person)
    if said.shaken:
        # It was decided before another event came between, and keeps its lead even if others match now.
        matches.sort(key=lambda one: one[2].id != told.chance.get("leadId"))
    if matches:
        points, words, lead = matches[0]
        others = sorted(other.id for _, _, other in matches[1:])
        merged = {"leadId": lead.id, "matchScore": points, "matchedOn": sorted(words), "otherMatches": others}
        merged["filled"] = _merge(world, lead, said)
        changed = lead.state(*_statements(world, said, person))
        expected = {"leads.merged": merged, **_captured_again(lead, changed)}
    else:
        lead = _create(world, said, told)
        lead.state(*_statements(world, said, person))
        expected = {"leads.created": {"leadId": lead.id}}
    lead.captures.add(said.id)
    lead.learn(person)
    lead.learn(lead.identity)
    if person.email:
        world.emails.setdefault(person.email, lead.id)
    return expected, lead


def foreshadow(world: World, said: Said, told: Told) -> Iterator[World]:
    """Make a capture under way visible: its identifiers lead to its lead before the merge."""
    yield world
    person, lead_id = identity(said.data), told.chance.get("leadId")
    if lead_id and not _is_late(world, said, person):
        world = deepcopy(world)
        if person.email:
            world.emails.setdefault(person.email, lead_id)
        if lead_id in world.leads:
            world.leads[lead_id].learn(person)
        yield world


def _is_late(world: World, said: Said, person: Identity) -> bool:
    """Return whether the capture is older than the erasure of its person."""
    stones = world.stones_of(person)
    return bool(stones) and said.time <= max(stones)[0]


def _create(world: World, said: Said, told: Told) -> Lead:
    lead_id, created = told.chance.get("leadId", f"never told: {said.id}"), told.chance.get("createdAt", said.time)
    if not world.unused(lead_id):
        raise Contradiction(f"{said.id}: the id {lead_id} was given before")
    sections = {name: dict(said.data.get(name) or {}) for name in SECTIONS} | {"consent": {}}
    world.leads[lead_id] = lead = Lead(lead_id, said.data["source"], created, sections, deepcopy(sections))
    return lead


def _merge(world: World, lead: Lead, said: Said) -> list[str]:
    """Fill empty fields; return the filled ones."""
    filled = []
    for section in (one for one in SECTIONS if one != "consent"):
        for name, value in (said.data.get(section) or {}).items():
            anothers = name == "email" and section == "contact" and world.emails.get(who(value), lead.id) != lead.id
            if value not in EMPTY and lead.sections[section].get(name) in EMPTY and not anothers:
                lead.sections[section][name] = value
                filled.append(f"{section}.{name}")
    return sorted(filled)


def _statements(world: World, said: Said, person: Identity) -> list[Statement]:
    """Return a capture's statements, unless it is older than an erasure; and kept refusals."""
    consent = said.data.get("consent") or {}
    at = datetime.fromisoformat(consent["capturedAt"]) if consent.get("capturedAt") else _to_ms(said.time)
    stones, whose = world.stones_of(person), {"email": person.email, "phone": person.phone}
    void = bool(stones) and at <= max(stones)[0]
    stated = [Statement(name, whose[name], consent[name], at) for name in CHANNELS if consent.get(name) is not None]
    kept = [one for name in (person.email, person.person) if name for one in world.refused.get(name, ())]
    return [*kept, *([] if void else stated)]


def _to_ms(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _captured_again(lead: Lead, stated: Facts) -> dict[str, Facts]:
    before, lead.status = lead.status, _table()["captured again"][lead.status]
    if before != lead.status:
        lead.lost_reason = None
    changed = ({} if before == lead.status else {"status": {"from": before, "to": lead.status}}) | stated
    if not changed:
        return {}
    return {"leads.updated": {"leadId": lead.id, "changed": changed, "by": "/services/capture"}}


def _activity(world: World, said: Said, told: Told) -> Meaning:
    lead, given = world.find(said.data), said.data["activity"]
    if lead is None:
        return _not_found(world, said, told), None
    completed = datetime.fromisoformat(given["completedAt"]) if "completedAt" in given else None
    words = given.get("description"), completed, completed, given.get("outcome"), given["createdBy"]
    name, cancelled = given.get("id", ""), given.get("cancelled", False)
    lead.activities[said.id] = Activity(given["type"], *words, name, said.time, cancelled)
    before, after = lead.status, _table()["first contact"][lead.status]
    # If several events of one batch state an activity, its newest version applies at once.
    silent = name and "leads.updated" not in told.facts
    if before == after or cancelled or silent or not _is_contact(completed, said, told):
        return {}, lead
    lead.status = after
    changed = {"status": {"from": before, "to": after}}
    return {"leads.updated": {"leadId": lead.id, "changed": changed, "by": given["createdBy"]}}, lead


def _is_contact(completed: datetime | None, said: Said, told: Told) -> bool:
    """Return whether it was completed when taken in; if unclear, the published events decide."""
    if completed is None or said.begun is None or said.ended is None:
        return False
    return completed <= said.begun[1] or (completed <= said.ended[1] and "leads.updated" in told.facts)


def _engagement(world: World, said: Said, told: Told) -> Meaning:
    lead, action = world.find(said.data), said.data["action"]
    if lead is None:
        return _not_found(world, said, told), None
    lead.activities[said.id] = Activity("email", f"Email engagement: {action}", said.time, said.time, action, "system")
    expected: dict[str, Facts] = {}
    if action in TRIGGERS:
        expected["leads.triggered"] = {"leadId": lead.id, "trigger": TRIGGERS[action], "action": action}
    if action in ("unsubscribed", "complained", "bounced"):
        expected |= _refused(lead, said)
    return expected, lead


def _refused(lead: Lead, said: Said) -> dict[str, Facts]:
    address = who(said.data["email"]) if "email" in said.data else lead.identity.email
    changed = lead.state(Statement("email", address, False, _to_ms(said.time), said.data["action"]))
    return {"leads.updated": {"leadId": lead.id, "changed": changed, "by": "/tests"}} if changed else {}


def _command(move: str, world: World, said: Said, told: Told) -> tuple[Lead | None, str, dict[str, Facts]]:
    """Return the lead, its new status, and the rejection of a command that is not allowed."""
    lead = world.find(said.data)
    if lead is None:
        return None, "", _not_found(world, said, told)
    outcome = _table()[move][lead.status] if move else lead.status
    if outcome in _FOR_NOW and said.begun and told.at.get("leads.rejected", said.begun[1]) < said.begun[1] + PATIENCE:
        raise Contradiction(f"{said.id}: rejected as {outcome} before its patience was over")
    return (lead, "", _rejected(said, outcome.lower())) if outcome.isupper() else (lead, outcome, {})


def _rejected(said: Said, reason: str) -> dict[str, Facts]:
    facts = {"leadId": said.data["leadId"], "command": said.topic.name, "commandId": said.id, "reason": reason}
    return {"leads.rejected": facts}


def _not_found(world: World, said: Said, told: Told) -> dict[str, Facts]:
    """Return the expected end of an unknown lead's event: after its time, or at once.

    At once means that the lead was erased.
    """
    if told.facts and not _waited(said, told) and name_in(said.data) not in world.stones:
        raise Contradiction(f"{said.id}: given up as lead_not_found before its time: {told.facts}")
    by_command = "requestedBy" in said.data and "leadId" in said.data
    return _rejected(said, "lead_not_found") if by_command else {"leads.deadletter": {"reason": "lead_not_found"}}


def _qualify(world: World, said: Said, told: Told) -> Meaning:
    bant = said.data.get("bant")
    score = None if bant is None else _bant_score(bant)
    fit = score is None or score >= 75
    lead, status, rejected = _command("found fit" if fit else "found unfit", world, said, told)
    if lead is None or rejected:
        return rejected, lead
    lead.status = status
    if bant is None:
        _learn(lead.sections["requirements"], said.data["requirements"])
    else:
        lead.sections["requirements"] |= _requirements(bant)
        newest = (said.time, said.id, bant)
        lead.bant = max(lead.bant or newest, newest, key=lambda one: one[:2])
    facts: Facts = {"leadId": lead.id, "method": "progressive" if bant is None else "bant"}
    if score is not None:
        _follow_up(lead, said, f"BANT qualification completed - Score: {score}", "qualified" if fit else "unqualified")
        facts["bantScore"] = score
    return {"leads.qualified" if fit else "leads.disqualified": facts}, lead


def _bant_score(bant: Facts) -> int:
    met = (
        bant.get("budget", {}).get("confirmed"),
        bant.get("authority", {}).get("isDecisionMaker"),
        bant.get("need", {}).get("painPoints"),
        bant.get("timeline", {}).get("urgency") in _SOON,
    )
    return 25 * sum(bool(one) for one in met)


def _requirements(bant: Facts) -> Facts:
    """Return what replaces the lead's requirements; missing and empty parts replace nothing."""
    timeline = bant.get("timeline", {})
    given = {
        "budget": bant.get("budget", {}).get("amount"),
        "timeline": timeline.get("implementationDate", timeline.get("urgency")),
        "decisionMakers": bant.get("authority", {}).get("decisionMakers"),
        "painPoints": bant.get("need", {}).get("painPoints"),
    }
    return {name: value for name, value in given.items() if value not in EMPTY}


def _learn(known: Facts, learned: Facts) -> None:
    for name, value in learned.items():
        if value is not None:
            known[name] = list(dict.fromkeys([*known.get(name, []), *value])) if name in _LISTS else value


def _follow_up(lead: Lead, said: Said, description: str, outcome: str | None = None) -> None:
    earliest, latest = (moment[1] if moment else None for moment in (said.begun, said.ended))
    lead.activities[said.id] = Activity("follow_up", description, earliest, latest, outcome, said.data["requestedBy"])


def _update(world: World, said: Said, told: Told) -> Meaning:
    asked, owner = said.data.get("status"), said.data.get("assignedTo")
    lead, status, rejected = _command(f"set {asked}" if asked else "", world, said, told)
    if lead is None or rejected:
        return rejected, lead
    edit: Facts = said.data.get("set", {})
    if "company.name" in edit:  # the alphabet only empties it
        return _rejected(said, "field_required"), lead
    changed: Facts = {"status": {"from": lead.status, "to": status}} if asked else {}
    if asked:
        changed |= _reason_of_loss(lead, said.data.get("lostReason"))
    if owner:
        before = lead.owner or world.assigned.get(lead.id)
        changed["assignedTo"] = ({"from": before} if before else {}) | {"to": owner}
    if consent := said.data.get("consent"):
        changed |= _stated_by_sales(lead, said, consent)
    changed |= _edited(lead, said, edit)
    lead.status, lead.owner = status, owner or lead.owner
    if "note" in said.data:
        lead.notes.append(said.data["note"])
    if not changed:
        return {}, lead
    return {"leads.updated": {"leadId": lead.id, "changed": changed, "by": said.data["requestedBy"]}}, lead


def _edited(lead: Lead, said: Said, edit: Facts) -> Facts:
    """Apply an edit, path by path: the newest by time, then id, holds. Return the changes."""
    changed: Facts = {}
    for path, value in edit.items():
        if lead.edits.get(path, (said.time, said.id)) > (said.time, said.id):
            continue
        lead.edits[path] = said.time, said.id
        section, name = path.split(".")
        before = lead.sections[section].pop(name, None)
        lead.had.setdefault((section, name), {before}).add(value)
        if value is not None:
            lead.sections[section][name] = value
        if before != value:
            changed[path] = {part: one for part, one in (("from", before), ("to", value)) if one is not None}
    return changed


def _reason_of_loss(lead: Lead, given: str | None) -> Facts:
    before, lead.lost_reason = lead.lost_reason, given
    change = {part: one for part, one in (("from", before), ("to", given)) if one is not None}
    return {"lostReason": change} if change else {}


def _stated_by_sales(lead: Lead, said: Said, consent: Facts) -> Facts:
    """Apply a yes or no about any address of the person; a yes lifts no no.

    It is published even without a change.
    """
    channel, given = consent["channel"], consent["given"]
    what = f"Consent to {'e-mail' if channel == 'email' else 'calls'} {'given' if given else 'refused'}"
    lead.activities[said.id] = Activity("follow_up", what, by=said.data["requestedBy"])
    changed = lead.state(Statement(channel, None, given, _to_ms(said.time), lifts=False))
    held = lead.sections["consent"][channel]
    return {f"consent.{channel}": {"from": held, "to": held}} | changed


def _convert(world: World, said: Said, told: Told) -> Meaning:
    lead, status, rejected = _command("convert", world, said, told)
    if lead is None or rejected:
        return rejected, lead
    opportunity_id = told.chance.get("opportunityId", "never told")
    if any(other.opportunity == opportunity_id for other in world.leads.values()):
        raise Contradiction(f"{said.id}: the opportunity {opportunity_id} is another lead's")
    lead.status, lead.opportunity = status, opportunity_id
    _follow_up(lead, said, f"Lead converted to opportunity {opportunity_id}", "converted")
    amount = (said.data.get("opportunity") or {}).get("amount", lead.sections["requirements"].get("budget"))
    opportunity = {"amount": amount, "leadSource": lead.source}
    opportunity |= {name: dict(lead.sections[name]) for name in ("company", "contact")}
    facts = {"leadId": lead.id, "opportunityId": opportunity_id, "opportunity": opportunity}
    return {"leads.converted": facts}, lead


def _erase(world: World, said: Said, told: Told) -> Meaning:
    """Begin an erasure: no late event recreates the lead; `finish` removes it."""
    lead, stone = world.find(said.data), world.stones.get(name_in(said.data))
    if lead is None and stone is None:
        return _not_found(world, said, told), None
    lead_id = lead.id if lead else stone[1] if stone else ""
    world.erasing[said.id] = lead_id
    if lead:
        _bury(world, lead, told.chance.get("time", said.time))
    return {"leads.erased": {"leadId": lead_id}}, None


def _bury(world: World, lead: Lead, at: datetime) -> None:
    for name in lead.names:
        world.stones[name] = max((at, lead.id), world.stones.get(name, (at, lead.id)))
    for email in lead.emails:
        world.refused[email] = refusals(lead.statements, "email", email)
    own = lead.identity
    if own.person and own.phone:
        world.refused[own.person] = refusals(lead.statements, "phone", own.phone)


def finish(world: World, said: Said, _told: Told) -> Iterator[World]:
    """Finish an erasure: the lead is gone. Raises `Contradiction`."""
    world = deepcopy(world)
    lead = world.leads.pop(world.erasing.pop(said.id, ""), None)
    if lead and said.begun and said.ended:
        if lead.untold is not None and lead.untold < said.begun[0]:
            raise Contradiction(f"{lead.id}: something of it wasn't told, and it wasn't being erased yet")
        _bury(world, lead, world.stones[lead.id][0])
        world.erased[lead.id] = said.ended[0]
        world.forgotten |= {one for one, activity in lead.activities.items() if activity.type != "follow_up"}
        world.emails = {email: owner for email, owner in world.emails.items() if owner != lead.id}
    yield world


_MEANINGS: dict[str, Callable[[World, Said, Told], Meaning]] = {
    topics.CAPTURED.name: _captured,
    topics.ACTIVITIES.name: _activity,
    topics.ENGAGEMENTS.name: _engagement,
    topics.QUALIFY.name: _qualify,
    topics.UPDATE.name: _update,
    topics.CONVERT.name: _convert,
    topics.ERASE.name: _erase,
}
