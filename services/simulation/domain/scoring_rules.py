"""Simulation: what new scoring rules would change for the stored leads."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from math import isfinite

from services.assignment.domain.decide import AssignmentRules, choose_owner, is_open
from services.nurture.domain.sequences import Sequences
from services.scoring.domain.decide import RuleSet, Score, compute_score
from shared.domain.rules.conditions import Operator
from shared.domain.stored.lead_document import LeadDocument

BANDS = 10
"""Bands of the score: 0-9, 10-19, and so on; the last is 90-100."""

EXAMPLES_MAX = 10

_ORDERING = frozenset(
    {Operator.GREATER_THAN, Operator.GREATER_OR_EQUAL, Operator.LESS_THAN, Operator.LESS_OR_EQUAL},
)
_ALWAYS = frozenset({"status", "assignedTo", "activityStats"})


@dataclass(frozen=True, slots=True)
class Crossing:
    """Leads that `rise` from at most `value` to above it, or `fall` back.

    `examples` are some ids.
    """

    value: float
    rise: int
    fall: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OwnerLoad:
    """An owner's open leads: `before` as assigned, `after` if all were assigned again."""

    owner: str
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Simulation:
    """Old rules against new ones, both judged at the same moment.

    `before` and `after` count leads by band of their score; `changed` are the leads whose score differs. `never` are
    the new set's enabled rules that hold for no lead; `errors` has the number of leads that a new rule can't evaluate.
    """

    leads: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    changed: int
    crossings: tuple[Crossing, ...]
    owners: tuple[OwnerLoad, ...]
    never: tuple[str, ...]
    errors: dict[str, int]

    def as_json(self) -> str:
        """Return the simulation as JSON, for programs."""
        return json.dumps(asdict(self), indent=2)


def thresholds(sequences: Sequences, assignment: AssignmentRules) -> tuple[float, ...]:
    """Return the scores at which a lead's sequence or owner may change, ascending."""
    conditions = [condition for selection in sequences.select for condition in selection.conditions]
    conditions += [condition for rule in assignment.rules for condition in rule.conditions]
    values = [one.value for one in conditions if one.field == "score" and one.operator in _ORDERING]
    # YAML has .nan and .inf: no score crosses them, and JSON has no such numbers.
    return tuple(sorted({float(value) for value in values if isinstance(value, int | float) and isfinite(value)}))


class Trial:
    """What happens to leads at `now` if `new` rules replace `old` ones.

    `limits` are the thresholds to watch.

    The leads are gone through once and none is kept. Afresh, each open lead is assigned in its turn, as though the
    ones before it were all that its owners have.
    """

    def __init__(
        self, old: RuleSet, new: RuleSet, assignment: AssignmentRules, limits: Sequence[float], now: datetime
    ) -> None:
        self._old, self._new, self._assignment, self._now = old, new, assignment, now
        self._tally = _Tally([_Watched(limit) for limit in limits])

    @property
    def sections(self) -> frozenset[str]:
        """The sections of a lead that the rules need."""
        assigning = {one.field.partition(".")[0] for rule in self._assignment.rules for one in rule.conditions}
        return self._old.sections | self._new.sections | assigning | _ALWAYS

    def add(self, leads: Iterable[LeadDocument]) -> None:
        """Add these leads to the simulation."""
        for lead in leads:
            after = compute_score(lead, self._new, self._now)
            self._tally.add(lead["_id"], compute_score(lead, self._old, self._now).value, after)
            if is_open(lead):
                self._tally.assign(lead, after.value, self._assignment)

    def result(self) -> Simulation:
        """Return the simulation of all leads so far."""
        return self._tally.result(self._new, self._assignment)


@dataclass(slots=True)
class _Watched:
    value: float
    rise: int = 0
    fall: int = 0
    examples: list[str] = field(default_factory=list)

    def see(self, lead_id: str, before: int, after: int) -> None:
        if (before > self.value) == (after > self.value):
            return
        self.rise += after > before
        self.fall += after < before
        if len(self.examples) < EXAMPLES_MAX:
            self.examples.append(lead_id)


@dataclass(slots=True)
class _Tally:
    watched: list[_Watched]
    changed: int = 0
    before: Counter[int] = field(default_factory=Counter)
    after: Counter[int] = field(default_factory=Counter)
    fired: set[str] = field(default_factory=set)
    errors: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    afresh: Counter[str] = field(default_factory=Counter)

    def add(self, lead_id: str, before: int, after: Score) -> None:
        self.before[_band(before)] += 1
        self.after[_band(after.value)] += 1
        self.changed += before != after.value
        for watched in self.watched:
            watched.see(lead_id, before, after.value)
        self.fired.update(part.rule for part in after.breakdown)
        self.errors.update(rule for rule, _ in after.errors)

    def assign(self, lead: LeadDocument, value: int, assignment: AssignmentRules) -> None:
        owner = lead.get("assignedTo")
        if owner is not None:
            self.held[owner] += 1
        unowned: LeadDocument = {**lead, "score": value}
        unowned.pop("assignedTo", None)
        unowned.pop("assignment", None)
        self.afresh[choose_owner(unowned, assignment, self.afresh).owner] += 1

    def result(self, new: RuleSet, assignment: AssignmentRules) -> Simulation:
        # Owners that the rules name come first, then other owners that have leads.
        owners = dict.fromkeys([*assignment.owners, *sorted(self.held)])
        return Simulation(
            leads=self.before.total(),
            before=tuple(self.before[band] for band in range(BANDS)),
            after=tuple(self.after[band] for band in range(BANDS)),
            changed=self.changed,
            crossings=tuple(Crossing(one.value, one.rise, one.fall, tuple(one.examples)) for one in self.watched),
            owners=tuple(OwnerLoad(owner, self.held[owner], self.afresh[owner]) for owner in owners),
            never=tuple(rule.name for rule in new.rules if rule.enabled and rule.name not in self.fired),
            errors=dict(self.errors),
        )


def _band(value: int) -> int:
    return min(value // 10, BANDS - 1)
