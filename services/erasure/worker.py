"""The erasure worker: `leads.erase` erases personal data; `leads.erased` reports it."""

from collections.abc import Mapping, Sequence

from schemas.outputs import LeadErased, LeadRejected
from schemas.reasons import RejectionReason
from schemas.topics import ERASE, ERASED, REJECTED
from services.erasure import store
from services.erasure.domain.decide import KnownLeads, decide_verdict, not_found
from shared.consuming.worker import Manifest, Runtime, Worker
from shared.domain.stored.command_documents import VerdictDocument
from shared.kafka.events import Outgoing, Received, Unknown, emit
from shared.leads.documents import leads_by_email, names_in, older_names_in, read_leads
from shared.leads.erasure_markers import erased
from shared.leads.pending import LEAD_EXISTS
from shared.leads.rights import PENDING
from shared.mongo import names as c
from shared.mongo.names import COMMANDS
from shared.mongo.retries import retry_on_conflict

NAME = "erasure"
TOPICS = (ERASE, *LEAD_EXISTS)
_SOURCE = f"/services/{NAME}"


def build(runtime: Runtime) -> Worker:
    """Return the worker."""
    region, pepper = runtime.settings.region, runtime.settings.erasure_pepper.get_secret_value()

    async def handle(received: Sequence[Received]) -> Sequence[Outgoing | Unknown]:
        commands = {one.key: one for one in received}
        async for _ in retry_on_conflict():
            known = await _read_known(runtime, list(commands.values()))
            verdicts = _verdicts(runtime, commands, known)
            fresh = [row for key, row in verdicts.items() if key not in known.verdicts]
            if not await store.record_verdicts(runtime.storage, fresh):
                continue
            pending = [row for row in verdicts.values() if not row["done"]]
            if await store.erase(runtime.storage, pending, region, pepper):
                break
        unknown = [Unknown(one, max(names_in(one.payload))) for key, one in commands.items() if key not in verdicts]
        return [*unknown, *(_event(commands[key], row) for key, row in verdicts.items())]

    return Worker(NAME, TOPICS, handle, parks_unknown_leads=True)


async def _read_known(runtime: Runtime, commands: Sequence[Received]) -> KnownLeads:
    storage = runtime.storage
    by_email = await leads_by_email(storage, (one.payload.email for one in commands if not one.payload.lead_id))
    named = [one.payload.lead_id for one in commands if one.payload.lead_id]
    names = {name for one in commands for name in names_in(one.payload)}
    older = {name: today for one in commands for name, today in older_names_in(one.payload).items()}
    return KnownLeads(
        await storage.read(COMMANDS, (one.key for one in commands)),
        by_email,
        frozenset(await read_leads(storage, [*by_email.values(), *named])),
        await erased(storage, names, runtime.settings.erasure_pepper.get_secret_value(), older),
    )


def _verdicts(runtime: Runtime, commands: Mapping[str, Received], known: KnownLeads) -> dict[str, VerdictDocument]:
    found, now = {}, runtime.clock()
    for key, one in commands.items():
        lead_id = one.payload.lead_id
        row = decide_verdict(key, lead_id, one.payload.email, known, now)
        if row is None and one.final and lead_id:
            row = not_found(key, lead_id, now)
        if row is not None:
            found[key] = row
    return found


def _event(received: Received, row: VerdictDocument) -> Outgoing:
    lead_id, at = row["leadId"], row["at"]
    if row["reason"] is None:
        erased_ = LeadErased(lead_id=lead_id)
        return emit(ERASED, erased_, cause=received.cause, key=lead_id, source=_SOURCE, at=at)
    rejected = LeadRejected(
        lead_id=lead_id,
        command=ERASE.name,
        command_id=received.event.id,
        reason=RejectionReason(row["reason"]),
        detail=row["detail"],
    )
    return emit(REJECTED, rejected, cause=received.cause, key=lead_id, source=_SOURCE, at=at)


MANIFEST = Manifest(
    name=NAME,
    says="takes a lead's personal data out of every collection",
    stage=80,
    topics=TOPICS,
    build=build,
    rights={
        **PENDING,
        c.COMMANDS: "find insert update",
        c.LEADS: "find remove",
        c.CAPTURES: "find insert update",
        c.IDENTITIES: "find update remove",
        c.ERASURE_MARKERS: "find insert update",
        **dict.fromkeys((c.LEAD_ROWS, c.LEAD_WORDS), "update"),
        **{one.name: "remove" for one in store.PURGED},
        **dict.fromkeys((c.EDITS, c.TIMELINE), "find remove"),
        c.OUTCOMES: "insert update",
    },
)
