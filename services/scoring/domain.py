"""Scoring: the rules and the formula (contract 3, Score), when it ages, and when a new score is told."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.outputs import LeadScored
from schemas.topics import RESCORE
from services.scoring.evidence import evidence
from shared.domain.conditions import Condition, evaluate_all, too_much

WINDOW = timedelta(days=30)
RECENT_POINTS = 5
TYPE_POINTS = {"email": 2, "call": 10, "meeting": 20}
LOG_MAX = 16
"""Newest changes a lead remembers: what one crash can deliver again."""

UNTOLD = RESCORE.retention
"""How long a stored change may wait for being told: as long as Kafka keeps the requests for a score."""

RULES_MAX = 500
"""Rules of one file."""

EVIDENCE_MAX = 32 * 1024
"""Characters of evidence that one score keeps; a lead keeps those of its newest changes too."""

_FORMULA = "3"
_ITSELF = frozenset({"score", "scoring"})


class Rule(BaseModel):
    """`points` (they may be negative) for every lead for which all conditions hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    description: str = Field("", max_length=1_000)
    points: int = Field(ge=-1_000, le=1_000)
    enabled: bool = True
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=50)

    @field_validator("conditions")
    @classmethod
    def _not_on_itself(cls, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        if any(_section(one) in _ITSELF for one in conditions):
            raise ValueError("a score can't depend on the score")
        return conditions


class RuleSet(BaseModel):
    """All rules; their names are unique, for they explain each score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...] = Field(max_length=RULES_MAX)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = Counter(rule.name for rule in self.rules)
        twice = sorted(name for name, times in names.items() if times > 1)
        if twice:
            raise ValueError(f"rules: these names stand more than once: {', '.join(twice)}")
        if fault := too_much(one for rule in self.rules for one in rule.conditions):
            raise ValueError(f"rules: {fault}")
        return self

    @cached_property
    def sections(self) -> frozenset[str]:
        """The lead's sections (`company`, `contact`, `source`, …) that enabled rules look at."""
        return frozenset(_section(one) for rule in self.rules if rule.enabled for one in rule.conditions)


def _section(condition: Condition) -> str:
    return condition.field.partition(".")[0]


def rule_set(file_version: str) -> str:
    """What a score stands on: the version of the rules' file, and that of what this module makes of it.

    Leads whose `scoring.ruleSet` is another are scored again, be it the file that changed or the program.
    """
    return f"{file_version}.{_FORMULA}"


@dataclass(frozen=True, slots=True)
class Part:
    """What one rule, or one kind of activity, added, and the evidence.

    A rule's is the part of the lead that it looked at; an activity's the number of them, and the earliest completion.
    """

    rule: str
    points: int
    evidence: Mapping[str, Any]

    def kept(self) -> dict[str, Any]:
        """As the lead keeps it."""
        return {"rule": self.rule, "points": self.points, "evidence": dict(self.evidence)}


@dataclass(frozen=True, slots=True)
class Score:
    """`value` 0…100; `breakdown` sums to the value before it was clamped; `errors` are (rule, why) of rules skipped."""

    value: int
    breakdown: tuple[Part, ...]
    errors: tuple[tuple[str, str], ...] = ()


def score(lead: Mapping[str, Any], rules: RuleSet, now: datetime) -> Score:
    """The formula's value at `now`. A rule that can't be judged for this lead is skipped and told."""
    parts: list[Part] = []
    errors: list[tuple[str, str]] = []
    room = EVIDENCE_MAX
    for rule in rules.rules:
        evaluation = evaluate_all(rule.conditions, lead) if rule.enabled else None
        if evaluation and evaluation.fault:
            errors.append((rule.name, evaluation.fault))
        elif evaluation and evaluation.holds:
            proof, size = _proof(rule, lead, room)
            room -= size
            parts.append(Part(rule.name, rule.points, proof))
    parts += _activity_parts(lead.get("activityStats") or {}, now)
    total = sum(part.points for part in parts)
    return Score(min(100, max(0, total)), tuple(parts), tuple(errors))


def _proof(rule: Rule, lead: Mapping[str, Any], room: int) -> tuple[Mapping[str, Any], int]:
    """The rule's evidence and its size in characters; none where there is no room for it, or none can be taken."""
    try:
        proof = evidence(rule.conditions, lead) if room > 0 else {}
        size = len(repr(proof))
    except Exception:  # noqa: BLE001 - the points are right without their evidence; whatever a lead holds, it is scored
        return {}, 0
    return (proof, size) if size <= room else ({}, 0)


def _activity_parts(stats: Mapping[str, Any], now: datetime) -> list[Part]:
    parts = []
    recent = [completed for completed in stats.get("completedAt", ()) if now - WINDOW < completed <= now]
    if recent:
        seen = {"completions": len(recent), "earliest": min(recent)}
        parts.append(Part("activity.recent", RECENT_POINTS * len(recent), seen))
    counts = stats.get("counts", {})
    for type_, each in TYPE_POINTS.items():
        if counts.get(type_):
            parts.append(Part(f"activity.{type_}", each * counts[type_], {"count": counts[type_]}))
    return parts


def ages_at(lead: Mapping[str, Any], now: datetime) -> datetime | None:
    """The next moment, after `now`, at which time alone changes the formula's value; None: there is none to come.

    A completion counts for 30 days from when it was; one that is still to be begins to count then.
    """
    completed = (lead.get("activityStats") or {}).get("completedAt", ())
    turns = [one if one > now else one + WINDOW for one in completed if one > now - WINDOW]
    return min(turns, default=None)


@dataclass(frozen=True, slots=True)
class Cause:
    """What asks for a score: its key, the `reason` in a word, and what its event says of itself (contract 1)."""

    key: str
    reason: str
    event_id: str
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A change to publish, decided `at` that time."""

    cause: Cause
    at: datetime
    scored: LeadScored


@dataclass(frozen=True, slots=True)
class Decision:
    """What scoring a lead comes to.

    `update` (None: nothing to write) applies while `guard` holds; `told` are the changes to publish: a new one, those
    that the batch's causes made before, and those that perhaps nobody has told.
    """

    lead_id: str
    update: Mapping[str, Any] | None
    guard: Mapping[str, Any]
    told: tuple[Told, ...]
    errors: tuple[tuple[str, str], ...] = ()


def decide(  # noqa: PLR0913 - what a score depends on
    lead: Mapping[str, Any],
    causes: Sequence[Cause],
    rules: RuleSet,
    version: str,
    now: datetime,
    told_before: Collection[str] = (),
) -> Decision:
    """Score `lead` because of `causes`, in their order. `version` is the `rule_set` that `rules` are.

    A change that others caused is told again unless its cause's key is in `told_before`. For a cause that came again,
    after its offset was committed, may find what a later one is to tell; and who is killed then has stored a change
    that no redelivery tells. Whatever made that change asks for a score itself, once it is stored: here.
    """
    held = lead.get("scoring") or {}
    log = {entry["cause"]: entry for entry in held.get("log", ())}
    fresh = [cause for cause in causes if cause.key not in log]
    told = list(_again(lead["_id"], log, {one.key: one for one in causes}, told_before, now - UNTOLD))
    scored = score(lead, rules, now)
    basis = {"breakdown": [part.kept() for part in scored.breakdown], "ruleSet": version, "agesAt": ages_at(lead, now)}
    update = None
    if scored.value == lead.get("score"):
        # The same sum for other reasons is no news, but the explanation must be today's.
        update = _explained(held, basis)
    elif fresh:
        entry = _entry(lead, fresh[0], scored.value, basis, now)
        update = {"$set": {"score": scored.value, "scoring": _following(held, entry, basis)}}
        told.append(_told(lead["_id"], fresh[0], entry))
    return Decision(lead["_id"], update, _guard(lead, held), tuple(told), scored.errors)


def _again(
    lead_id: str,
    log: Mapping[str, Mapping[str, Any]],
    causes: Mapping[str, Cause],
    told_before: Collection[str],
    since: datetime,
) -> Iterator[Told]:
    for key, entry in log.items():
        if key in causes:
            yield _told(lead_id, causes[key], entry)
        elif key not in told_before and entry["at"] > since and "eventId" in entry:
            of_event = (entry["eventId"], entry["correlationId"], entry.get("traceparent"))
            yield _told(lead_id, Cause(key, entry["reason"], *of_event), entry)


def _entry(
    lead: Mapping[str, Any], cause: Cause, value: int, basis: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """A change, as the lead's log keeps it."""
    change = {"cause": cause.key, "score": value, "previousScore": lead.get("score"), "reason": cause.reason}
    trace = {"traceparent": cause.traceparent} if cause.traceparent else {}
    of_event = {"eventId": cause.event_id, "correlationId": cause.correlation_id, **trace}
    return {**change, "breakdown": basis["breakdown"], "at": now, "ruleSet": basis["ruleSet"], **of_event}


def _following(held: Mapping[str, Any], entry: Mapping[str, Any], basis: Mapping[str, Any]) -> dict[str, Any]:
    log = [*held.get("log", ()), entry][-LOG_MAX:]
    kept = {**basis, "seq": _next(held), "at": entry["at"], "log": log}
    return {name: value for name, value in kept.items() if value is not None}


def _explained(held: Mapping[str, Any], basis: Mapping[str, Any]) -> dict[str, Any] | None:
    changed = {name: value for name, value in basis.items() if held.get(name) != value}
    if not changed:
        return None
    sets = {f"scoring.{name}": value for name, value in changed.items() if value is not None}
    gone = {f"scoring.{name}": "" for name, value in changed.items() if value is None}
    return {"$set": {**sets, "scoring.seq": _next(held)}} | ({"$unset": gone} if gone else {})


def _next(held: Mapping[str, Any]) -> int:
    return int(held.get("seq", 0)) + 1


def _guard(lead: Mapping[str, Any], held: Mapping[str, Any]) -> dict[str, Any]:
    """Nobody has scored the lead since it was read, nor changed what was scored.

    Without the latter, a writer that was held up could store what another found to be past, and had nothing to mend.
    """
    scored = {"scoring.seq": held["seq"]} if held else {"scoring": {"$exists": False}}
    # A lead that its creation carries has no revision: whoever changed it since asks for another score.
    as_read = {name: lead.get(name) for name in ("revision", "assignedTo")} if "revision" in lead else {}
    return {**scored, **as_read}


def _told(lead_id: str, cause: Cause, entry: Mapping[str, Any]) -> Told:
    fields = ("score", "previousScore", "breakdown", "reason")
    scored = LeadScored.model_validate({"leadId": lead_id, **{name: entry[name] for name in fields}})
    return Told(cause, entry["at"], scored)
