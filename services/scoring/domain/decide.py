"""Scoring: the rules and the formula, when a score ages, when a new one is published.

The rules are in schemas/README.md#score.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Self, TypedDict

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from schemas.outputs import LeadScored
from schemas.topics import RESCORE
from services.scoring.domain.evidence import evidence
from shared.domain.rules.conditions import Condition, evaluate_conditions, too_much
from shared.domain.stored.lead_document import (
    ActivityStats,
    BreakdownPart,
    LeadDocument,
    ScoreLogEntry,
    ScoringPart,
)

WINDOW = timedelta(days=30)
RECENT_POINTS = 5
TYPE_POINTS = {"email": 2, "call": 10, "meeting": 20}
LOG_MAX = 16
"""Newest score changes that a lead remembers: one crash can redeliver so many."""

PUBLISH_WITHIN = RESCORE.retention
"""Oldest stored change that is still published: as long as Kafka keeps requests for a score."""

RULES_MAX = 500
"""Most rules of one file."""

EVIDENCE_MAX = 32 * 1024
"""Most characters of evidence of one score; a lead also keeps that of its newest changes."""

_FORMULA = "3"
_OWN_SECTIONS = frozenset({"score", "scoring"})


LeadUpdate = Mapping[str, Mapping[str, object]]
"""An update in MongoDB's operators."""


class _Basis(TypedDict):
    breakdown: list[BreakdownPart]
    ruleSet: str
    agesAt: datetime | None


class Rule(BaseModel):
    """A rule: it adds `points`, which may be negative, if all conditions hold for a lead."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    description: str = Field("", max_length=1_000)
    points: int = Field(ge=-1_000, le=1_000)
    enabled: bool = True
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=50)

    @field_validator("conditions")
    @classmethod
    def _not_on_itself(cls, conditions: tuple[Condition, ...]) -> tuple[Condition, ...]:
        if any(_section(one) in _OWN_SECTIONS for one in conditions):
            raise ValueError("a score can't depend on the score")
        return conditions


class RuleSet(BaseModel):
    """All rules. Their names are unique, because they explain each score."""

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
    """Return the id of a rule set: the version of the file, and of this module's formula.

    A lead with another `scoring.ruleSet` is scored again, whether the file or the program has changed.
    """
    return f"{file_version}.{_FORMULA}"


@dataclass(frozen=True, slots=True)
class Part:
    """The points of one rule, or of one kind of activity, with the evidence.

    A rule's evidence is the part of the lead that it depends on. An activity's is its count, or the number of recent
    completions and the earliest of them.
    """

    rule: str
    points: int
    evidence: Mapping[str, Any]  # parts of a lead that rules name: any shape

    def kept(self) -> BreakdownPart:
        """Return the entry of the lead's breakdown."""
        return {"rule": self.rule, "points": self.points, "evidence": dict(self.evidence)}


@dataclass(frozen=True, slots=True)
class Score:
    """A score: `value` is 0…100; the points of `breakdown` sum to it before clamping.

    `errors` has (rule, why) for each skipped rule.
    """

    value: int
    breakdown: tuple[Part, ...]
    errors: tuple[tuple[str, str], ...] = ()


def compute_score(lead: LeadDocument, rules: RuleSet, now: datetime) -> Score:
    """Return the score at `now`. A rule that fails on this lead goes to `errors`."""
    parts: list[Part] = []
    errors: list[tuple[str, str]] = []
    room = EVIDENCE_MAX
    for rule in rules.rules:
        evaluation = evaluate_conditions(rule.conditions, lead) if rule.enabled else None
        if evaluation and evaluation.fault:
            errors.append((rule.name, evaluation.fault))
        elif evaluation and evaluation.holds:
            proof, size = _proof(rule, lead, room)
            room -= size
            parts.append(Part(rule.name, rule.points, proof))
    parts += _activity_parts(lead.get("activityStats") or {}, now)
    total = sum(part.points for part in parts)
    return Score(min(100, max(0, total)), tuple(parts), tuple(errors))


def _proof(rule: Rule, lead: LeadDocument, room: int) -> tuple[Mapping[str, object], int]:
    """Return the rule's evidence and its size in characters; empty if it has no room or fails."""
    try:
        proof: Mapping[str, object] = evidence(rule.conditions, lead) if room > 0 else {}
        size = len(repr(proof))
    except Exception:  # noqa: BLE001 - the points are valid without evidence, and every lead needs a score
        return {}, 0
    return (proof, size) if size <= room else ({}, 0)


def _activity_parts(stats: ActivityStats, now: datetime) -> list[Part]:
    parts = []
    recent = [completed for completed in stats.get("completedAt", ()) if now - WINDOW < completed <= now]
    if recent:
        seen = {"completions": len(recent), "earliest": min(recent)}
        parts.append(Part("activity.recent", RECENT_POINTS * len(recent), seen))
    counts = stats.get("counts") or {}
    for type_, each in TYPE_POINTS.items():
        if counts.get(type_):
            parts.append(Part(f"activity.{type_}", each * counts[type_], {"count": counts[type_]}))
    return parts


def ages_at(lead: LeadDocument, now: datetime) -> datetime | None:
    """Return the next moment after `now` when time alone changes the score; None without one.

    A completion counts for 30 days. A completion in the future begins to count at its time.
    """
    completed = (lead.get("activityStats") or {}).get("completedAt", ())
    turns = [one if one > now else one + WINDOW for one in completed if one > now - WINDOW]
    return min(turns, default=None)


