"""Assignment: who owns a lead after its first score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.base import Word
from shared.domain.conditions import Condition, evaluate_all, too_much
from shared.domain.ids import derive
from shared.domain.statuses import OPEN

DEFAULT_RULE = "default_queue"
OWNERS_MAX = 1_000
"""Owners that one file may name: the load of each is read for every batch."""

LOG_MAX = 8
"""Newest settlements a lead remembers: what one crash can leave uncounted."""


class AssignmentRule(BaseModel):
    """The leads for which all conditions hold go to the owner with the fewest open leads, the first named on a tie."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=50)
    owners: tuple[Word, ...] = Field(min_length=1, max_length=200)


class AssignmentRules(BaseModel):
    """The first rule that holds wins; a lead that none takes goes to `default_queue`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[AssignmentRule, ...] = Field(max_length=500)
    default_queue: Word

    @model_validator(mode="after")
    def _unique(self) -> Self:
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names) or DEFAULT_RULE in names:
            raise ValueError(f"rules: names must be unique, and none may be {DEFAULT_RULE}")
        if fault := too_much(one for rule in self.rules for one in rule.conditions):
            raise ValueError(f"rules: {fault}")
        if len(self.owners) > OWNERS_MAX:
            raise ValueError(f"rules: they may name {OWNERS_MAX} owners at most")
        return self

    @cached_property
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
        if evaluate_all(rule.conditions, lead).holds:
            return Assignment(min(rule.owners, key=lambda owner: load.get(owner, 0)), rule.name)
    return Assignment(rules.default_queue, DEFAULT_RULE)


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
    return lead["status"] in OPEN


@dataclass(frozen=True, slots=True)
class Shift:
    """An owner's number of open leads changes by `by`, because of `key`, which was decided at `at`."""

    key: str
    at: datetime
    owner: str
    by: int


def assigned(lead: Mapping[str, Any], assignment: Assignment, cause_key: str, now: datetime) -> dict[str, Any]:
    """What to set on the lead. `assignment.owner` stays what the rule said, whoever is given the lead later."""
    owned = {**lead, "assignedTo": assignment.owner}
    told = {"owner": assignment.owner, "rule": assignment.rule, "cause": cause_key, "at": now}
    return {"assignedTo": assignment.owner, "assignment": {**told, "account": account(owned, now)}}


def account(lead: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """For whom the lead counts as open work from now on, and the newest changes of that.

    The lead itself says who it was last counted for. Owners and statuses change by many hands, and news of it comes in
    any order; each look at the lead settles the difference, under a number that makes the shift countable once.
    """
    before = _account(lead)
    change = {"number": before["number"] + 1, "before": before["holder"], "holder": _holder(lead), "at": now}
    return {"number": change["number"], "holder": change["holder"], "log": [*before["log"], change][-LOG_MAX:]}


def unsettled(lead: Mapping[str, Any]) -> bool:
    """Whether the lead counts for somebody else than it should."""
    return bool(_account(lead)["holder"] != _holder(lead))


def _account(lead: Mapping[str, Any]) -> dict[str, Any]:
    return (lead.get("assignment") or {}).get("account") or {"number": 0, "holder": None, "log": []}


def _holder(lead: Mapping[str, Any]) -> str | None:
    return lead.get("assignedTo") if is_open(lead) else None


def shifts(lead: Mapping[str, Any]) -> list[Shift]:
    """The shifts of the lead's newest settlements: each to be counted once, however often it is told."""
    return [shift for change in _account(lead)["log"] for shift in _shifts(lead["_id"], change)]


def erased_shifts(tombstone: Mapping[str, Any]) -> list[Shift]:
    """The shifts that an erased lead leaves: its last ones, and whom it counted for has one open lead less."""
    left = {"_id": tombstone["leadId"], "status": "lost", "assignment": {"account": tombstone.get("account")}}
    return (
        shifts(left | {"assignment": {"account": account(left, tombstone["at"])}}) if unsettled(left) else shifts(left)
    )


def _shifts(lead_id: str, change: Mapping[str, Any]) -> list[Shift]:
    key = derive("account", lead_id, str(change["number"]))
    return [
        Shift(key, change["at"], owner, by) for owner, by in ((change["before"], -1), (change["holder"], 1)) if owner
    ]
