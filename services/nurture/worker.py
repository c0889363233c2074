"""The nurture worker: a first score or a trigger enrols a lead.

The scheduler publishes the steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from schemas.topics import CONVERTED, ENROLLED, ERASED, SCORED, TRIGGERED, UPDATED
from services.nurture import store
from services.nurture.domain import sequences as config
from services.nurture.domain.decide import BegunRound, NurtureEvent, NurtureOutcome, NurtureRules, decide_batch
from services.nurture.domain.enrolment import enrolled_event
from services.nurture.domain.steps import SENT
from services.nurture.scheduler import Scheduler, actions_of
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.consent.contact_permission import MAILED
from shared.domain.ids import derive
from shared.kafka.events import Outgoing, Received, emit
from shared.leads.rights import CONFIGURED
from shared.mongo import names as c
from shared.mongo.retries import retry_on_conflict
from shared.policies import policy_of

NAME = "nurture"
TOPICS = (SCORED, TRIGGERED, CONVERTED, UPDATED, ERASED)


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the sequences file is invalid."""
    sequences = Reloading(runtime.settings.sequences_file, config.Sequences, runtime.settings.zone)
    scheduler = Scheduler(runtime, NAME)
    storage, clock, policy, zone = runtime.storage, runtime.clock, policy_of(runtime.settings), runtime.settings.zone

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        causes = {one.key: one for one in received if _matters(one)}
        events, rules = [_event(one) for one in causes.values()], NurtureRules(sequences.current, policy, zone)
        async for _ in retry_on_conflict():
            plan = decide_batch(await store.read_nurture_view(storage, events), events, clock(), rules)
            if await store.save_enrolments(storage, plan.enrolments):
                break
        await store.cancel_steps(storage, plan.ended, clock())
        await store.cancel_steps(storage, plan.unmailable, clock(), MAILED)
        erased = await store.delete_erased(storage, plan.leads_to_check)
        scheduler.poller.wake()
        kept = [one for one in plan.outcomes if one.event.lead_id not in erased]
        return [event for one in kept for event in _events(one, causes[one.event.key])]

    return Worker(NAME, TOPICS, handle, pollers=(scheduler.poller,), files=(sequences,), lanes=2)


def _matters(received: Received) -> bool:
    return received.record.topic != SCORED.name or received.payload.previous_score is None


def _event(received: Received) -> NurtureEvent:
    topic, payload, cause = received.record.topic, received.payload, received.cause
    return NurtureEvent(
        received.key,
        str(received.lead_id),
        cause.event_id,
        cause.correlation_id,
        first_score=payload.score if topic == SCORED.name else None,
        trigger=payload.trigger if topic == TRIGGERED.name else None,
        changes_mail_consent=topic == UPDATED.name and "consent.email" in payload.changed,
        erases=topic == ERASED.name,
    )


def _events(outcome: NurtureOutcome, received: Received) -> Iterator[Outgoing]:
    for round_ in outcome.rounds:
        yield _enrolled(round_, received)
        yield from actions_of((step for step in round_.steps if step.get("atOnce") and step["state"] == SENT), NAME)[0]


def _enrolled(round_: BegunRound, received: Received) -> Outgoing:
    enrolment, payload = round_.enrolment, enrolled_event(round_.enrolment, round_.steps)
    # One trigger can enrol in several sequences: each event needs its own id.
    cause = replace(received.cause, key=derive(received.key, enrolment["sequenceId"]))
    return emit(ENROLLED, payload, cause=cause, key=enrolment["leadId"], source=f"/services/{NAME}", at=round_.at)


MANIFEST = Manifest(
    name=NAME,
    says="enrols leads in sequences, publishes due steps",
    stage=60,
    topics=TOPICS,
    build=build,
    rights={c.LEADS: "find", **dict.fromkeys((c.ENROLMENTS, c.STEPS), "find insert update remove"), **CONFIGURED},
    create_indexes=(store.create_indexes,),
)
