"""The analytics (schemas/README.md#http), and a stream of their changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse

from services.gateway.analytics.queries import Figures
from services.gateway.auth.domain.principals import Scope
from services.gateway.web import responses
from services.gateway.web.context import RequestContext
from services.gateway.web.etags import etag_response
from services.gateway.web.openapi import JsonObject, RouteDocs, describe_read
from shared.clock import pause

Timeframe = Literal["week", "month", "quarter"]
_EVENTS_APART_S = 1.0
_HEARTBEAT_S = 15.0
_STREAM_S = 300.0
"""Seconds until a stream ends. The reader connects again, which checks its rights again."""


def _stream() -> RouteDocs:
    docs = describe_read({}, "Analytics")
    stream: JsonObject = {"text/event-stream": {"schema": {"type": "string"}}}
    docs["responses"] = {
        **docs["responses"],
        200: {"description": "A stream of events. It ends after some minutes; connect again.", "content": stream},
    }
    del docs["responses"][304]
    return docs


def routes(gateway: RequestContext, figures: Figures, leaving: asyncio.Event) -> APIRouter:
    """Return the routes. Streams end once `leaving` is set."""
    router = APIRouter()

    @router.get("/v1/analytics/leads", **responses.describe_model("Analytics", responses.LeadAnalytics))
    async def lead_analytics(request: Request, timeframe: Timeframe = "month") -> Response:
        """Leads created in the last 7, 30 or 90 days, and their state now. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return etag_response(request, await figures.leads(timeframe))

    @router.get("/v1/analytics/conversions", **responses.describe_model("Analytics", responses.ConversionAnalytics))
    async def conversion_analytics(request: Request, timeframe: Timeframe = "month") -> Response:
        """Conversions of these leads, by source, and their times in hours. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return etag_response(request, await figures.conversions(timeframe))

    @router.get("/v1/live", **_stream())
    async def live(request: Request) -> Response:
        """Server-sent events: `changed` after figures or list may differ. Scope `analytics:read`."""
        await gateway.admit(request, Scope.ANALYTICS)
        return StreamingResponse(_changes(figures, leaving), media_type="text/event-stream")

    return router


async def _changes(figures: Figures, leaving: asyncio.Event) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    ends, sent_at, sent = loop.time() + _STREAM_S, loop.time(), (await figures.state()).mark
    yield "retry: 2000\n\n"
    while not leaving.is_set() and loop.time() < ends:
        await pause(leaving, _EVENTS_APART_S)
        state = await figures.state()
        if state.mark != sent:
            sent, sent_at = state.mark, loop.time()
            at = state.event_at.isoformat() if state.event_at else None
            yield f"event: changed\ndata: {json.dumps({'asOf': at})}\n\n"
        elif loop.time() - sent_at > _HEARTBEAT_S:
            sent_at = loop.time()
            yield ": nothing new\n\n"
