"""Laws about consequences when nothing is under way: scores, owners, nurture, erasure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import yaml

from schemas import topics
from services.insights.domain.timeline import DETAILS
from services.insights.rebuild import Verdict
from tests.model.model import TTL
from tests.model.people import EMAILS, who
from tests.model.rig import SETTINGS, Entry, Said
from tests.model.stored import Stored, of_lead, same
from tests.model.world import Contradiction, Lead, World, name_in

_OPEN = ("new", "contacted", "qualified", "unqualified")
_DAY = timedelta(days=1)
# What stays of erased leads, to recognise redeliveries and late writes.
_BARE = {
    "captures": {"_id", "leadId", "erased"},
    "lead_rows": {"_id", "v", "generation", "gone"},
    "lead_words": {"_id", "v"},
    "outcomes": {"_id", "state", "leadId", "topic", "at", "expiresAt"},
}


def require(holds: object, what: str) -> None:
    """Raise `Contradiction` unless the condition is true."""
    if not holds:
        raise Contradiction(what)


def told_once(log: Sequence[Entry], topic: topics.Topic) -> dict[str, Entry]:
    """Return a topic's events by id, as first published; an id must always state the same."""
    said: dict[str, Entry] = {}
    for entry in log:
        if entry.record.topic == topic.name:
            first = said.setdefault(entry.event["id"], entry)
            same(f"{entry.event['id']} on {topic.name}", entry.event["data"], first.event["data"])
    return said


def formula(lead: Lead, rows: Iterable[Mapping[str, Any]], now: datetime) -> int:
    """Return the score by the shipped rules (schemas/README.md#score)."""
    company, title = lead.sections["company"], lead.sections["contact"].get("title") or ""
    industry = (company.get("industry") or "").strip().casefold()
    rules = {
        25: company.get("size") == "enterprise",
        20: (company.get("annualRevenue") or 0) > 10_000_000,
        15: "director" in title.casefold(),
        10: industry == "restaurant",
        12: industry == "catering",
    }
    points = sum(points for points, holds in rules.items() if holds)
    for row in (row for row in rows if not row.get("cancelled")):
        recent = "completedAt" in row and now - 30 * _DAY < row["completedAt"] <= now
        points += 5 * recent + {"email": 2, "call": 10, "meeting": 20}.get(row["type"], 0)
    return min(100, max(0, points))


def scores(world: World, log: Sequence[Entry], stored: Stored, now: datetime) -> None:
    """Check that each score equals the formula now, and that each change was published once."""
    told = [entry.event["data"] for entry in told_once(log, topics.SCORED).values()]
    for lead in world.leads.values():
        held = _document(stored, lead).get("score")
        same(f"score of {lead.id} at {now}", held, formula(lead, of_lead(stored, "activities", lead.id), now))
        changes = [(one.get("previousScore"), one["score"]) for one in told if one["leadId"] == lead.id]
        # Each value was reached as often as it was left, except for the first and the last.
        balance = Counter(to for _, to in changes)
        balance.subtract(Counter(from_ for from_, _ in changes))
        balance.update({None: 1, held: -1})
        require(not any(balance.values()), f"{lead.id}: told scores {changes} don't lead to {held}")


def _document(stored: Stored, lead: Lead) -> Mapping[str, Any]:
    return next(one for one in stored["leads"] if one["_id"] == lead.id)


def owners(world: World, log: Sequence[Entry], stored: Stored) -> None:
    """Check that each lead has the owner of a command, or of a rule that was published once."""
    told = [entry.event["data"] for entry in told_once(log, topics.ASSIGNED).values()]
    same("leads assigned twice", [one for one, times in Counter(o["leadId"] for o in told).items() if times > 1], [])
    given = {one["leadId"]: one for one in told}
    scored = [entry.event["data"] for entry in told_once(log, topics.SCORED).values()]
    for lead in world.leads.values():
        held, rule = _document(stored, lead).get("assignedTo"), given.get(lead.id)
        require(lead.owner or rule, f"{lead.id} has no owner")
        same(f"owner of {lead.id}", held, lead.owner or (rule or {})["assignedTo"])
        hot = {one["score"] > 70 for one in scored if one["leadId"] == lead.id}
        fits = not rule or (rule["rule"] in _rules(lead, hot) and rule["assignedTo"] in _OWNERS[rule["rule"]])
        require(fits, f"{lead.id}: assigned by {rule}")
    work = Counter(one["assignedTo"] for one in stored.get("leads", ()) if one["status"] in _OPEN)
    counted = {row["_id"]: row["open"] for row in stored.get("owners", ()) if row["open"]}
    same("open leads by owner", counted, dict(work))


_ASSIGNMENT = yaml.safe_load(SETTINGS.assignment_file.read_text())
_OWNERS = {rule["name"]: rule["owners"] for rule in _ASSIGNMENT["rules"]}
_OWNERS["default_queue"] = [_ASSIGNMENT["default_queue"]]


def options(lead: Lead, section: str, name: str) -> set[Any]:
    """Return the values that this field had: by captures, which fill an empty one, and by edits."""
    captured = {sections[section].get(name) for sections in (lead.born, lead.sections)}
    return captured | lead.had.get((section, name), set())


def _rules(lead: Lead, hot: Iterable[bool]) -> Iterator[str]:
    """Return the rules that may have assigned the lead; `hot` means a score above 70."""
    parts = (("company", "size"), ("company", "industry"), ("context", "territory"))
    for size, industry, territory, over_70 in product(*(options(lead, *part) for part in parts), hot):
        folded = (industry or "").casefold()
        tried = {
            "key_accounts": size == "enterprise",
            "hot_leads": over_70,
            "trade_show_west": lead.source == "trade_show" and territory in ("CA", "OR", "WA", "NV", "AZ"),
            "caterers": "catering" in folded,
            "restaurants": "restaurant" in folded,
        }
        yield next((rule for rule, holds in tried.items() if holds), "default_queue")


