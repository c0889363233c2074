"""All laws by name, and the verdict."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from tests.faults.oracle import consent, events, inputs, leads, nurture, rollups, scores
from tests.faults.oracle.world import ACTIONS, CAPTURED, World

Law = Callable[[World], Iterator[str]]
_LISTED_MAX = 20
"""The most violations of one law that are printed; all are counted."""

LAWS: Mapping[str, Law] = {
    "every record fed is in its topic": inputs.fed,
    "every capture has one outcome": inputs.captures,
    "every activity is one row": inputs.activities,
    "every activity is published once": inputs.activities_published,
    "every command has one outcome": inputs.commands,
    "bad records alone are in the dead letter, as they came": inputs.dead_letters,
    "no two leads are duplicates": leads.unique,
    "one person is one lead": leads.persons,
    "every lead is created once": leads.created,
    "every capture is in one lead's provenance": leads.provenance,
    "a merge overwrites nothing": leads.kept,
    "a merge forgets nothing": leads.filled,
    "a qualification forgets nothing": leads.requirements,
    "a BANT is kept whole, and replaces what it gives": leads.bants,
    "a status is what was published": leads.status,
    "a lead is one opportunity": leads.opportunities,
    "an opportunity is what was asked for": leads.asked,
    "every lead has one owner, published once": leads.owners,
    "the newest statement about mail holds": consent.mail,
    "of an erased lead nothing is left": leads.gone,
    "a stored score is the formula's value": scores.stored,
    "the published scores lead to the stored one": scores.chain,
    "a score is explained": scores.breakdowns,
    "every nurture step is out once": nurture.sent,
    "a call or task that is due is one task": nurture.tasks,
    "an action id is one action": nurture.same,
    "a step is out at its time": nurture.punctual,
    "a lead is enrolled, and its steps are there": nurture.enrolled,
    "nothing is sent after the end": nurture.ended,
    "all that is published is an event": events.envelopes,
    "an id is derived from its cause": events.ids,
    "an id always says the same": events.contents,
    "every event leads back to an input": events.causes,
}
FIGURES, LAG = "the figures are what the documents come to", "no consumer is behind"


@dataclass(frozen=True, slots=True)
class Violation:
    """A violation of one law."""

    law: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The violations that the judge found, and counts."""

    violations: list[Violation]
    counts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """Return the verdict as JSON."""
        return asdict(self)


def judge(world: World, answers: rollups.Answers | None, lag: Mapping[str, int]) -> Verdict:
    """Check every law against the world.

    `answers` are the gateway's; `lag` is each group's lag by partition.
    """
    found = {name: list(law(world)) for name, law in LAWS.items()}
    found[FIGURES] = list(rollups.figures(world, answers)) if answers else []
    found[LAG] = [f"{where} is {count} behind" for where, count in lag.items() if count]
    violations = [Violation(law, detail) for law, details in found.items() for detail in islice(details, _LISTED_MAX)]
    return Verdict(violations, _counts(world) | {"violations": {law: len(d) for law, d in found.items() if d}})


def _counts(world: World) -> dict[str, Any]:
    return {
        "records": {topic: len(records) for topic, records in world.records.items() if records},
        "documents": {name: len(documents) for name, documents in world.collections.items()},
        "captures": len(world.accepted[CAPTURED]),
        "erased": len(world.erased),
        "firstScores": scores.firsts(world.published),
        "actions": len(world.published[ACTIONS]),
        "repeatedEvents": events.repeated(world),
        "repeatedWithLaterDocument": events.later_documents(world),
        "repeatedDeadLetters": inputs.repeated_dead_letters(world),
        "unlistedRecords": inputs.unlisted(world),
    }
