"""The nurture worker: a first score or a trigger enrols a lead; its steps go out when they are due."""

import asyncio
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from schemas.topics import CONVERTED, ENROLLED, ERASED, SCORED, TRIGGERED, UPDATED
from services.nurture import sequences as config
from services.nurture import store
from services.nurture.domain import SENT, ending
from services.nurture.enrolment import Admission, Cause, Wish, admit, begin, enrolled, news, pick, round_of
from services.nurture.scheduler import Scheduler, actions_of
from shared.collections import ENROLMENTS, LEADS, STEPS
from shared.config import Reloading
from shared.domain.consent import EMAIL
from shared.domain.ids import derive
from shared.domain.permission import MAILED, Policy, may
from shared.events import Outgoing, Received, emit
from shared.leads import read_leads
from shared.policies import policy_of
from shared.storage import Document, Storage
from shared.worker import Runtime, Worker, settle

NAME = "nurture"
TOPICS = (SCORED, TRIGGERED, CONVERTED, UPDATED, ERASED)
_Wanted = tuple[Received, Wish]
_Begun = Mapping[tuple[str, str], Collection[str]]


def build(runtime: Runtime) -> Worker:
    """The worker, ready to run. Raises `ConfigError` when the sequences file is wrong."""
    sequences = Reloading(runtime.settings.sequences_file, config.Sequences, runtime.settings.zone)
    scheduler = Scheduler(runtime, NAME)
    storage, policy = runtime.storage, policy_of(runtime.settings)

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing]:
        unique = list({one.key: one for one in received if _matters(one)}.values())
        leads, begun = await asyncio.gather(
            read_leads(storage, (str(one.lead_id) for one in unique)),
            store.begun(storage, {str(one.lead_id) for one in unique if _enrols(one)}),
        )
        over = {lead_id: why for lead_id, lead in leads.items() if (why := ending(lead, policy))}
        current = sequences.current
        known = [one for one in unique if str(one.lead_id) in leads]
        wanted = [wanted for one in known for wanted in _wanted(one, leads[str(one.lead_id)], current, begun)]
        events = await _enrol(runtime, [one for one in wanted if _stands(*one, over, begun)], current)
        await store.cancel(storage, over, runtime.clock())
        await store.cancel(storage, _no_mail(unique, leads, over, policy), runtime.clock(), MAILED)
        gone = await _gone(storage, {str(one.lead_id) for one in unique})
        await store.forget(storage, gone)
        scheduler.alarm.wake()
        return [event for event in events if (event.key or b"").decode() not in gone]

    return Worker(NAME, TOPICS, handle, (sequences.watch,), (scheduler.alarm,), lanes=2)


async def _gone(storage: Storage, lead_ids: Collection[str]) -> set[str]:
    """Those of these leads that were erased by now.

    Asked after all is written: an erasure deletes the lead first and what belongs to it then, so that either it finds
    what was written here, or it is found here. A process that is killed in between gets the event again.
    """
    return set(lead_ids) - (await storage.read(LEADS, lead_ids, fields=("_id",))).keys()


def _no_mail(
    received: Collection[Received], leads: Mapping[str, Document], over: Collection[str], policy: Policy
) -> dict[str, str]:
    """The leads whose consent to mail these events took, and why; as long as the lead itself still says so."""
    told = [one for one in received if one.record.topic == UPDATED.name and "consent.email" in one.payload.changed]
    ids = {str(one.lead_id) for one in told} & (leads.keys() - over)
    permissions = {lead_id: may(EMAIL, leads[lead_id], policy) for lead_id in ids}
    return {lead_id: one.why for lead_id, one in permissions.items() if not one.allowed}


