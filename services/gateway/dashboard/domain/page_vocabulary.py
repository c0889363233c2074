"""The words and rules that the dashboard's scripts need, so that they have no copy of their own."""

from collections.abc import Mapping

from schemas.attributes import Attribute, Attributes
from schemas.base import Model
from schemas.lead import ActivityType, CompanySize, Source, Status, Urgency
from schemas.reasons import DeadLetterReason
from schemas.tasks import TaskKind
from schemas.topics import TOPICS
from shared.domain.bant import CRITERIA, QUALIFIED_FROM
from shared.domain.statuses import MOVES, Move


class BantCriterion(Model):
    """A field of BANT that gives points: by any value that is true, or by one of `values`."""

    part: str
    field: str
    points: int
    values: tuple[str, ...]


class BantRule(Model):
    """How BANT is scored. A lead with `qualified_from` points is qualified."""

    criteria: tuple[BantCriterion, ...]
    qualified_from: int


class Vocabulary(Model):
    """What the page's scripts know of the contract.

    `attributes`: the declared ones.
    `inputs`: the topics of what others send. `moves`: the status after a move, by each status that allows it.
    """

    statuses: tuple[Status, ...]
    sources: tuple[Source, ...]
    activity_types: tuple[ActivityType, ...]
    task_kinds: tuple[TaskKind, ...]
    urgencies: tuple[Urgency, ...]
    company_sizes: tuple[CompanySize, ...]
    lost_reasons: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    dead_letter_reasons: tuple[DeadLetterReason, ...]
    inputs: tuple[str, ...]
    moves: Mapping[Move, Mapping[Status, Status]]
    bant: BantRule


def vocabulary(lost_reasons: tuple[str, ...], attributes: Attributes) -> Vocabulary:
    """Return all words and rules. `lost_reasons` and `attributes`: the configured ones."""
    criteria = tuple(
        BantCriterion(part=one.part, field=one.field, points=one.points, values=one.values) for one in CRITERIA
    )
    return Vocabulary(
        statuses=tuple(Status),
        sources=tuple(Source),
        activity_types=tuple(ActivityType),
        task_kinds=tuple(TaskKind),
        urgencies=tuple(Urgency),
        company_sizes=tuple(CompanySize),
        lost_reasons=lost_reasons,
        attributes=attributes.attributes,
        dead_letter_reasons=tuple(DeadLetterReason),
        inputs=tuple(topic.name for topic in TOPICS.values() if topic.kind == "input"),
        moves={
            move: {status: after for status, after in transition.outcomes.items() if isinstance(after, Status)}
            for move, transition in MOVES.items()
        },
        bant=BantRule(criteria=criteria, qualified_from=QUALIFIED_FROM),
    )
