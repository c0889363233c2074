"""The registry of topics: meaning, payload, key, producers, consumers and retention."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from schemas import outputs
from schemas.activities import ActivityRecorded, EngagementRecorded
from schemas.base import Model
from schemas.captures import LeadCaptured
from schemas.commands import ConvertLead, EraseLead, QualifyLead, UpdateLead
from schemas.tasks import TaskCommand, TaskCreated, TaskUpdated

Kind = Literal["input", "output", "internal", "deadletter"]
_ALL_OUTPUTS = ("insights",)
_ARRIVALS = "engagement qualification tasks conversion erasure"
"""Workers with pending events: they also read the topics that announce leads."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. The CloudEvents type of its records is its name and major version."""

    name: str
    meaning: str
    model: type[Model]
    kind: Kind
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    key: Literal["leadId", "identity", "original"] = "leadId"
    partitions: int = 12
    retention: timedelta = timedelta(days=30)

    @property
    def event_type(self) -> str:
        """The `type` of the topic's events (schemas/README.md#envelope)."""
        return f"{self.name}.v1"

    @property
    def retention_ms(self) -> int:
        """The retention in milliseconds, Kafka's `retention.ms`."""
        return int(self.retention.total_seconds() * 1000)


def _input(name: str, meaning: str, model: type[Model], consumer: str, *producers: str) -> Topic:
    return Topic(name, meaning, model, "input", ("gateway", *producers), (consumer, "insights"))


def _output(name: str, meaning: str, model: type[Model], producers: str, consumers: str = "") -> Topic:
    return Topic(name, meaning, model, "output", tuple(producers.split()), (*consumers.split(), *_ALL_OUTPUTS))


CAPTURED = Topic(
    "leads.captured",
    "A lead as a channel saw it: a web form, a badge scanner, an import.",
    LeadCaptured,
    "input",
    ("gateway", "web form", "badge scanner"),
    ("capture", "insights"),
    key="identity",
)
ACTIVITIES = _input(
    "leads.activities",
    "Somebody did something with or for a lead.",
    ActivityRecorded,
    "engagement",
    *("sales screen", "tasks"),
)
ENGAGEMENTS = _input(
    "leads.engagements", "The lead did something: opened, clicked, visited.", EngagementRecorded, "engagement", "mailer"
)
QUALIFY = _input("leads.qualify", "Qualify a lead.", QualifyLead, "qualification", "sales screen")
UPDATE = _input("leads.update", "Change a lead's status, owner or fields.", UpdateLead, "qualification", "sales screen")
TASKS = _input("leads.tasks", "Create a task of a lead, or change one.", TaskCommand, "tasks", "sales screen")
CONVERT = _input("leads.convert", "Make a qualified lead an opportunity.", ConvertLead, "conversion", "sales screen")
ERASE = _input("leads.erase", "Erase a lead's personal data everywhere.", EraseLead, "erasure", "privacy desk")

CREATED = _output("leads.created", "A capture matched no one.", outputs.LeadCreated, "capture", f"scoring {_ARRIVALS}")
MERGED = _output(
    "leads.merged", "A capture matched a lead.", outputs.LeadMerged, "capture", f"scoring prediction {_ARRIVALS}"
)
SCORED = _output(
    "leads.scored",
    "The score differs, or is the lead's first.",
    outputs.LeadScored,
    "scoring",
    "assignment nurture prediction",
)
UPDATED = _output(
    "leads.updated",
    "Status, owner, consent or a field changed by something without a topic of its own.",
    outputs.LeadUpdated,
    "capture engagement qualification",
    "assignment nurture scoring prediction tasks",
)
ASSIGNED = _output(
    "leads.assigned",
    "A rule set the owner.",
    outputs.LeadAssigned,
    "assignment",
    "scoring tasks",
)
TRIGGERED = _output("leads.triggered", "Behaviour matched a trigger.", outputs.LeadTriggered, "engagement", "nurture")
QUALIFIED = _output("leads.qualified", "The lead is fit.", outputs.LeadQualified, "qualification", "scoring")
DISQUALIFIED = _output(
    "leads.disqualified", "The lead is not fit.", outputs.LeadDisqualified, "qualification", "scoring"
)
ENROLLED = _output("nurture.enrolled", "A lead entered a sequence.", outputs.NurtureEnrolled, "nurture")
ACTIONS = _output("nurture.actions", "A nurture step is due.", outputs.NurtureAction, "nurture", "mailer dialer tasks")
TASK_CREATED = _output("tasks.created", "A task came to be.", TaskCreated, "tasks")
TASK_UPDATED = _output("tasks.updated", "A task changed.", TaskUpdated, "tasks")
CONVERTED = _output(
    "leads.converted",
    "A lead became an opportunity.",
    outputs.LeadConverted,
    "conversion",
    "opportunity-service assignment nurture scoring prediction tasks",
)
REJECTED = _output(
    "leads.rejected",
    "A valid command broke a business rule.",
    outputs.LeadRejected,
    "qualification tasks conversion erasure",
)
ERASED = _output(
    "leads.erased", "Personal data is gone.", outputs.LeadErased, "erasure", "assignment nurture prediction"
)
SUSPECTED = _output("leads.suspected", "Two leads look like one person.", outputs.LeadSuspected, "setup")
DEADLETTER = Topic(
    "leads.deadletter",
    "A record that no handler can use, as it came, with the failure in its headers.",
    outputs.DeadLetter,
    "deadletter",
    ("every worker",),
    ("operations", *_ALL_OUTPUTS),
    key="original",
    partitions=3,
    retention=timedelta(days=90),
)
RESCORE = Topic(
    "leads.rescore",
    "Internal: something that a lead's score depends on has changed.",
    outputs.RescoreRequested,
    "internal",
    ("engagement", "scoring"),
    ("scoring", "prediction", *_ALL_OUTPUTS),
    retention=timedelta(days=7),
)

TOPICS = {
    topic.name: topic
    for topic in (
        *(CAPTURED, ACTIVITIES, ENGAGEMENTS, QUALIFY, UPDATE, TASKS, CONVERT, ERASE),
        *(CREATED, MERGED, SCORED, UPDATED, ASSIGNED, TRIGGERED, QUALIFIED, DISQUALIFIED),
        *(ENROLLED, ACTIONS, TASK_CREATED, TASK_UPDATED),
        *(CONVERTED, REJECTED, ERASED, SUSPECTED, DEADLETTER, RESCORE),
    )
}
"""All topics by name."""