async def _enrol(runtime: Runtime, wanted: Sequence[_Wanted], sequences: config.Sequences) -> list[Outgoing]:
    """Fulfil these wishes; tell of each round that one of these events began, now or before."""
    wishes: dict[str, list[Wish]] = {}
    for _, wish in wanted:
        wishes.setdefault(wish.enrolment_id, []).append(wish)
    done: dict[str, Admission] = {}
    policy, zone = policy_of(runtime.settings), runtime.settings.zone

    async def attempt() -> bool:
        there = await runtime.storage.read(ENROLMENTS, wishes)
        live = await store.live(runtime.storage, [one for one in there.values() if news(one, wishes[one["_id"]])])
        now = runtime.clock()
        admissions = [
            begin(admit(there.get(id_), some, sequences, now, live=id_ in live), some[0].lead, now, policy, zone)
            for id_, some in wishes.items()
        ]
        stored = await store.admit(runtime.storage, admissions)
        done.update({one.enrolment["_id"]: one for one in stored or ()})
        return stored is not None

    await settle(attempt)
    return await _told(runtime, wanted, done)


async def _told(runtime: Runtime, wanted: Sequence[_Wanted], done: Mapping[str, Admission]) -> list[Outgoing]:
    began = [
        (received, done[wish.enrolment_id].enrolment, round_)
        for received, wish in wanted
        if (round_ := round_of(done[wish.enrolment_id].enrolment, received.key))
    ]
    steps = {step["_id"]: step for one in done.values() for step in one.steps}
    ids = [step_id for _, _, round_ in began for step_id in round_["stepIds"] if step_id not in steps]
    steps |= await runtime.storage.read(STEPS, ids)
    return [event for received, enrolment, round_ in began for event in _events(received, enrolment, round_, steps)]


def _events(
    received: Received, enrolment: Document, round_: Mapping[str, Any], steps: Mapping[str, Document]
) -> Iterator[Outgoing]:
    if not steps.keys() >= set(round_["stepIds"]):
        return  # the lead is erased in this moment: what is left of it is told no more
    own = [steps[step_id] for step_id in round_["stepIds"]]
    payload = enrolled(enrolment, own)
    # One trigger can enrol in several sequences: each of its events has an id of its own.
    cause = replace(received.cause, key=derive(received.key, enrolment["sequenceId"]))
    yield emit(ENROLLED, payload, cause=cause, key=enrolment["leadId"], source=f"/services/{NAME}", at=round_["at"])
    yield from actions_of((step for step in own if step.get("atOnce") and step["state"] == SENT), NAME)[0]


def _matters(received: Received) -> bool:
    return received.record.topic != SCORED.name or received.payload.previous_score is None


def _is_first_score(received: Received) -> bool:
    return received.record.topic == SCORED.name and received.payload.previous_score is None


def _enrols(received: Received) -> bool:
    return received.record.topic == TRIGGERED.name or _is_first_score(received)


def _stands(received: Received, wish: Wish, over: Collection[str], begun: _Begun) -> bool:
    """Whether a wish is to be fulfilled: a lead that has ended is enrolled no more, but what was begun before is told.

    Who was killed between writing and telling has a first step that is decided and out for good, and nobody else who
    would tell of it.
    """
    lead_id = wish.lead["_id"]
    return lead_id not in over or wish.sequence.id in begun.get((lead_id, received.key), ())


def _wanted(received: Received, lead: Document, sequences: config.Sequences, begun: _Begun) -> Iterator[_Wanted]:
    """What this event wants its lead to be enrolled in."""
    payload = received.payload
    if _is_first_score(received):
        # Delivered again, a first score chooses what it chose before, whatever became of lead and file since.
        before = next(iter(begun.get((lead["_id"], received.key), ())), None)
        # The score told is the lead's first; the document may show a later one by now.
        chosen = sequences.find(before) if before else pick({**lead, "score": payload.score}, sequences)
        if chosen:
            yield received, Wish(lead, chosen, _cause(received, f"its first score was {payload.score}"))
    if received.record.topic == TRIGGERED.name:
        for sequence in sequences.sequences:
            if payload.trigger in sequence.triggers:
                yield received, Wish(lead, sequence, _cause(received, f"it set off the trigger '{payload.trigger}'"))


def _cause(received: Received, why: str) -> Cause:
    return Cause(received.key, received.event.id, received.cause.correlation_id, why)
