"""Assignment: the owner of a lead after its first score."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.base import Word
from shared.domain.ids import derive
from shared.domain.rules.conditions import Condition, evaluate_conditions, too_much
from shared.domain.statuses import OPEN
from shared.domain.stored.identity_documents import ErasureMarker
from shared.domain.stored.lead_document import AssignmentPart, LeadChanges, LeadDocument, LedgerChange, LoadLedger

DEFAULT_RULE = "default_queue"
OWNERS_MAX = 1_000
"""Most owners per file: the worker reads the load of each for every batch."""

_NO_LEDGER: LoadLedger = {"number": 0, "holder": None, "log": []}

LOG_MAX = 8
"""Newest load changes that a lead remembers: a crash can leave so many uncounted."""


class AssignmentRule(BaseModel):
    """If all conditions hold, the owner with the fewest open leads gets the lead.

    In a tie it is the first one.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100)
    conditions: tuple[Condition, ...] = Field(min_length=1, max_length=50)
    owners: tuple[Word, ...] = Field(min_length=1, max_length=200)


class AssignmentRules(BaseModel):
    """The first rule that holds applies; a lead without one goes to `default_queue`."""

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
        """All owners that the rules can choose."""
        named = [owner for rule in self.rules for owner in rule.owners]
        return tuple(dict.fromkeys([*named, self.default_queue]))


@dataclass(frozen=True, slots=True)
class Assignment:
    """The `owner` of a lead, and the name of the `rule` that chose it."""

    owner: str
    rule: str


def choose_owner(lead: LeadDocument, rules: AssignmentRules, load: Mapping[str, int]) -> Assignment:
    """Return the owner for `lead`; `load` is the number of open leads per owner.

    A rule that can't be evaluated for this lead is skipped.
    """
    for rule in rules.rules:
        if evaluate_conditions(rule.conditions, lead).holds:
            return Assignment(min(rule.owners, key=lambda owner: load.get(owner, 0)), rule.name)
    return Assignment(rules.default_queue, DEFAULT_RULE)


def choose_owners(
    leads: Sequence[LeadDocument], rules: AssignmentRules, load: Mapping[str, int]
) -> dict[str, Assignment]:
    """Return an owner for each lead without one, by lead id.

    Each open lead adds to the load that the next one meets.
    """
    counts, chosen = dict(load), dict[str, Assignment]()
    for lead in leads:
        if needs_owner(lead):
            chosen[lead["_id"]] = assignment = choose_owner(lead, rules, counts)
            counts[assignment.owner] = counts.get(assignment.owner, 0) + is_open(lead)
    return chosen


def needs_owner(lead: LeadDocument) -> bool:
    """Return whether a rule has to choose the lead's owner. For history it chooses none."""
    return lead.get("assignedTo") is None and not lead.get("historical")


def is_open(lead: LeadDocument) -> bool:
    """Return whether the lead is open work for its owner."""
    return lead["status"] in OPEN


@dataclass(frozen=True, slots=True)
class LoadChange:
    """A change of an owner's number of open leads by `by`.

    `key` is its cause, decided at `at`.
    """

    key: str
    at: datetime
    owner: str
    by: int


def assign_lead(lead: LeadDocument, assignment: Assignment, cause_key: str, now: datetime) -> LeadChanges:
    """Return the fields to set on the lead.

    `assignment.owner` stays when the lead gets another owner later.
    """
    owned: LeadDocument = {**lead, "assignedTo": assignment.owner}
    chosen: AssignmentPart = {"owner": assignment.owner, "rule": assignment.rule, "cause": cause_key, "at": now}
    return {"assignedTo": assignment.owner, "assignment": {**chosen, "account": load_ledger(owned, now)}}


def ledger_update(lead: LeadDocument, now: datetime) -> Mapping[str, object]:
    """Return the field to set on a lead that counts for another owner than it should."""
    return {"assignment.account": load_ledger(lead, now)}


def load_ledger(lead: LeadDocument, now: datetime) -> LoadLedger:
    """Return the lead's load ledger: the owner that it counts for, and its newest changes.

    Several workers change owners and statuses, and their events come in any order. So the lead keeps the owner that it
    last counted for. Each settlement has a number, so that its change counts once.
    """
    return _settled(_ledger_of(lead), _holder(lead), now)


def _settled(before: LoadLedger, holder: str | None, now: datetime) -> LoadLedger:
    change: LedgerChange = {"number": before["number"] + 1, "before": before["holder"], "holder": holder, "at": now}
    return {"number": change["number"], "holder": holder, "log": [*before["log"], change][-LOG_MAX:]}


def is_unsettled(lead: LeadDocument) -> bool:
    """Return whether the lead counts for another owner than it should."""
    return bool(_ledger_of(lead)["holder"] != _holder(lead))


def _ledger_of(lead: LeadDocument) -> LoadLedger:
    return (lead.get("assignment") or {}).get("account") or _NO_LEDGER


def _holder(lead: LeadDocument) -> str | None:
    return lead.get("assignedTo") if is_open(lead) else None


def load_changes(lead: LeadDocument) -> list[LoadChange]:
    """Return the load changes in the lead's ledger; their keys let the store count each once."""
    return _changes_in(lead["_id"], _ledger_of(lead))


def _changes_in(lead_id: str, ledger: LoadLedger) -> list[LoadChange]:
    return [change for entry in ledger["log"] for change in _load_changes_of(lead_id, entry)]


def erased_load_changes(marker: ErasureMarker) -> list[LoadChange]:
    """Return the load changes of an erased lead: its last ones, and minus one for its owner."""
    ledger = marker.get("account") or _NO_LEDGER
    if ledger["holder"] is not None:
        ledger = _settled(ledger, None, marker["at"])
    return _changes_in(marker["leadId"], ledger)


def _load_changes_of(lead_id: str, entry: LedgerChange) -> list[LoadChange]:
    key = derive("account", lead_id, str(entry["number"]))
    return [
        LoadChange(key, entry["at"], owner, by) for owner, by in ((entry["before"], -1), (entry["holder"], 1)) if owner
    ]
