"""Dead letters: show records that no handler could use, and replay them, fixed if needed."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from schemas.topics import DEADLETTER
from services.gateway.auth.domain.principals import HttpProblem, Scope
from services.gateway.dead_letters.domain import review
from services.gateway.dead_letters.domain.review import DeadLetterCounts, DeadLetterPage
from services.gateway.web.context import JSON, RequestContext, add_log_facts, media_type
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import JsonObject, describe_command
from services.gateway.web.responses import describe_model
from services.ingest.domain import capture_events
from services.ingest.domain.capture_events import Fault, Invalid
from shared.kafka.broker_errors import BrokerUnavailable
from shared.kafka.client import Kafka
from shared.kafka.dead_letter import DeadLetterRecord
from shared.kafka.reading import read_newest, read_one
from shared.mongo.names import REPLAYS
from shared.mongo.storage import Storage

_PATIENCE_S = 10.0
_AT_ONCE = 2
_TAG = "Dead letters"
_REPLAYED: JsonObject = {"type": "object", "required": ["replayed"], "properties": {"replayed": {"const": True}}}
_MENDED: JsonObject = {
    "type": "object",
    "properties": {
        "value": {"type": "string", "description": "the corrected record, to send instead of the stored one"}
    },
}


class DeadLetterReader:
    """Reads dead letters for one process, a few reads at once, each on a new connection."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka, self._turns = kafka, asyncio.Semaphore(_AT_ONCE)

    async def newest(self, limit: int, reason: str | None) -> tuple[list[DeadLetterRecord], bool]:
        """Return the newest dead letters, and whether others exist. Raises `HttpProblem` (503)."""
        found = review.Newest(limit, reason)
        most = review.EXAMINED_MAX // DEADLETTER.partitions if reason else limit
        async with self._turn():
            cut = await read_newest(self._kafka, DEADLETTER.name, most, found.see)
        return found.dead_letters(cut)

    async def counts(self) -> DeadLetterCounts:
        """Return the newest dead letters by source and reason. Raises `HttpProblem` (503)."""
        found = review.Counts()
        async with self._turn():
            await read_newest(self._kafka, DEADLETTER.name, review.EXAMINED_MAX // DEADLETTER.partitions, found.see)
        return found.answer()

    async def one(self, id_: str) -> DeadLetterRecord:
        """Return the dead letter of this id. Raises `HttpProblem` (404, 503)."""
        place = review.place_of(id_)
        async with self._turn():
            record = await read_one(self._kafka, DEADLETTER.name, *place) if place else None
        if record is None:
            raise HttpProblem(404, "There is no such dead letter.")
        return DeadLetterRecord(record)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_PATIENCE_S), self._turns:
                yield
        except (BrokerUnavailable, TimeoutError):
            raise HttpProblem(503, "The event log doesn't answer.", {"Retry-After": "2"}) from None


def routes(gateway: RequestContext, storage: Storage, kafka: Kafka) -> APIRouter:
    """Return the routes."""
    router, reading = APIRouter(), DeadLetterReader(kafka)

    @router.get("/v1/deadletters", **describe_model(_TAG, DeadLetterPage))
    async def list_dead_letters(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        reason: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """The newest dead letters first. With a `reason`, those of the newest 2,000 that have it.

        `more`: older ones exist. Scope `deadletters:manage`.
        """
        await gateway.admit(request, Scope.DEAD_LETTERS)
        found, more = await reading.newest(limit, reason)
        replays = await storage.read(REPLAYS, [dead_letter.id for dead_letter in found])
        views = [review.describe_dead_letter(dead_letter, replays.get(dead_letter.id)).wire() for dead_letter in found]
        return etag_response(request, {"letters": views, "more": more})

    @router.get("/v1/deadletters/counts", **describe_model(_TAG, DeadLetterCounts))
    async def count_dead_letters(request: Request) -> Response:
        """The newest 2,000 dead letters or so, counted by source and reason.

        Scope `deadletters:manage`.
        """
        await gateway.admit(request, Scope.DEAD_LETTERS)
        return etag_response(request, (await reading.counts()).wire())

    @router.post("/v1/deadletters/{letter_id}/replay", **describe_command(_REPLAYED, _TAG, _MENDED))
    async def replay(request: Request, letter_id: str) -> Response:
        """Send a dead letter back to its topic, unchanged or with a corrected `value`.

        A `value` that would fail again is refused, with the path of each fault. Scope `deadletters:manage`.
        """
        sender = await gateway.admit(request, Scope.DEAD_LETTERS)
        media_type(request, JSON)
        fixed = _fixed_value(capture_events.parse_json_object(await request.body()))
        dead_letter = await reading.one(letter_id)
        again = review.replay_record(dead_letter, fixed, gateway.region, gateway.attributes.current)
        await gateway.publisher.publish([again])
        row = review.replay_row(dead_letter, sender.name, gateway.clock(), fixed=fixed is not None)
        await storage.put(REPLAYS, [row])
        add_log_facts(request, letter=dead_letter.id)
        return JSONResponse({"replayed": True}, 202)

    return router


def _fixed_value(body: Mapping[str, object]) -> str | None:
    value = body.get("value")
    if value is None or isinstance(value, str):
        return value
    raise Invalid(Fault("value", "must be a text"))