@dataclass(frozen=True, slots=True)
class ScoreCause:
    """The cause of a score: its key, the `reason` in a word, and the attributes of its event."""

    key: str
    reason: str
    event_id: str
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class ScorePublication:
    """A score change to publish, decided `at` that time."""

    cause: ScoreCause
    at: datetime
    scored: LeadScored


@dataclass(frozen=True, slots=True)
class Decision:
    """The decision on a lead's score.

    `update` (None: nothing to write) applies while `guard` holds. `publications` are the changes to publish: a new one,
    earlier ones of the batch's causes, and stored ones that may not be published yet.
    """

    lead_id: str
    update: LeadUpdate | None
    guard: Mapping[str, object]
    publications: tuple[ScorePublication, ...]
    errors: tuple[tuple[str, str], ...] = ()


def decide(  # noqa: PLR0913 - what a score depends on
    lead: LeadDocument,
    causes: Sequence[ScoreCause],
    rules: RuleSet,
    version: str,
    now: datetime,
    published_before: Collection[str] = (),
) -> Decision:
    """Score `lead` because of `causes`, in their order.

    `version` is the id of `rules` (`rule_set`).

    A stored change of another cause is published again unless its cause is in `published_before`.
    Crash after storing a change → it isn't published, and its offset may be committed → the lead's next score publishes
    it.
    """
    stored = lead.get("scoring") or {}
    log = {entry["cause"]: entry for entry in stored.get("log", ())}
    fresh = [cause for cause in causes if cause.key not in log]
    published = list(
        _publications_due(lead["_id"], log, {one.key: one for one in causes}, published_before, now - PUBLISH_WITHIN)
    )
    scored = compute_score(lead, rules, now)
    breakdown = [part.kept() for part in scored.breakdown]
    basis: _Basis = {"breakdown": breakdown, "ruleSet": version, "agesAt": ages_at(lead, now)}
    update: LeadUpdate | None = None
    if scored.value == lead.get("score"):
        # The score is the same, but its explanation has changed.
        update = _explanation_update(stored, basis)
    elif fresh:
        entry = _log_entry(lead, fresh[0], scored.value, basis, now)
        update = {"$set": {"score": scored.value, "scoring": _next_scoring(stored, entry, basis)}}
        published.append(_publication(lead["_id"], fresh[0], entry))
    return Decision(lead["_id"], update, _guard(lead, stored), tuple(published), scored.errors)


def _publications_due(
    lead_id: str,
    log: Mapping[str, ScoreLogEntry],
    causes: Mapping[str, ScoreCause],
    published_before: Collection[str],
    since: datetime,
) -> Iterator[ScorePublication]:
    for key, entry in log.items():
        if key in causes:
            yield _publication(lead_id, causes[key], entry)
        elif key not in published_before and entry["at"] > since and "eventId" in entry:
            of_event = (entry["eventId"], entry["correlationId"], entry.get("traceparent"))
            yield _publication(lead_id, ScoreCause(key, entry["reason"], *of_event), entry)


def _log_entry(lead: LeadDocument, cause: ScoreCause, value: int, basis: _Basis, now: datetime) -> ScoreLogEntry:
    """Return the entry of the lead's score log for a change."""
    entry: ScoreLogEntry = {
        "cause": cause.key,
        "score": value,
        "previousScore": lead.get("score"),
        "reason": cause.reason,
        "breakdown": basis["breakdown"],
        "at": now,
        "ruleSet": basis["ruleSet"],
        "eventId": cause.event_id,
        "correlationId": cause.correlation_id,
    }
    if cause.traceparent:
        entry["traceparent"] = cause.traceparent
    return entry


def _next_scoring(stored: ScoringPart, entry: ScoreLogEntry, basis: _Basis) -> ScoringPart:
    scoring: ScoringPart = {"breakdown": basis["breakdown"], "ruleSet": basis["ruleSet"]}
    if basis["agesAt"] is not None:
        scoring["agesAt"] = basis["agesAt"]
    log = [*stored.get("log", ()), entry][-LOG_MAX:]
    return {**scoring, "seq": _next_seq(stored), "at": entry["at"], "log": log}


def _explanation_update(stored: ScoringPart, basis: _Basis) -> LeadUpdate | None:
    before: Mapping[str, object] = stored
    changed = {name: value for name, value in basis.items() if before.get(name) != value}
    if not changed:
        return None
    sets: dict[str, object] = {f"scoring.{name}": value for name, value in changed.items() if value is not None}
    gone = {f"scoring.{name}": "" for name, value in changed.items() if value is None}
    update = {"$set": {**sets, "scoring.seq": _next_seq(stored)}}
    return {**update, "$unset": gone} if gone else update


def _next_seq(stored: ScoringPart) -> int:
    return int(stored.get("seq", 0)) + 1


def _guard(lead: LeadDocument, stored: ScoringPart) -> dict[str, object]:
    """Return the guard: since the read, no process has scored or changed the lead.

    Without the second part, a slow process could store an outdated score after another found nothing to write.
    """
    scored: dict[str, object] = {"scoring.seq": stored["seq"]} if stored else {"scoring": {"$exists": False}}
    # A lead from its event has no revision: a worker that changes it requests another score.
    as_read = {"revision": lead["revision"], "assignedTo": lead.get("assignedTo")} if "revision" in lead else {}
    return {**scored, **as_read}


def _publication(lead_id: str, cause: ScoreCause, entry: ScoreLogEntry) -> ScorePublication:
    scored = LeadScored.model_validate(
        {
            "leadId": lead_id,
            "score": entry["score"],
            "previousScore": entry["previousScore"],
            "breakdown": entry["breakdown"],
            "reason": entry["reason"],
        }
    )
    return ScorePublication(cause, entry["at"], scored)
