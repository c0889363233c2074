"""The nurture worker: a first score or a trigger enrols a lead.

The scheduler publishes the steps.
"""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from schemas.topics import CONVERTED, ENROLLED, ERASED, SCORED, TRIGGERED, UPDATED
from services.nurture import store
from services.nurture.domain import sequences as config
from services.nurture.domain.enrolment import (
    EnrolmentCause,
    EnrolmentPlan,
    EnrolmentRequest,
    decide_first_step,
    enrolled_event,
    has_new_causes,
    plan_enrolment,
    round_of,
    select_sequence,
)
from services.nurture.domain.steps import SENT, reason_to_end
from services.nurture.scheduler import Scheduler, actions_of
from shared.config import Reloading
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.consent.contact_permission import MAILED, ConsentPolicy, may
from shared.domain.consent.statements import EMAIL
from shared.domain.ids import derive
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.untyped import Document
from shared.kafka.events import Outgoing, Received, emit
from shared.leads.documents import read_leads
from shared.leads.rights import CONFIGURED
from shared.mongo import names as c
from shared.mongo.names import ENROLMENTS, LEADS, STEPS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Storage
from shared.policies import policy_of

NAME = "nurture"
TOPICS = (SCORED, TRIGGERED, CONVERTED, UPDATED, ERASED)
_CausedRequest = tuple[Received, EnrolmentRequest]
_Started = Mapping[tuple[str, str], Collection[str]]


def build(runtime: Runtime) -> Worker:
    """Return the worker. Raises `ConfigError` when the sequences file is invalid."""
    sequences = Reloading(runtime.settings.sequences_file, config.Sequences, runtime.settings.zone)
    scheduler = Scheduler(runtime, NAME)
    storage, policy = runtime.storage, policy_of(runtime.settings)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        unique = list({one.key: one for one in received if _matters(one)}.values())
        leads, started = await asyncio.gather(
            read_leads(storage, (str(one.lead_id) for one in unique)),
            store.find_started_sequences(storage, {str(one.lead_id) for one in unique if _enrols(one)}),
        )
        over = {lead_id: why for lead_id, lead in leads.items() if (why := reason_to_end(lead, policy))}
        current = sequences.current
        known = [one for one in unique if str(one.lead_id) in leads]
        wanted = [wanted for one in known for wanted in _find_requests(one, leads[str(one.lead_id)], current, started)]
        events = await _enrol(runtime, [one for one in wanted if _may_enrol(*one, over, started)], current)
        await store.cancel_steps(storage, over, runtime.clock())
        await store.cancel_steps(storage, _find_unmailable(unique, leads, over, policy), runtime.clock(), MAILED)
        gone = await _find_erased(storage, {str(one.lead_id) for one in unique})
        await store.delete_leads(storage, gone)
        scheduler.poller.wake()
        return [event for event in events if (event.key or b"").decode() not in gone]

    return Worker(NAME, TOPICS, handle, pollers=(scheduler.poller,), files=(sequences,), lanes=2)


async def _find_erased(storage: Storage, lead_ids: Collection[str]) -> set[str]:
    """Return the leads that are erased by now; read this after all writes.

    An erasure deletes the lead first and its documents later. So either the erasure finds the documents of this worker,
    or this worker finds the lead deleted.
    Crash before this read → documents of an erased lead may remain → the redelivery deletes them.
    """
    return set(lead_ids) - (await storage.read(LEADS, lead_ids, fields=("_id",))).keys()


def _find_unmailable(
    received: Collection[Received], leads: Mapping[str, LeadDocument], over: Collection[str], policy: ConsentPolicy
) -> dict[str, str]:
    """Return the leads that these events withdrew from mail, and why.

    A lead counts only if it still says so.
    """
    changes = [one for one in received if one.record.topic == UPDATED.name and "consent.email" in one.payload.changed]
    ids = {str(one.lead_id) for one in changes} & (leads.keys() - over)
    permissions = {lead_id: may(EMAIL, leads[lead_id], policy) for lead_id in ids}
    return {lead_id: one.why for lead_id, one in permissions.items() if not one.allowed}


