"""Scoring: the rules and the formula (contract 3, Score), and when a new score is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.outputs import LeadScored, ScorePart
from shared.domain.conditions import Condition, ConditionError, hold_all

WINDOW = timedelta(days=30)
RECENT_POINTS = 5
TYPE_POINTS = {"email": 2, "call": 10, "meeting": 20}
LOG_MAX = 16
"""Newest changes a lead remembers: what one crash can deliver again."""


class Rule(BaseModel):
    """`points` (they may be negative) for every lead for which all conditions hold."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    description: str = ""
    points: int = Field(ge=-1_000, le=1_000)
    enabled: bool = True
    conditions: tuple[Condition, ...] = Field(min_length=1)


class RuleSet(BaseModel):
    """All rules; their names are unique, for they explain each score."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[Rule, ...]

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rules: these names stand more than once: {', '.join(twice)}")
        return self


@dataclass(frozen=True, slots=True)
class Score:
    """`value` 0…100; `breakdown` sums to the value before it was clamped; `errors` are (rule, why) of rules skipped."""

    value: int
    breakdown: tuple[ScorePart, ...]
    errors: tuple[tuple[str, str], ...] = ()


def score(lead: Mapping[str, Any], rules: RuleSet, now: datetime) -> Score:
    """The formula's value at `now`. A rule that can't be judged for this lead is skipped and told."""
    parts: list[ScorePart] = []
    errors: list[tuple[str, str]] = []
    for rule in rules.rules:
        try:
            if rule.enabled and hold_all(rule.conditions, lead):
                parts.append(ScorePart(rule=rule.name, points=rule.points))
        except ConditionError as error:
            errors.append((rule.name, str(error)))
    parts += _activity_parts(lead.get("activityStats") or {}, now)
    total = sum(part.points for part in parts)
    return Score(min(100, max(0, total)), tuple(parts), tuple(errors))


def _activity_parts(stats: Mapping[str, Any], now: datetime) -> list[ScorePart]:
    recent = sum(now - WINDOW < completed <= now for completed in stats.get("completedAt", ()))
    points = {"activity.recent": RECENT_POINTS * recent}
    for type_, each in TYPE_POINTS.items():
        points[f"activity.{type_}"] = each * stats.get("counts", {}).get(type_, 0)
    return [ScorePart(rule=name, points=value) for name, value in points.items() if value]


@dataclass(frozen=True, slots=True)
class Decision:
    """What scoring a lead comes to.

    `update` (None: nothing to write) applies while `guard` holds; `told` are the (cause key, event) pairs to publish:
    a new change, and again those that the batch's causes made before.
    """

    lead_id: str
    update: Mapping[str, Any] | None
    guard: Mapping[str, Any]
    told: tuple[tuple[str, LeadScored], ...]
    errors: tuple[tuple[str, str], ...] = ()


def decide(
    lead: Mapping[str, Any], causes: Sequence[tuple[str, str]], rules: RuleSet, version: str, now: datetime
) -> Decision:
    """Score `lead` because of `causes`, pairs of a cause's key and a reason in a word, in their order."""
    scoring = lead.get("scoring") or {}
    log = {entry["cause"]: entry for entry in scoring.get("log", ())}
    told = [(key, _event(lead["_id"], log[key])) for key, _ in causes if key in log]
    fresh = [(key, reason) for key, reason in causes if key not in log]
    scored = score(lead, rules, now)
    breakdown, seq = [part.wire() for part in scored.breakdown], scoring.get("seq", 0)
    guard = {"scoring.seq": seq} if seq else {"scoring": {"$exists": False}}
    if scored.value == lead.get("score"):
        # The same sum for other reasons is no news, but the explanation must be today's.
        explained = {"$set": {"scoring.breakdown": breakdown, "scoring.ruleSet": version}}
        return Decision(
            lead["_id"], explained if breakdown != scoring["breakdown"] else None, guard, tuple(told), scored.errors
        )
    if not fresh:
        return Decision(lead["_id"], None, {}, tuple(told), scored.errors)
    key, reason = fresh[0]
    entry = {"cause": key, "score": scored.value, "previousScore": lead.get("score"), "reason": reason}
    entry |= {"breakdown": breakdown, "at": now, "ruleSet": version}
    scoring = {
        "seq": seq + 1,
        "at": now,
        "ruleSet": version,
        "breakdown": breakdown,
        "log": [*scoring.get("log", ()), entry][-LOG_MAX:],
    }
    update = {"$set": {"score": scored.value, "scoring": scoring}}
    return Decision(lead["_id"], update, guard, (*told, (key, _event(lead["_id"], entry))), scored.errors)


def _event(lead_id: str, entry: Mapping[str, Any]) -> LeadScored:
    fields = ("score", "previousScore", "breakdown", "reason")
    return LeadScored.model_validate({"leadId": lead_id, **{name: entry[name] for name in fields}})
