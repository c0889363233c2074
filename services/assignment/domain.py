"""Assignment: who owns a lead after its first score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.domain.conditions import Condition, ConditionError, hold_all

OPEN_STATUSES = ("new", "contacted", "qualified", "unqualified")
"""Statuses in which a lead is work for its owner."""

DEFAULT_RULE = "default_queue"


class AssignmentRule(BaseModel):
    """The leads for which all conditions hold go to the owner with the fewest open leads, the first named on a tie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    conditions: tuple[Condition, ...] = Field(min_length=1)
    owners: tuple[str, ...] = Field(min_length=1)


class AssignmentRules(BaseModel):
    """The first rule that holds wins; a lead that none takes goes to `default_queue`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[AssignmentRule, ...]
    default_queue: str = Field(min_length=1)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names) or DEFAULT_RULE in names:
            raise ValueError(f"rules: names must be unique, and none may be {DEFAULT_RULE}")
        return self

    @property
    def owners(self) -> tuple[str, ...]:
        """Everybody who can be assigned a lead."""
        named = [owner for rule in self.rules for owner in rule.owners]
        return tuple(dict.fromkeys([*named, self.default_queue]))


@dataclass(frozen=True, slots=True)
class Assignment:
    """`owner` by `rule`."""

    owner: str
    rule: str


def choose(lead: Mapping[str, Any], rules: AssignmentRules, load: Mapping[str, int]) -> Assignment:
    """Who shall own `lead`; `load` is each owner's number of open leads. A rule that can't be judged is passed over."""
    for rule in rules.rules:
        if _takes(rule, lead):
            return Assignment(min(rule.owners, key=lambda owner: load.get(owner, 0)), rule.name)
    return Assignment(rules.default_queue, DEFAULT_RULE)


def _takes(rule: AssignmentRule, lead: Mapping[str, Any]) -> bool:
    try:
        return hold_all(rule.conditions, lead)
    except ConditionError:
        return False


def assign(
    leads: Sequence[Mapping[str, Any]], rules: AssignmentRules, load: Mapping[str, int]
) -> dict[str, Assignment]:
    """An owner for each lead that has none, by lead id; each choice of an open lead counts for the next."""
    counts, chosen = dict(load), {}
    for lead in leads:
        if lead.get("assignedTo") is None:
            chosen[lead["_id"]] = assignment = choose(lead, rules, counts)
            counts[assignment.owner] = counts.get(assignment.owner, 0) + is_open(lead)
    return chosen


def is_open(lead: Mapping[str, Any]) -> bool:
    """Whether the lead is work for its owner."""
    return lead["status"] in OPEN_STATUSES


def assigned(lead: Mapping[str, Any], assignment: Assignment, cause_key: str, now: datetime) -> dict[str, Any]:
    """What to set on the lead; `open` says whether it counts as its owner's work from then on."""
    record = {"rule": assignment.rule, "cause": cause_key, "at": now, "open": is_open(lead)}
    return {"assignedTo": assignment.owner, "assignment": record}
