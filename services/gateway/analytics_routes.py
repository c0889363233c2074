"""The analytics (contract 4), and news of whatever changes them."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from services.gateway import views
from services.gateway.access import Scope
from services.gateway.answers import fresh
from services.gateway.documents import described_read
from services.gateway.figures import Figures
from services.gateway.gateway import Gateway
from shared.clock import pause

Timeframe = Literal["week", "month", "quarter"]
_EVENTS_APART_S = 1.0
_HEARTBEAT_S = 15.0
_STREAM_S = 300.0
"""A stream ends after this time, and its reader comes again: who may not read any more, can't."""


def _stream() -> dict[str, Any]:
    told = described_read({}, "Analytics")
    stream = {"text/event-stream": {"schema": {"type": "string"}}}
    told["responses"] = {**told["responses"], 200: {"description": "Events, for some minutes.", "content": stream}}
    del told["responses"][304]
    return told


def routes(gateway: Gateway, figures: Figures, leaving: asyncio.Event) -> APIRouter:
    """The routes; streams end once `leaving` is set."""
    router = APIRouter()

    @router.get("/v1/analytics/leads", **views.read("Analytics", views.LeadAnalytics))
    async def lead_analytics(request: Request, timeframe: Timeframe = "month") -> Response:
        """How many leads were created in the last 7, 30 or 90 days, and how they stand. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return fresh(request, await figures.leads(timeframe))

    @router.get("/v1/analytics/conversions", **views.read("Analytics", views.ConversionAnalytics))
    async def conversion_analytics(request: Request, timeframe: Timeframe = "month") -> Response:
        """How many of these leads were converted, by source, and how fast (in hours). Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return fresh(request, await figures.conversions(timeframe))

    @router.get("/v1/live", **_stream())
    async def live(request: Request) -> Response:
        """Server-sent events: `changed` whenever figures or the list may say something else. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return StreamingResponse(_changes(figures, leaving), media_type="text/event-stream")

    return router


async def _changes(figures: Figures, leaving: asyncio.Event) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends, told_at, told = loop.time() + _STREAM_S, loop.time(), (await figures.state()).mark
    yield "retry: 2000\n\n"
    while not leaving.is_set() and loop.time() < ends:
        await pause(leaving, _EVENTS_APART_S)
        state = await figures.state()
        if state.mark != told:
            told, told_at = state.mark, loop.time()
            at = state.event_at.isoformat() if state.event_at else None
            yield f"event: changed\ndata: {json.dumps({'asOf': at})}\n\n"
        elif loop.time() - told_at > _HEARTBEAT_S:
            told_at = loop.time()
            yield ": nothing new\n\n"
