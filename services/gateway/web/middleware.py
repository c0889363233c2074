"""HTTP around the routes: body limits, request ids, headers, problems, access log."""

import asyncio
import json
import re
import time
import uuid
from collections.abc import Iterable, Mapping
from functools import cache

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.auth.domain.principals import HttpProblem
from services.ingest.domain.capture_events import Fault, Invalid
from shared.errors import Permanent
from shared.mongo.storage import Unavailable
from shared.observability.error_places import where
from shared.observability.metrics import Metrics

PROBLEM = "application/problem+json"
HELD_MAX = 64 * 1024 * 1024
"""Bytes of request bodies that a process keeps in memory at once."""
_READ_S = 30.0
_REQUEST_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}")
_METHODS = frozenset({"GET", "POST", "PATCH", "DELETE", "OPTIONS", "HEAD", "PUT"})
_ID_HEADER = b"x-request-id"
_OF_EACH = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cache-control", b"no-store"),
)
_POLICY = b"content-security-policy"
_OF_ALL = (*_OF_EACH, (_POLICY, b"default-src 'none'; frame-ancestors 'none'"))
_DOCS = ("/docs", "/static-offline-docs")
# The page's own scripts are inline.
_DOCS_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)
_OF_DOCS = (*_OF_EACH, (_POLICY, _DOCS_POLICY))
_log = structlog.get_logger()
_TITLES = {
    400: "Bad request",
    401: "No valid key or session",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    408: "Request timed out",
    413: "Request too large",
    415: "Unsupported content type",
    422: "Invalid request",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}


def problem(status: int, detail: str | None = None, headers: dict[str, str] | None = None, **more: object) -> Response:
    """Return the answer to a refused request (RFC 9457)."""
    body: dict[str, object] = {"title": _TITLES.get(status, "Refused"), "status": status}
    body |= {name: value for name, value in {"detail": detail, **more}.items() if value is not None}
    return Response(json.dumps(body), status, headers, PROBLEM)


def answer_to(error: Exception) -> Response:
    """Return the answer to an error of `ANSWERED`."""
    if isinstance(error, RequestValidationError):
        return answer_to(Invalid(*(Fault(str(one["loc"][-1]), one["msg"]) for one in error.errors())))
    if isinstance(error, HTTPException):
        return problem(error.status_code, headers=dict(error.headers or {}))
    if isinstance(error, Invalid):
        errors = [{"path": fault.path, "message": fault.message} for fault in error.faults]
        return problem(422, "Some fields are invalid.", errors=errors)
    if isinstance(error, HttpProblem):
        return problem(error.status, error.detail, error.headers)
    if isinstance(error, UnreadableLead):
        return problem(500, "The stored lead can't be read: run `pantry leads check`.")
    return problem(503, "The database doesn't answer.", {"Retry-After": "5"})


def answer_problems(app: FastAPI) -> None:
    """Make the app answer the errors that its routes raise."""

    async def raised(_: Request, error: Exception) -> Response:
        return answer_to(error)

    async def failed(_: Request, __: Exception) -> Response:
        return problem(500)

    for kind in ANSWERED:
        app.add_exception_handler(kind, raised)
    # Without this handler the framework answers in plain text and raises the error again.
    app.add_exception_handler(Exception, failed)


class UnreadableLead(Permanent):
    """A stored lead that can't be shown; the others can."""


ANSWERED = (Invalid, HttpProblem, Unavailable, UnreadableLead, RequestValidationError, HTTPException)
"""The errors of routes that have an answer of their own. Each other error is a 500."""


class _ClientDisconnected(Exception):
    """The client disconnected before the body was complete."""


class _Answer:
    """The answer to one request on its way to the server: adds the headers of every answer."""

    def __init__(self, send: Send, path: str, request_id: str) -> None:
        self._send, self._path, self._request_id = send, path, request_id
        self.status = 500
        self.begun = False

    async def __call__(self, message: Message) -> None:
        """Send one message."""
        self.begun = True
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = _with_own(message["headers"], self._request_id, self._path)
        await self._send(message)


class ContextMiddleware:
    """Applies body limits, request ids, headers and the access log to every request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, body_max: int) -> None:
        self._app, self._body_max = app, body_max
        self._held = 0
        # Metrics by their labels: routes and statuses are few, and a look-up in the registry is dear.
        self._requests = cache(metrics.requests.labels)
        self._seconds = cache(metrics.request_seconds.labels)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began, headers = time.perf_counter(), dict(scope["headers"])
        request_id = _request_id(headers)
        answer = _Answer(send, scope["path"], request_id)
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        parts: list[bytes] = []
        try:
            refusal = await self._read(headers, receive, parts)
            if refusal:
                await refusal(scope, receive, answer)
            else:
                await self._answer(scope, receive, answer, b"".join(parts))
        except _ClientDisconnected:
            return
        finally:
            self._held -= sum(map(len, parts))
            self._account(scope, answer.status, time.perf_counter() - began)
            structlog.contextvars.reset_contextvars(**bound)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer, body: bytes) -> None:
        given: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return given.pop() if given else await receive()

        try:
            await self._app(scope, replay, answer)
        except Exception as error:  # noqa: BLE001 - the last one who can answer; the text may quote the request
            _log.error("http.failed", error=where(error))
            # The answer has begun and can't become another one: the server cuts it short.
            if not answer.begun:
                await problem(500)(scope, receive, answer)

    async def _read(self, headers: Mapping[bytes, bytes], receive: Receive, parts: list[bytes]) -> Response | None:
        """Read the body into `parts` before any route runs. Return a refusal, or None.

        Raises `_ClientDisconnected`.
        """
        length = headers.get(b"content-length", b"")
        size = int(length) if length.isdigit() and int(length) > self._body_max else 0
        try:
            async with asyncio.timeout(_READ_S):
                while size <= self._body_max and self._held <= HELD_MAX:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientDisconnected
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    self._held += len(parts[-1])
                    if not message.get("more_body") and size <= self._body_max:
                        return None
        except TimeoutError:
            return problem(408, "The body did not arrive in time.", {"Connection": "close"})
        if size > self._body_max:
            return problem(413, f"The body may have at most {self._body_max // 1024} KiB.", {"Connection": "close"})
        return problem(503, "Too many large requests at once.", {"Retry-After": "2", "Connection": "close"})

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        # The template, never the path: a path can contain personal data.
        route = getattr(scope.get("route"), "path", "none")
        self._requests(route, str(status)).inc()
        self._seconds(route).observe(seconds)
        facts = scope.get("state", {}).get("facts", {})
        ms = round(seconds * 1000, 1)
        _log.info("http.request", method=_method(scope), route=route, status=status, ms=ms, **facts)


def _method(scope: Scope) -> str:
    return scope["method"] if scope["method"] in _METHODS else "other"


def _request_id(headers: Mapping[bytes, bytes]) -> str:
    given = headers.get(b"x-request-id", b"").decode("latin-1")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _with_own(headers: Iterable[tuple[bytes, bytes]], request_id: str, path: str) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in headers}
    own = _OF_DOCS if path.startswith(_DOCS) else _OF_ALL
    added = [header for header in own if header[0] not in there]
    return [*headers, *added, *([] if _ID_HEADER in there else [(_ID_HEADER, request_id.encode())])]
