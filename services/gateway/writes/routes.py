"""Write routes for programs (schemas/README.md#http)."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, UPDATE, Topic
from services.gateway.auth.domain import principals
from services.gateway.auth.domain.principals import HttpProblem, KeyKind, Principal, Scope
from services.gateway.auth.domain.users import User
from services.gateway.web.context import (
    JSON,
    BatchNotices,
    BatchRecord,
    Rejection,
    RequestContext,
    WarningPart,
    chosen_event_id,
    media_type,
)
from services.gateway.web.openapi import ACCEPTED, SCANS, describe_write
from services.ingest.domain import batches, capture_events, lines
from services.ingest.domain.batches import Batch
from services.ingest.domain.capture_events import Fault, Invalid
from services.ingest.domain.tables.table import UnreadableTable
from services.ingest.domain.tables.text_decoding import encoding_of
from services.ingest.domain.values.moment_reading import DateOrder
from shared.domain.ids import derive

WARNINGS_MAX = 200
"""The most warnings in an answer."""
NDJSON, CSV = "application/x-ndjson", "text/csv"


def routes(gateway: RequestContext) -> APIRouter:
    """Return the routes."""
    router = APIRouter()

    async def send(request: Request, topic: Topic, scope: Scope, lead_id: str | None = None) -> Response:
        sender = await gateway.admit(request, scope)
        media_type(request, JSON)
        sent = capture_events.parse_json_object(await request.body())
        data = capture_events.as_sent(topic, sent, lead_id, sender.name, in_person=isinstance(sender, User))
        return await gateway.accept(request, topic, sender, data)

    @router.post("/v1/activities", **describe_write(ACCEPTED, ACTIVITIES))
    async def add_activity(request: Request) -> Response:
        """Record an activity with a lead, named by `leadId` or `email`. Scope `activities:write`."""
        return await send(request, ACTIVITIES, Scope.ACTIVITY)

    @router.post("/v1/engagements", **describe_write(ACCEPTED, ENGAGEMENTS))
    async def add_engagement(request: Request) -> Response:
        """Record what a lead did, named by `leadId` or `email`. Scope `engagements:write`."""
        return await send(request, ENGAGEMENTS, Scope.ENGAGE)

    @router.post("/v1/leads/{lead_id}/qualify", **describe_write(ACCEPTED, QUALIFY, of_lead=True))
    async def qualify(request: Request, lead_id: str) -> Response:
        """Qualify a lead by `requirements` or by `bant`. Scope `leads:write`."""
        return await send(request, QUALIFY, Scope.COMMAND, lead_id)

    @router.post("/v1/leads/{lead_id}/convert", **describe_write(ACCEPTED, CONVERT, of_lead=True))
    async def convert(request: Request, lead_id: str) -> Response:
        """Convert a qualified lead into an opportunity. Scope `leads:write`."""
        return await send(request, CONVERT, Scope.COMMAND, lead_id)

    @router.patch("/v1/leads/{lead_id}", **describe_write(ACCEPTED, UPDATE, of_lead=True))
    async def update(request: Request, lead_id: str) -> Response:
        """Change a lead's status or owner. Scope `leads:write`."""
        return await send(request, UPDATE, Scope.COMMAND, lead_id)

    @router.delete("/v1/leads/{lead_id}", **describe_write(ACCEPTED))
    async def erase(request: Request, lead_id: str) -> Response:
        """Erase the lead's personal data everywhere. Scope `leads:erase`."""
        sender = await gateway.admit(request, Scope.ERASE)
        return await gateway.accept(request, ERASE, sender, capture_events.as_sent(ERASE, {}, lead_id, sender.name))

    @router.post("/v1/scans", **describe_write(SCANS, CAPTURED, media={JSON: "array", NDJSON: "lines", CSV: "lines"}))
    async def scan(request: Request) -> Response:
        """Capture a batch of scans, each with an optional `id` and `time`. Scope `captures:write`.

        A line needs a name, of a person or a company, and an address or a phone number. Other values that can't be
        used are kept in the `context`, and `warnings` lists them. Invalid lines are reported and left out. Without a
        valid line the answer is 422. The same batch sent twice counts once.

        `dates=day-first` or `dates=month-first` sets how a CSV file writes dates such as 03/04/2026, where no date of
        the file shows it. `encoding=windows-1250` and the like set an encoding other than UTF-8 and Western European
        ones.
        """
        sender = await gateway.admit(request, Scope.CAPTURE)
        if sender.kind == KeyKind.FORM:
            raise HttpProblem(403, "A form key captures one lead at a time.")
        kind = media_type(request, JSON, NDJSON, CSV)
        batch = _batch(gateway, sender, await request.body(), kind, request)
        made = [_line(gateway, request, sender, line) for line in batch.lines]
        return await gateway.accept_all(request, made, _notices(batch))

    return router


def _dates(request: Request) -> DateOrder | None:
    given = request.query_params.get("dates")
    if given is not None and given not in set(DateOrder):
        raise Invalid(Fault("dates", f"must be one of: {', '.join(DateOrder)}"))
    return DateOrder(given) if given else None


def _encoding(request: Request) -> str | None:
    given = request.query_params.get("encoding")
    found = encoding_of(given) if given else None
    if given is not None and found is None:
        raise Invalid(Fault("encoding", "must be an encoding of a text file, such as windows-1250 or windows-1251"))
    return found


def _batch(gateway: RequestContext, sender: Principal, body: bytes, kind: str, request: Request) -> Batch:
    sources = [source.value for source in sender.sources]
    terms = lines.Terms(
        gateway.region,
        next(iter(sources), None),
        gateway.clock(),
        dates=_dates(request),
        encoding=_encoding(request),
        sources=frozenset(sources),
        placeholders=gateway.placeholders.current,
        attributes=gateway.attributes.current,
    )
    try:
        return batches.judge_batch(body, kind, terms, gateway.batch_max)
    except UnreadableTable as error:
        raise Invalid(Fault("(body)", str(error))) from None


def _notices(batch: Batch) -> BatchNotices:
    """Return the answer's notes on changed values and on the batch as a whole."""
    found: list[WarningPart] = [
        {"line": line.line, "column": one.path, "message": one.message}
        for line in batch.lines
        if isinstance(line, lines.ValidLine)
        for one in line.warnings
    ]
    more = [f"there are {len(found) - WARNINGS_MAX} more warnings"] if len(found) > WARNINGS_MAX else []
    return {"warnings": found[:WARNINGS_MAX], "remarks": [*batch.remarks, *more]}


def _line(
    gateway: RequestContext, request: Request, sender: Principal, line: lines.JudgedLine
) -> BatchRecord | Rejection:
    """Return the record to publish for a line, or its rejection."""
    if not isinstance(line, lines.ValidLine):
        return reject_line(line.line, *line.errors, *line.unkept)
    batch = chosen_event_id(request)
    try:
        principals.with_source(sender, {"source": line.capture.source})
        id_ = derive("batch", batch, str(line.line)) if batch else line.id
        return BatchRecord(id_, gateway.event(request, CAPTURED, sender, line.capture, id_, line.time))
    except HttpProblem as error:
        path = "historical" if line.capture.historical and Scope.HISTORY not in sender.scopes else "source"
        return reject_line(line.line, Fault(path, error.detail))
    except Invalid as error:
        return reject_line(line.line, *error.faults)


def reject_line(line: int, *faults: Fault) -> Rejection:
    """Return the answer's part about a line that can't be used."""
    return {"line": line, "errors": [{"path": fault.path, "message": fault.message} for fault in faults]}
