"""Dead letters: see what no handler could use, and send it back, mended if need be."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from aiokafka.errors import KafkaError
from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from schemas.topics import DEADLETTER
from services.gateway import domain, letters
from services.gateway.access import Refused, Scope
from services.gateway.answers import fresh
from services.gateway.documents import described_command
from services.gateway.domain import Fault, Invalid
from services.gateway.gateway import JSON, Gateway, media_type, note
from services.gateway.letters import LetterCounts, LetterPage
from services.gateway.views import read
from shared.broker import Kafka
from shared.collections import REPLAYS
from shared.letters import DeadLetter
from shared.log import read_newest, read_one
from shared.storage import Storage

_PATIENCE_S = 10.0
_AT_ONCE = 2
_TAG = "Dead letters"
_REPLAYED = {"type": "object", "required": ["replayed"], "properties": {"replayed": {"const": True}}}
_MENDED = {
    "type": "object",
    "properties": {"value": {"type": "string", "description": "the mended record, in place of the one that failed"}},
}


class Reading:
    """Reads the topic for one process, for few at once: each time with a connection of its own."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka, self._turns = kafka, asyncio.Semaphore(_AT_ONCE)

    async def newest(self, limit: int, reason: str | None) -> tuple[list[DeadLetter], bool]:
        """The newest letters, and whether there are more. Raises `Refused` (503)."""
        found = letters.Newest(limit, reason)
        most = letters.EXAMINED_MAX // DEADLETTER.partitions if reason else limit
        async with self._turn():
            cut = await read_newest(self._kafka, DEADLETTER.name, most, found.see)
        return found.letters(cut)

    async def counts(self) -> dict[str, Any]:
        """The newest letters, counted by source and reason. Raises `Refused` (503)."""
        found = letters.Counts()
        async with self._turn():
            await read_newest(self._kafka, DEADLETTER.name, letters.EXAMINED_MAX // DEADLETTER.partitions, found.see)
        return found.told()

    async def one(self, id_: str) -> DeadLetter:
        """The letter of this id. Raises `Refused` (404, 503)."""
        place = letters.place_of(id_)
        async with self._turn():
            record = await read_one(self._kafka, DEADLETTER.name, *place) if place else None
        if record is None:
            raise Refused(404, "There is no such dead letter.")
        return DeadLetter(record)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_PATIENCE_S), self._turns:
                yield
        except (KafkaError, OSError, TimeoutError):
            raise Refused(503, "The event log is away.", {"Retry-After": "2"}) from None


def routes(gateway: Gateway, storage: Storage, kafka: Kafka) -> APIRouter:
    """The routes, on these parts."""
    router, reading = APIRouter(), Reading(kafka)

    @router.get("/v1/deadletters", **read(_TAG, LetterPage))
    async def list_letters(
        request: Request,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        reason: Annotated[str | None, Query(max_length=100)] = None,
    ) -> Response:
        """The newest dead letters, newest first; with a `reason`, those among the newest 2,000 that have it.

        `more` says that there are others, older ones. Scope `deadletters:manage`.
        """
        await gateway.admit(request, Scope.LETTERS)
        found, more = await reading.newest(limit, reason)
        replays = await storage.read(REPLAYS, [letter.id for letter in found])
        told = [letters.shown(letter, replays.get(letter.id)) for letter in found]
        return fresh(request, {"letters": told, "more": more})

    @router.get("/v1/deadletters/counts", **read(_TAG, LetterCounts))
    async def count_letters(request: Request) -> Response:
        """Who sends what can't be used: the newest 2,000 dead letters or so, by source and reason.

        Scope `deadletters:manage`.
        """
        await gateway.admit(request, Scope.LETTERS)
        return fresh(request, await reading.counts())

    @router.post("/v1/deadletters/{letter_id}/replay", **described_command(_REPLAYED, _TAG, _MENDED))
    async def replay(request: Request, letter_id: str) -> Response:
        """Send a dead letter back to the topic that it came from, as it was or with a mended `value` in its place.

        A `value` that would end here again is refused, with the path of each fault. Scope `deadletters:manage`.
        """
        sender = await gateway.admit(request, Scope.LETTERS)
        media_type(request, JSON)
        mended = _mended(domain.parse_object(await request.body()))
        letter = await reading.one(letter_id)
        await gateway.door.publish([letters.back(letter, mended, gateway.region)])
        row = letters.replayed(letter, sender.name, gateway.clock(), mended=mended is not None)
        await storage.put(REPLAYS, [row])
        note(request, letter=letter.id)
        return JSONResponse({"replayed": True}, 202)

    return router


def _mended(body: dict[str, Any]) -> str | None:
    value = body.get("value")
    if value is None or isinstance(value, str):
        return value
    raise Invalid(Fault("value", "must be text"))
