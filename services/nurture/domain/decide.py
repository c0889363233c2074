"""Nurture's decision: what one event does to its lead's enrolments (schemas/README.md#nurture)."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

from services.nurture.domain import sequences as config
from services.nurture.domain.enrolment import EnrolmentCause, EnrolmentRequest
from services.nurture.domain.rounds import EnrolmentPlan, decide_first_step, enrol, round_of
from services.nurture.domain.sequences import DEFAULT_SEQUENCE, Sequences
from services.nurture.domain.steps import SCHEDULED, reason_to_end
from shared.domain.consent.contact_permission import ConsentPolicy, may
from shared.domain.consent.statements import EMAIL
from shared.domain.rules.conditions import evaluate_conditions
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.nurture_documents import EnrolmentDocument, StepDocument


@dataclass(frozen=True, slots=True)
class NurtureEvent:
    """An event as nurture reads it: a first score, a trigger, or any other change or the erasure of its lead."""

    key: str
    lead_id: str
    event_id: str
    correlation_id: str
    first_score: int | None = None
    trigger: str | None = None
    changes_mail_consent: bool = False
    erases: bool = False

    @property
    def enrols(self) -> bool:
        """Whether it may enrol its lead."""
        return self.first_score is not None or self.trigger is not None


@dataclass(frozen=True, slots=True)
class NurtureRules:
    """The configuration that decisions depend on. Dates without a zone are in `zone`."""

    sequences: Sequences
    policy: ConsentPolicy
    zone: tzinfo


@dataclass(frozen=True, slots=True)
class NurtureView:
    """The stored documents that a batch depends on, and the enrolments as it has planned them so far.

    `started` has the sequences that a cause began, by lead and cause. `steps` has the steps of these rounds.
    """

    leads: Mapping[str, LeadDocument]
    enrolments: Mapping[str, EnrolmentPlan] = field(default_factory=dict)
    started: Mapping[tuple[str, str], Collection[str]] = field(default_factory=dict)
    steps: Mapping[str, StepDocument] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BegunRound:
    """A round that an event began, now or in an earlier delivery, with its steps."""

    enrolment: EnrolmentDocument
    at: datetime
    steps: Sequence[StepDocument]


@dataclass(frozen=True, slots=True)
class NurtureOutcome:
    """The outcome of one event: its lead's enrolments after it, and the rounds that it began.

    `ended` says why nurture is over for the lead, `unmailable` why the event ends mail to it.
    """

    event: NurtureEvent
    enrolments: Mapping[str, EnrolmentPlan] = field(default_factory=dict)
    rounds: Sequence[BegunRound] = ()
    ended: str | None = None
    unmailable: str | None = None


@dataclass(frozen=True, slots=True)
class NurturePlan:
    """What follows from a batch's outcomes, which are in the events' order."""

    outcomes: Sequence[NurtureOutcome]

    @property
    def enrolments(self) -> Sequence[EnrolmentPlan]:
        """The enrolments and steps to write."""
        return list({id_: plan for one in self.outcomes for id_, plan in one.enrolments.items()}.values())

    @property
    def leads_to_check(self) -> set[str]:
        """The leads whose enrolments may outlive an erasure: this delivery or an earlier one may have stored them."""
        return {one.event.lead_id for one in self.outcomes if one.event.enrols or one.event.erases}

    @property
    def ended(self) -> Mapping[str, str]:
        """The leads whose steps are all to be cancelled, and why."""
        return {one.event.lead_id: one.ended for one in self.outcomes if one.ended}

    @property
    def unmailable(self) -> Mapping[str, str]:
        """The leads whose mail is to be cancelled, and why."""
        return {one.event.lead_id: one.unmailable for one in self.outcomes if one.unmailable}


def decide_batch(view: NurtureView, events: Iterable[NurtureEvent], now: datetime, rules: NurtureRules) -> NurturePlan:
    """Return the plan of a batch: each event is decided after the events before it."""
    outcomes = []
    for event in events:
        view, outcome = decide(view, event, now, rules)
        outcomes.append(outcome)
    return NurturePlan(outcomes)


def decide(
    view: NurtureView, event: NurtureEvent, now: datetime, rules: NurtureRules
) -> tuple[NurtureView, NurtureOutcome]:
    """Decide on one event; return the view for the next one, and the outcome.

    An event of an unknown lead changes nothing: the lead is erased.
    """
    lead = view.leads.get(event.lead_id)
    if lead is None:
        return view, NurtureOutcome(event)
    ended = reason_to_end(lead, rules.policy)
    begun = view.started.get((event.lead_id, event.key), ())
    # Crash after writing → the first step is decided, not published → only a redelivery of its cause can publish it.
    requests = [
        one for one in find_requests(event, lead, begun, rules.sequences) if not ended or one.sequence.id in begun
    ]
    plans = {one.enrolment_id: _enrol(view.enrolments.get(one.enrolment_id), one, now, rules) for one in requests}
    rounds = [round_ for plan in plans.values() for round_ in _begun_rounds(plan, event.key, view.steps)]
    mail = None if ended or not event.changes_mail_consent else may(EMAIL, lead, rules.policy)
    unmailable = mail.why if mail and not mail.allowed else None
    after = replace(view, enrolments={**view.enrolments, **plans}) if plans else view
    return after, NurtureOutcome(event, plans, rounds, ended, unmailable)


def find_requests(
    event: NurtureEvent, lead: LeadDocument, begun: Collection[str], sequences: Sequences
) -> Iterator[EnrolmentRequest]:
    """Yield the enrolments that this event requests; `begun` has the sequences that it began before."""
    if event.first_score is not None and not lead.get("historical"):
        # In a redelivery, a first score selects the same sequence, even if lead or file have changed.
        before = next(iter(begun), None)
        # The event has the lead's first score; the document may have a later one.
        scored: LeadDocument = {**lead, "score": event.first_score}
        chosen = sequences.find(before) if before else select_sequence(scored, sequences)
        if chosen:
            yield EnrolmentRequest(lead, chosen, _cause(event, f"its first score was {event.first_score}"))
    for sequence in sequences.sequences:
        if event.trigger in sequence.triggers:
            yield EnrolmentRequest(lead, sequence, _cause(event, f"it set off the trigger '{event.trigger}'"))


def _cause(event: NurtureEvent, why: str) -> EnrolmentCause:
    return EnrolmentCause(event.key, event.event_id, event.correlation_id, why)


def _enrol(known: EnrolmentPlan | None, request: EnrolmentRequest, now: datetime, rules: NurtureRules) -> EnrolmentPlan:
    plan = enrol(known, request, rules.sequences, now)
    if known and known.enrolment["round"] == plan.enrolment["round"]:
        return plan
    return decide_first_step(plan, request.lead, now, rules.policy, rules.zone)


def _begun_rounds(plan: EnrolmentPlan, key: str, stored: Mapping[str, StepDocument]) -> Iterator[BegunRound]:
    round_ = round_of(plan.enrolment, key)
    if round_:
        steps = {**stored, **{step["_id"]: step for step in plan.steps}}
        if steps.keys() >= set(round_["stepIds"]):  # otherwise an erasure has deleted steps of this lead meanwhile
            yield BegunRound(plan.enrolment, round_["at"], [steps[step_id] for step_id in round_["stepIds"]])


def select_sequence(lead: LeadDocument, sequences: Sequences) -> config.Sequence:
    """Return the sequence for a lead's first score.

    It is that of the first selection that holds, or `default`.
    """
    for selection in sequences.select:
        if evaluate_conditions(selection.conditions, lead).holds:
            return sequences.by_id(selection.sequence)
    return sequences.by_id(DEFAULT_SEQUENCE)


def as_read(enrolments: Iterable[EnrolmentDocument], steps: Iterable[StepDocument]) -> dict[str, EnrolmentPlan]:
    """Return enrolments as they were read, by id: one whose round has scheduled steps is live."""
    scheduled = {step["_id"] for step in steps if step["state"] == SCHEDULED}
    return {
        one["_id"]: EnrolmentPlan(one, one["revision"], live=not scheduled.isdisjoint(one["stepIds"]))
        for one in enrolments
    }


def started_by_cause(steps: Iterable[StepDocument]) -> dict[tuple[str, str], list[str]]:
    """Return the sequences of these steps, by lead and cause."""
    found: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        found.setdefault((step["leadId"], step["cause"]), []).append(step["sequenceId"])
    return found


def repeated_steps(enrolments: Iterable[EnrolmentDocument], events: Iterable[NurtureEvent]) -> list[str]:
    """Return the ids of the steps of rounds that these events began in an earlier delivery."""
    keys = {event.key for event in events}
    rounds = [one for enrolment in enrolments for one in (enrolment, *enrolment["earlier"])]
    return [step_id for one in rounds if one["cause"] in keys for step_id in one["stepIds"]]
