"""The documents of a round: a lead's enrolment in a sequence, its steps, and their event."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.outputs import NurtureEnrolled, PlannedStep
from services.nurture.domain import sequences as config
from services.nurture.domain.sequences import Sequences, Step
from services.nurture.domain.steps import SCHEDULED
from shared.domain.identity.normal_forms import given_only
from shared.domain.ids import derive
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import EnrolmentDocument, StepDocument

_OF_LEAD = ("industry", "companySize", "firstName")


@dataclass(frozen=True, slots=True)
class EnrolmentCause:
    """The cause of an enrolment, with the attributes of its steps' events.

    `why` is for people.
    """

    key: str
    event_id: str
    correlation_id: str
    why: str


@dataclass(frozen=True, slots=True)
class EnrolmentRequest:
    """A request to enrol a lead in a sequence."""

    lead: LeadDocument
    sequence: config.Sequence
    cause: EnrolmentCause

    @property
    def enrolment_id(self) -> str:
        """The id of the one enrolment of this lead in this sequence."""
        return enrolment_id(self.lead["_id"], self.sequence.id)


def enrolment_id(lead_id: str, sequence_id: str) -> str:
    """Return the derived id of the one enrolment of a lead in a sequence."""
    return derive("enrolment", lead_id, sequence_id)


def new_enrolment(
    request: EnrolmentRequest, sequences: Sequences, now: datetime, round_: int = 1
) -> tuple[EnrolmentDocument, list[StepDocument]]:
    """Return the documents of a new enrolment and of its steps, in the order they are due.

    Both copy what they need of the sequence, so that a later change of the file doesn't affect them. Their ids come
    from lead, sequence and round.
    """
    ordered = sorted(request.sequence.steps, key=lambda step: step.delay)
    pairs = zip(ordered, [None, *ordered], strict=False)
    steps = [_step_document(request, step, before, sequences, now, round_) for step, before in pairs]
    enrolment: EnrolmentDocument = {
        "_id": request.enrolment_id,
        "leadId": request.lead["_id"],
        "sequenceId": request.sequence.id,
        "sequenceName": request.sequence.name,
        "sequenceVersion": request.sequence.version,
        "revision": 1,
        "round": round_,
        "cause": request.cause.key,
        "causes": [request.cause.key],
        "why": request.cause.why,
        "at": now,
        "stepIds": [step["_id"] for step in steps],
        "earlier": [],
    }
    return enrolment, steps


def _lead_values(lead: LeadDocument) -> dict[str, str]:
    """Return what `nurture.enrolled` says of the lead (schemas/README.md#nurtureenrolled)."""
    company, contact = given_only(lead.get("company")), given_only(lead.get("contact"))
    values = (company.get("industry"), company.get("size"), contact.get("firstName"))
    return {name: value for name, value in zip(_OF_LEAD, values, strict=True) if value}


def _step_id(request: EnrolmentRequest, step: Step, round_: int) -> str:
    return derive("step", request.lead["_id"], request.sequence.id, step.id, *([str(round_)] if round_ > 1 else []))


def _step_document(  # noqa: PLR0913 - the parts of one document
    request: EnrolmentRequest, step: Step, before: Step | None, sequences: Sequences, now: datetime, round_: int
) -> StepDocument:
    due, template = truncate_to_ms(now + timedelta(days=step.delay)), sequences.templates[step.template]
    row: StepDocument = {
        "_id": _step_id(request, step, round_),
        "leadId": request.lead["_id"],
        "sequenceId": request.sequence.id,
        "sequenceVersion": request.sequence.version,
        "stepId": step.id,
        "round": round_,
        "dueAt": due,
        "wakeAt": due,
        "state": SCHEDULED,
        "action": step.action,
        "template": step.template,
        "source": {"subject": template.subject, "body": template.body},
        "conditions": [condition.document() for condition in step.conditions],
        "personalization": step.personalization,
        "catchUp": request.sequence.catch_up,
        "lateAfter": request.sequence.late_after,
        "cause": request.cause.key,
        "reason": request.cause.why,
        "causationId": request.cause.event_id,
        "correlationId": request.cause.correlation_id,
    }
    if before is None:
        # The first step keeps the lead's values, so that each publish of `nurture.enrolled` has the same.
        return {**row, "ofLead": _lead_values(request.lead)}
    gap = timedelta(days=step.delay - before.delay).total_seconds()
    return {**row, "previousId": _step_id(request, before, round_), "gap": gap}


def enrolled_event(enrolment: EnrolmentDocument, steps: Collection[StepDocument]) -> NurtureEnrolled:
    """Return the event of a round.

    It depends on stored documents only, so each publish is the same.

    The lead's values replace the steps' own. A round of an earlier release has no values of the lead.
    """
    planned = sorted(steps, key=by_planned_time)
    values = {name: value for step in planned for name, value in step["personalization"].items()}
    own = next((step["ofLead"] for step in planned if "ofLead" in step), None)
    if own is not None:
        values = {name: value for name, value in values.items() if name not in _OF_LEAD} | own
    return NurtureEnrolled(
        lead_id=enrolment["leadId"],
        sequence_id=enrolment["sequenceId"],
        steps=tuple(PlannedStep(step_id=step["stepId"], due_at=planned_at(step)) for step in planned),
        personalization=values,
    )


def by_planned_time(step: StepDocument) -> tuple[datetime, str]:
    """Return the sort key of a round's steps."""
    return planned_at(step), step["stepId"]


def planned_at(step: StepDocument) -> datetime:
    """Return when the step was due when the lead was enrolled."""
    return step.get("plannedAt", step["dueAt"])
