"""Laws of nurture when nothing is under way (schemas/README.md#nurture)."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise, product
from typing import Any

import yaml

from schemas import topics
from tests.model.laws import options, require, told_once
from tests.model.rig import SETTINGS, Entry
from tests.model.stored import Stored, of_lead, same
from tests.model.world import Lead, World

_DAY = timedelta(days=1)
_SLACK = timedelta(minutes=1)
_MAILED = ("email", "content")
_PERSONAL = {
    "industry": ("company", "industry"),
    "companySize": ("company", "size"),
    "firstName": ("contact", "firstName"),
}
_FILE = yaml.safe_load(SETTINGS.sequences_file.read_text())
STEPS = {one["id"]: {step["id"]: step for step in one["steps"]} for one in _FILE["sequences"]}
TRIGGERED_BY = {one["id"]: set(one.get("triggers", ())) for one in _FILE["sequences"]}


@dataclass(frozen=True, slots=True)
class Round:
    """One published enrolment: its rows in due order, and the published actions, by step."""

    sequence: str
    cause: str
    rows: tuple[Mapping[str, Any], ...]
    sent: Mapping[str, Entry]

    @property
    def live(self) -> bool:
        return any(row["state"] == "scheduled" for row in self.rows)


@dataclass(slots=True)
class Look:
    """The state at the last rest: the turn, the live enrolments, and the skipped steps."""

    turn: int = 0
    told: int = 0
    live: dict[tuple[str, str], bool] = field(default_factory=dict)
    rounds: Counter[tuple[str, str]] = field(default_factory=Counter)
    skipped: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Nurture:
    """The laws over current events and documents; `last` is the look before.

    `calm` means that no process paused since.
    """

    world: World
    log: Sequence[Entry]
    stored: Stored
    now: datetime
    last: Look
    calm: bool
    enrolled: Mapping[str, Entry] = field(init=False)
    actions: Mapping[str, Entry] = field(init=False)
    scored: Mapping[str, Entry] = field(init=False)
    triggered: Mapping[str, Entry] = field(init=False)

    def __post_init__(self) -> None:
        self.enrolled = told_once(self.log, topics.ENROLLED)
        self.actions = told_once(self.log, topics.ACTIONS)
        self.scored = told_once(self.log, topics.SCORED)
        self.triggered = told_once(self.log, topics.TRIGGERED)

    def hold(self, turn: int) -> Look:
        """Raise `Contradiction` for a broken law; else return the current look."""
        look = Look(turn, len(self.log))
        self._once()
        for lead in self.world.leads.values():
            rounds = list(self._rounds(lead))
            self._rows(lead, rounds)
            self._enrolled(lead, rounds)
            for one in rounds:
                self._steps(lead, one)
                key = lead.id, one.sequence
                require(not look.live.get(key), f"{key}: two rounds at once")
                look.live[key] = one.live
                look.rounds[key] += 1
            if lead.status in ("lost", "converted") and self.calm:
                require(not any(one.live for one in rounds), f"{lead.id} is {lead.status}, and has steps to come")
        look.skipped = {row["_id"] for row in self.stored.get("nurture_steps", ()) if row["state"] == "skipped"}
        return look

    def _once(self) -> None:
        """Check that an action has one id, and that erased leads get none."""
        told = [entry.event["data"] for entry in self.actions.values()]
        ids = Counter((one["leadId"], one["sequenceId"], one["stepId"], one["dueAt"]) for one in told)
        same("steps that went out under several ids", [one for one, times in ids.items() if times > 1], [])
        same("actions told under several ids", len({one["actionId"] for one in told}), len(told))
        for entry in self.actions.values():
            lead_id, gone = entry.event["data"]["leadId"], self.world.erased
            require(entry.begun <= gone.get(lead_id, entry.begun), f"{lead_id} was erased, and got {entry.event}")

    def _rounds(self, lead: Lead) -> Iterator[Round]:
        rows = {(r["sequenceId"], r["stepId"], r["dueAt"]): r for r in of_lead(self.stored, "nurture_steps", lead.id)}
        sent = {_place(one.event["data"]): one for one in self.actions.values()}
        for entry in self.enrolled.values():
            told = entry.event["data"]
            if told["leadId"] != lead.id:
                continue
            sequence = told["sequenceId"]
            self._personal(lead, told["personalization"], sequence)
            places = [(sequence, step["stepId"], datetime.fromisoformat(step["dueAt"])) for step in told["steps"]]
            lost = [place for place in places if place not in rows]
            require(not lost, f"{lead.id}: told of steps that aren't stored: {lost}")
            own = {place[1]: sent[lead.id, *place] for place in places if (lead.id, *place) in sent}
            yield Round(sequence, entry.event["causationid"], tuple(rows[place] for place in places), own)

    def _personal(self, lead: Lead, told: Mapping[str, Any], sequence: str) -> None:
        """Check that personalization uses the lead's values at that time."""
        for name, part in _PERSONAL.items():
            require(told.get(name) in options(lead, *part), f"{lead.id}: {name} of {told} is not the lead's")
        own = {name for step in STEPS[sequence].values() for name in step.get("personalization", ())}
        same(f"{lead.id}: words of {sequence}", set(told) - set(_PERSONAL), own - set(_PERSONAL))

    def _rows(self, lead: Lead, rounds: Sequence[Round]) -> None:
        """Check that every row is a step of a published enrolment, as the sequence plans it."""
        held = sorted(row["_id"] for row in of_lead(self.stored, "nurture_steps", lead.id))
        same(f"steps of {lead.id}", held, sorted(row["_id"] for one in rounds for row in one.rows))
        for one in rounds:
            steps = STEPS[one.sequence]
            same(f"{lead.id}: steps of {one.sequence}", {row["stepId"] for row in one.rows}, set(steps))
            begun = {row["dueAt"] - steps[row["stepId"]]["delay"] * _DAY for row in one.rows}
            same(f"{lead.id}: beginnings of a round", len(begun), 1)

    def _enrolled(self, lead: Lead, rounds: Sequence[Round]) -> None:
        """Check that each cause enrols its lead once, unless it is in that sequence or at its end."""
        causes = self._causes(lead)
        begun = [(one.sequence, one.cause) for one in rounds]
        require(len(set(begun)) == len(begun), f"{lead.id}: one cause began two rounds: {begun}")
        require(set(begun) <= causes, f"{lead.id}: enrolled as {begun}, wanted as {causes}")
        if lead.was_over:
            return
        by = {one.sequence for one in rounds}
        wanted = {sequence for sequence, cause in causes if cause in self.triggered}
        require(wanted <= by, f"{lead.id}: enrolled in {by}, triggered {wanted}")
        require(by & set(self._picks(lead)), f"{lead.id}: enrolled in {by}, not after its first score")
        for sequence in by:
            self._another(lead, [one for one in rounds if one.sequence == sequence])

    def _another(self, lead: Lead, rounds: Sequence[Round]) -> None:
        """Check that a sequence runs again only for a new cause after its last run ended."""
        key = lead.id, rounds[0].sequence
        before, causes = self.last.rounds[key], self._causes(lead)
        fresh = [cause for cause, one in self.triggered.items() if one.record.offset >= self.last.told]
        asked = any((rounds[0].sequence, cause) in causes for cause in fresh)
        if before and not self.last.live[key]:
            require((len(rounds) > before) == asked, f"{key}: {before} rounds, now {len(rounds)}, asked: {asked}")
        elif before and rounds[before - 1].live:
            require(len(rounds) == before, f"{key}: a round began within a round")

    def _causes(self, lead: Lead) -> set[tuple[str, str]]:
        """Return sequences and the events that enrol this lead in them."""
        causes = {(sequence, cause) for sequence in self._picks(lead) for cause in self._first(lead)}
        told = [(cause, one.event["data"]) for cause, one in self.triggered.items()]
        own = [(cause, data["trigger"]) for cause, data in told if data["leadId"] == lead.id]
        return causes | {(s, cause) for cause, trigger in own for s, names in TRIGGERED_BY.items() if trigger in names}

    def _first(self, lead: Lead) -> dict[str, int]:
        """Return the event of the lead's first score, and the score."""
        told = {cause: one.event["data"] for cause, one in self.scored.items()}
        mine = {cause: data for cause, data in told.items() if data["leadId"] == lead.id}
        return {cause: data["score"] for cause, data in mine.items() if "previousScore" not in data}

    def _picks(self, lead: Lead) -> Iterator[str]:
        """Return the sequences that the first score may have chosen."""
        sizes, industries = options(lead, "company", "size"), options(lead, "company", "industry")
        for size, industry, score in product(sizes, industries, self._first(lead).values()):
            if size == "enterprise":
                yield "enterprise"
            elif score > 70:
                yield "high_value"
            else:
                yield "restaurant_focused" if (industry or "").strip().casefold() == "restaurant" else "default"

    def _steps(self, lead: Lead, one: Round) -> None:
        for row in one.rows:
            entry, state = one.sent.get(row["stepId"]), row["state"]
            what = f"{lead.id}, {one.sequence}, {row['stepId']}: {state}, why: {row.get('why')}, {entry and entry.at}"
            if entry is None:
                require(state != "sent", f"{what}: nothing went out")
            else:
                taken_back = state == "cancelled" and "may have gone out" in row["why"]
                require(state == "sent" or taken_back, f"{what}: it went out")
                require(entry.at >= row["dueAt"], f"{what}: before its time {row['dueAt']}")
                self._meant(lead, row, entry)
            if state == "scheduled" and row["dueAt"] <= self.now:
                require(self._spaced(one, row), f"{what}: it is late since {row['dueAt']}")
            if state == "skipped" and row["_id"] not in self.last.skipped and lead.touched <= self.last.turn:
                require(not _may_go(lead, one.sequence, row), f"{what}: nothing was in its way")

    def _meant(self, lead: Lead, row: Mapping[str, Any], entry: Entry) -> None:
        """Return whether a step started after the lead's last change, for its current state."""
        if lead.over_since is not None:
            require(entry.begun <= lead.over_since, f"{lead.id} was over, and got {row['stepId']}")
        if entry.begun > lead.touched:
            require(_may_go(lead, row["sequenceId"], row), f"{lead.id} must not get {row['stepId']}")
            to = entry.event["data"]["to"]
            held = {name: lead.sections["contact"].get(name) for name in ("email", "phone")}
            same(f"{lead.id}: to whom", {name: to.get(name) for name in held}, held)

    def _spaced(self, one: Round, row: Mapping[str, Any]) -> bool:
        """Check that a late step keeps its usual distance to the one before, at most a day."""
        steps = sorted(STEPS[one.sequence].values(), key=lambda step: float(step["delay"]))
        gaps = {after["id"]: (after["delay"] - before["delay"]) * _DAY for before, after in pairwise(steps)}
        sent = [entry.at for entry in one.sent.values()]
        return bool(sent) and max(sent) + min(gaps.get(row["stepId"], 0 * _DAY), _DAY) + _SLACK > self.now


def _place(data: Mapping[str, Any]) -> tuple[str, str, str, datetime]:
    return data["leadId"], data["sequenceId"], data["stepId"], datetime.fromisoformat(data["dueAt"])


def _may_go(lead: Lead, sequence: str, row: Mapping[str, Any]) -> bool:
    """Return whether the step is allowed for the lead in its current state."""
    step, contact, consent = STEPS[sequence][row["stepId"]], lead.sections["contact"], lead.sections["consent"]
    if step["action"] in _MAILED and not (contact.get("email") and consent.get("email") is not False):
        return False
    if step["action"] == "call" and not (contact.get("phone") and consent.get("phone") is not False):
        return False
    return not lead.over and all(lead.status in condition["value"] for condition in step.get("conditions", ()))
