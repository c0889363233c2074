"""The write half of the contract's section 4, for programs."""

import dataclasses
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, UPDATE, Topic
from services.gateway import access, batches, domain
from services.gateway.access import Kind, Principal, Refused, Scope
from services.gateway.documents import ACCEPTED, BATCH, described
from services.gateway.domain import Fault, Invalid
from services.gateway.gateway import JSON, Gateway, event_id, media_type
from services.gateway.people import Person
from shared.domain.ids import derive
from shared.events import Outgoing

NDJSON, CSV = "application/x-ndjson", "text/csv"


def routes(gateway: Gateway) -> APIRouter:
    """The routes, on these parts."""
    router = APIRouter()

    async def send(request: Request, topic: Topic, scope: Scope, lead_id: str | None = None) -> Response:
        sender = await gateway.admit(request, scope)
        media_type(request, JSON)
        sent = domain.parse_object(await request.body())
        data = domain.as_sent(topic, sent, lead_id, sender.name, in_person=isinstance(sender, Person))
        return await gateway.accept(request, topic, sender, data)

    @router.post("/v1/activities", **described(ACCEPTED, ACTIVITIES))
    async def add_activity(request: Request) -> Response:
        """Tell what was done with a lead, named by `leadId` or `email`. Scope `activities:write`."""
        return await send(request, ACTIVITIES, Scope.ACTIVITY)

    @router.post("/v1/engagements", **described(ACCEPTED, ENGAGEMENTS))
    async def add_engagement(request: Request) -> Response:
        """Tell what a lead did, named by `leadId` or `email`. Scope `engagements:write`."""
        return await send(request, ENGAGEMENTS, Scope.ENGAGE)

    @router.post("/v1/leads/{lead_id}/qualify", **described(ACCEPTED, QUALIFY, of_lead=True))
    async def qualify(request: Request, lead_id: str) -> Response:
        """Qualify a lead by `requirements` or by `bant`. Scope `leads:write`."""
        return await send(request, QUALIFY, Scope.COMMAND, lead_id)

    @router.post("/v1/leads/{lead_id}/convert", **described(ACCEPTED, CONVERT, of_lead=True))
    async def convert(request: Request, lead_id: str) -> Response:
        """Make a qualified lead an opportunity. Scope `leads:write`."""
        return await send(request, CONVERT, Scope.COMMAND, lead_id)

    @router.patch("/v1/leads/{lead_id}", **described(ACCEPTED, UPDATE, of_lead=True))
    async def update(request: Request, lead_id: str) -> Response:
        """Change a lead's status or owner. Scope `leads:write`."""
        return await send(request, UPDATE, Scope.COMMAND, lead_id)

    @router.delete("/v1/leads/{lead_id}", **described(ACCEPTED))
    async def erase(request: Request, lead_id: str) -> Response:
        """Erase the lead's personal data everywhere. Scope `leads:erase`."""
        sender = await gateway.admit(request, Scope.ERASE)
        return await gateway.accept(request, ERASE, sender, domain.as_sent(ERASE, {}, lead_id, sender.name))

    @router.post("/v1/scans", **described(BATCH, CAPTURED, media={JSON: "array", NDJSON: "lines", CSV: "lines"}))
    async def scan(request: Request) -> Response:
        """Capture a batch of scans, each with its own `id` and `time` if it has any. Scope `captures:write`.

        Lines that can't be used are told and left out; the others are accepted. The same batch sent twice counts once.
        """
        sender = await gateway.admit(request, Scope.CAPTURE)
        if sender.kind == Kind.FORM:
            raise Refused(403, "A form's key captures one lead at a time.")
        lines = _lines(gateway, sender, await request.body(), media_type(request, JSON, NDJSON, CSV))
        made = [_line(gateway, request, sender, line) for line in lines]
        records = [one for one in made if isinstance(one, Outgoing)]
        return await gateway.accept_all(request, records, [one for one in made if not isinstance(one, Outgoing)])

    return router


def _lines(gateway: Gateway, sender: Principal, body: bytes, kind: str) -> list[batches.Line]:
    source = sender.sources[0].value if sender.sources else None
    try:
        return batches.read(
            body, kind, region=gateway.region, default_source=source, now=gateway.clock(), most=gateway.batch_max
        )
    except batches.Unreadable as error:
        raise Invalid(Fault("(body)", str(error))) from None


def _line(gateway: Gateway, request: Request, sender: Principal, line: batches.Line) -> Outgoing | dict[str, Any]:
    """What to publish for a line, or what to tell of it."""
    if not isinstance(line, batches.Valid):
        return told(line.line, *line.errors)
    batch = event_id(request)
    try:
        access.with_source(sender, {"source": line.capture.source})
        id_ = derive("batch", batch, str(line.line)) if batch else line.id
        return gateway.event(request, CAPTURED, sender, line.capture, id_, line.time)
    except Refused as error:
        return told(line.line, Fault("source", error.detail))
    except Invalid as error:
        return told(line.line, *error.faults)


def told(line: int, *faults: Fault) -> dict[str, Any]:
    """What a batch's answer says of a line that can't be used."""
    return {"line": line, "errors": [dataclasses.asdict(fault) for fault in faults]}