def tasks(world: World, log: Sequence[Entry], stored: Stored) -> None:
    """Check that each call and task of nurture made one task, and that the task follows its lead."""
    rows = {row["actionId"]: row for row in stored.get("tasks", ())}
    same("tasks", len(rows), len(stored.get("tasks", ())))
    actions = [entry.event["data"] for entry in told_once(log, topics.ACTIONS).values()]
    asked = {one["actionId"]: one["leadId"] for one in actions if one["action"] in ("call", "task")}
    require(rows.keys() <= asked.keys(), f"tasks {rows.keys() - asked.keys()} are of no action")
    told = {entry.event["data"]["taskId"] for entry in told_once(log, topics.TASK_CREATED).values()}
    require({row["taskId"] for row in rows.values()} <= told, "a task was never told")
    last: dict[str, Any] = {}
    for entry in told_once(log, topics.TASK_UPDATED).values():
        last[entry.event["data"]["taskId"]] = entry.event["data"]
    ended = {entry.event["subject"] for entry in log if _ends(entry)}
    for action_id, lead_id in asked.items():
        lead, row = world.leads.get(lead_id), rows.get(action_id)
        if lead is None:
            continue  # `forgotten` says that no task is left
        if row is None:
            require(lead_id in ended, f"{action_id} of {lead_id} made no task")
            continue
        holds = row["state"] == "cancelled" if lead.status not in _OPEN else row["state"] == "open" or lead_id in ended
        require(holds, f"the task of {action_id} is {row['state']}, and {lead_id} is {lead.status}")
        if row["state"] == "open":
            same(f"person of {action_id}", row.get("assignedTo"), _document(stored, lead).get("assignedTo"))
        known = last.get(row["taskId"], row)
        same(f"told of {action_id}", [known.get(one) for one in _KEPT], [row.get(one) for one in _KEPT])


_KEPT = ("state", "assignedTo", "outcome", "by")


def _ends(entry: Entry) -> bool:
    if entry.record.topic == topics.CONVERTED.name:
        return True
    changed = entry.event["data"].get("changed", {}) if entry.record.topic == topics.UPDATED.name else {}
    return bool(changed.get("status", {}).get("to") == "lost")


def waiting(world: World, said: Iterable[Said], now: datetime) -> None:
    """Check that pending events wait for unknown leads only, and not too long."""
    for one in said:
        require(world.find(one.data) is None, f"{one.id} waits for a lead that is there")
        require(name_in(one.data) not in world.stones, f"{one.id} waits for an erased lead")
        require(one.ended and now < one.ended[1] + TTL, f"{one.id} waits since {one.begun}, and it is {now}")


def forgotten(world: World, said: Iterable[Said], stored: Stored) -> None:
    """Check that nothing stored belongs to an erased lead, or names its addresses alone."""
    for collection, rows in stored.items():
        if collection in ("tombstones", "commands", "outcomes"):
            continue
        for row in rows:
            owner = {row["_id"], row.get("leadId"), *row.get("leadIds", ())} & world.erased.keys()
            bare = set(row) - {"late"} == _BARE.get(collection)
            require(bare or not owner, f"{collection}: {row} is left of {owner}")
    known = {email for lead in world.leads.values() for email in lead.emails}
    known |= {who(one.data["email"]) for one in said if "email" in one.data}
    text = str(stored).casefold()
    left = [email for email, spelled in EMAILS.items() if email not in known and spelled[0].casefold() in text]
    require(not left, f"stored, though nobody is known by it: {left}")


def chained(log: Sequence[Entry], said: Iterable[str]) -> None:
    """Check that each event carries the correlation id of its input, or of an ageing hour."""
    roots = set(said)
    roots |= {one.event["correlationid"] for one in log if one.event.get("data", {}).get("reason") == "activity_aged"}
    for entry in log:
        if topics.TOPICS[entry.record.topic].kind in ("output", "internal"):
            require(entry.event["correlationid"] in roots, f"no input began the chain of {entry.event}")


def counted(world: World, verdict: Verdict | None) -> None:
    """Check that the roll-ups equal a recomputation (None: there are none)."""
    if verdict:
        same("leads counted", verdict.leads, len(world.leads))
        same("differences of the roll-ups", verdict.differences, ())


def placed(world: World, log: Sequence[Entry], stored: Stored) -> None:
    """Check that each timeline has exactly its lead's events, once; erased leads have none."""
    rows = list(stored.get("timeline", ()))
    same("leads with a timeline", {row["leadId"] for row in rows} - world.leads.keys(), set())
    outputs = {name for name in DETAILS if topics.TOPICS[name].kind == "output"}
    told = {(entry.event["subject"], entry.event["id"]) for entry in log if entry.record.topic in outputs}
    ours = {(row["leadId"], row["eventId"]) for row in rows if topics.TOPICS[row["topic"]].kind == "output"}
    same("outputs placed", ours, {one for one in told if one[0] in world.leads})
    for lead in world.leads.values():
        events = [row["eventId"] for row in rows if row["leadId"] == lead.id]
        same(f"events of {lead.id} placed twice", len(events), len(set(events)))
        same(f"captures of {lead.id} that are not placed", set(lead.captures) - set(events), set())
        same(f"activities of {lead.id} that are not placed", set(lead.activities) - set(events), set())