async def _enrol(runtime: Runtime, wanted: Sequence[_CausedRequest], sequences: config.Sequences) -> list[Outgoing]:
    """Enrol as requested; return the events of each round that these causes began.

    They began it now or in an earlier delivery.
    """
    requests: dict[str, list[EnrolmentRequest]] = {}
    for _, request in wanted:
        requests.setdefault(request.enrolment_id, []).append(request)
    done: dict[str, EnrolmentPlan] = {}
    policy, zone = policy_of(runtime.settings), runtime.settings.zone

    async for _ in retry_on_conflict():
        existing = await runtime.storage.read(ENROLMENTS, requests)
        live = await store.find_live(
            runtime.storage, [one for one in existing.values() if has_new_causes(one, requests[one["_id"]])]
        )
        now = runtime.clock()
        plans = [
            decide_first_step(
                plan_enrolment(existing.get(id_), some, sequences, now, live=id_ in live),
                some[0].lead,
                now,
                policy,
                zone,
            )
            for id_, some in requests.items()
        ]
        stored = await store.save_enrolments(runtime.storage, plans)
        if stored is not None:
            done = {one.enrolment["_id"]: one for one in stored}
            break
    return await _round_events(runtime, wanted, done)


async def _round_events(
    runtime: Runtime, wanted: Sequence[_CausedRequest], done: Mapping[str, EnrolmentPlan]
) -> list[Outgoing]:
    began = [
        (received, done[request.enrolment_id].enrolment, round_)
        for received, request in wanted
        if (round_ := round_of(done[request.enrolment_id].enrolment, received.key))
    ]
    steps = {step["_id"]: step for one in done.values() for step in one.steps}
    ids = [step_id for _, _, round_ in began for step_id in round_["stepIds"] if step_id not in steps]
    steps |= await runtime.storage.read(STEPS, ids)
    return [event for received, enrolment, round_ in began for event in _events(received, enrolment, round_, steps)]


def _events(
    received: Received, enrolment: Document, round_: Mapping[str, Any], steps: Mapping[str, Document]
) -> Iterator[Outgoing]:
    if not steps.keys() >= set(round_["stepIds"]):
        return  # an erasure has deleted steps of this lead meanwhile
    own = [steps[step_id] for step_id in round_["stepIds"]]
    payload = enrolled_event(enrolment, own)
    # One trigger can enrol in several sequences: each event needs its own id.
    cause = replace(received.cause, key=derive(received.key, enrolment["sequenceId"]))
    yield emit(ENROLLED, payload, cause=cause, key=enrolment["leadId"], source=f"/services/{NAME}", at=round_["at"])
    yield from actions_of((step for step in own if step.get("atOnce") and step["state"] == SENT), NAME)[0]


def _matters(received: Received) -> bool:
    return received.record.topic != SCORED.name or received.payload.previous_score is None


def _is_first_score(received: Received) -> bool:
    return received.record.topic == SCORED.name and received.payload.previous_score is None


def _enrols(received: Received) -> bool:
    return received.record.topic == TRIGGERED.name or _is_first_score(received)


def _may_enrol(received: Received, request: EnrolmentRequest, over: Collection[str], started: _Started) -> bool:
    """Return whether to apply a request.

    It applies if the lead's nurture goes on, or if this cause began it before.

    Crash after writing → the first step is decided, not published → only this redelivery can publish it.
    """
    lead_id = request.lead["_id"]
    return lead_id not in over or request.sequence.id in started.get((lead_id, received.key), ())


def _find_requests(
    received: Received, lead: LeadDocument, sequences: config.Sequences, started: _Started
) -> Iterator[_CausedRequest]:
    """Yield the enrolments that this event requests for its lead."""
    payload = received.payload
    if _is_first_score(received):
        # In a redelivery, a first score selects the same sequence, even if lead or file have changed.
        before = next(iter(started.get((lead["_id"], received.key), ())), None)
        # The event has the lead's first score; the document may have a later one.
        chosen = sequences.find(before) if before else select_sequence({**lead, "score": payload.score}, sequences)
        if chosen:
            yield (
                received,
                EnrolmentRequest(lead, chosen, _enrolment_cause(received, f"its first score was {payload.score}")),
            )
    if received.record.topic == TRIGGERED.name:
        for sequence in sequences.sequences:
            if payload.trigger in sequence.triggers:
                yield (
                    received,
                    EnrolmentRequest(
                        lead, sequence, _enrolment_cause(received, f"it set off the trigger '{payload.trigger}'")
                    ),
                )


def _enrolment_cause(received: Received, why: str) -> EnrolmentCause:
    return EnrolmentCause(received.key, received.event.id, received.cause.correlation_id, why)


MANIFEST = Manifest(
    name=NAME,
    says="enrols leads in sequences, publishes due steps",
    stage=60,
    topics=TOPICS,
    build=build,
    rights={c.LEADS: "find", **dict.fromkeys((c.ENROLMENTS, c.STEPS), "find insert update remove"), **CONFIGURED},
    create_indexes=(store.create_indexes,),
)
