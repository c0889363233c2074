"""A request that fails is answered once, as a problem, and its neighbours don't notice."""

from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
import structlog
from fastapi import FastAPI
from fastapi.responses import JSONResponse, StreamingResponse

from services.gateway.web.middleware import ContextMiddleware, UnreadableLead, answer_problems
from shared.mongo.storage import Unavailable
from shared.observability.metrics import Metrics

Message = MutableMapping[str, Any]


def _application() -> ContextMiddleware:
    app = FastAPI()
    answer_problems(app)

    @app.get("/raises")
    async def raises() -> None:
        raise RuntimeError("Ana Reyes")

    @app.get("/unreadable")
    async def unreadable() -> None:
        raise UnreadableLead

    @app.get("/away")
    async def away() -> None:
        raise Unavailable

    @app.get("/rendering")
    async def rendering() -> JSONResponse:
        return JSONResponse({"value": float("nan")})

    @app.get("/model")
    async def model() -> dict[str, Any]:
        return {"value": object()}

    @app.get("/begun")
    async def begun() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"one"
            raise RuntimeError("Ana Reyes")

        return StreamingResponse(parts())

    return ContextMiddleware(app, Metrics(), 1_000)


async def _asked(path: str) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("test", 80),
    }
    await _application()(scope, receive, send)
    return sent


@pytest.mark.parametrize(
    ("path", "status"),
    [("/raises", 500), ("/rendering", 500), ("/model", 500), ("/unreadable", 500), ("/away", 503), ("/nowhere", 404)],
)
async def test_whatever_a_route_raises_is_one_problem(path: str, status: int) -> None:
    sent = await _asked(path)
    starts = [one for one in sent if one["type"] == "http.response.start"]
    assert [one["status"] for one in starts] == [status]
    assert dict(starts[0]["headers"])[b"content-type"] == b"application/problem+json"
    body = b"".join(one.get("body", b"") for one in sent)
    assert b"Reyes" not in body
    assert body.count(b'"status"') == 1
    assert not sent[-1].get("more_body")


async def test_what_fails_amid_its_answer_is_cut_short_and_told_once() -> None:
    with structlog.testing.capture_logs() as logged:
        sent = await _asked("/begun")
    assert [one["type"] for one in sent].count("http.response.start") == 1
    assert b"".join(one.get("body", b"") for one in sent) == b"one"
    assert [one["event"] for one in logged if one["log_level"] == "error"] == ["http.failed"]
    assert "Reyes" not in repr(logged)


async def test_a_failure_has_one_line_in_the_log() -> None:
    with structlog.testing.capture_logs() as logged:
        await _asked("/raises")
    assert [one["event"] for one in logged if one["log_level"] == "error"] == ["http.failed"]
