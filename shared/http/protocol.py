"""An HTTP connection that bounds a request's head: its seconds, bytes and lines.

httptools and uvicorn have no such bounds: they keep every header line. The application bounds time and size of a body.
"""

import json
from asyncio import Transport
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from shared.http.connections import Connections, ConnectionStage

HEAD_MAX = 64 * 1024
"""Most bytes of a request's head, trailers included."""
LINES_MAX = 128
"""Most header lines: each costs far more memory than its bytes."""
# Bytes to parse at once: a connection exceeds its bound by no more than this.
_SLICE = 16 * 1024
# If a socket closes with unread data, the peer loses the refusal. So it reads and drops this much, this long.
_LINGER_S, _LINGER_MAX = 2.0, 256 * 1024
_NEW_LINES = b"\r\n"


@dataclass(frozen=True, slots=True)
class _Refusal:
    reason: str
    status: int
    title: str
    detail: str
    more: bytes = b""

    @property
    def answer(self) -> bytes:
        problem = {"title": self.title, "status": self.status, "detail": self.detail}
        body = json.dumps(problem).encode()
        head = b"content-type: application/problem+json\r\ncontent-length: %d\r\nconnection: close\r\n" % len(body)
        return STATUS_LINE[self.status] + head + self.more + b"\r\n" + body


_MALFORMED = _Refusal("malformed", 400, "Bad request", "This is not an HTTP/1.1 request.")
_SLOW = _Refusal("head_slow", 408, "Request timed out", "The request's head did not arrive in time.")
_LARGE = _Refusal(
    "head_large",
    431,
    "Request too large",
    f"The head may have at most {HEAD_MAX // 1024} KiB and {LINES_MAX} header lines.",
)
_FULL = _Refusal("full", 503, "Unavailable", "Too many requests at once.", b"retry-after: 2\r\n")


class _Stop(Exception):
    """Ends the parser's work."""


class BoundedConnection(HttpToolsProtocol):
    """A connection that keeps the bounds of its server.

    It answers one request at a time. It drops pipelined requests and closes after the answer, as HTTP/1.1 allows (RFC
    9112, 9.3.2). No well-known client or proxy pipelines.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:  # uvicorn's own arguments
        super().__init__(**given)
        self._connections, self._bounds = connections, connections.bounds
        self.deadline: float | None = None
        """The loop time at which `expire` is due; None: never."""
        self._stage = ConnectionStage.HEAD
        self._has_data = self._refused = False
        # Bytes and lines of the head so far, and bytes that the parser has not reported yet.
        self._size = self._lines = self._unreported = 0
        self._refusal = _MALFORMED
        self._dropped = self._unsent = 0

    @property
    def unsent(self) -> int:
        """Bytes of answers that the peer has not read."""
        return self.transport.get_write_buffer_size()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in uvicorn
        """Accept the connection, or refuse it if the server is full."""
        super().connection_made(transport)
        if self._connections.make_room(self.loop.time()):
            self._enter(ConnectionStage.HEAD, self._bounds.head_s)
            return
        self._connections.cut(_FULL.reason)
        self._refused = True
        self.transport.write(_FULL.answer)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._connections.forget(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the data, within the bounds."""
        for start in range(0, len(data), _SLICE):
            part = data[start : start + _SLICE]
            if self._refused:
                self._drop(len(part))
            elif self._stage is ConnectionStage.ANSWER:
                self._ignore(part)
            elif self._stage is not ConnectionStage.IDLE or part.strip(_NEW_LINES):
                self._parse(part)

    def _parse(self, part: bytes) -> None:
        if self._stage is ConnectionStage.IDLE:
            self._enter(ConnectionStage.HEAD, self._bounds.head_s)
        self._has_data = True
        self._unreported += len(part)
        super().data_received(part)
        if self._size + self._unreported > HEAD_MAX and not self._refused:
            self._refuse(_LARGE)

    def on_message_begin(self) -> None:
        """Start counting a head."""
        if self._stage is ConnectionStage.ANSWER:
            raise _Stop
        if self._stage is ConnectionStage.IDLE:
            self._enter(ConnectionStage.HEAD, self._bounds.head_s)
        self._size = self._lines = self._unreported = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Add a piece of the URL."""
        self._spend(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header line. Drops trailers: no proxy has checked them as headers."""
        self._lines += 1
        self._spend(len(name) + len(value))
        if self._stage is ConnectionStage.HEAD:
            super().on_header(name, value)

    def _spend(self, size: int) -> None:
        self._unreported = 0
        self._size += size
        if self._size > HEAD_MAX or self._lines > LINES_MAX:
            self._refusal = _LARGE
            raise _Stop

    def on_headers_complete(self) -> None:
        """Start the application."""
        self._unreported = 0
        super().on_headers_complete()
        self._enter(ConnectionStage.BODY, None)

    def on_body(self, body: bytes) -> None:
        """Add a piece of the body."""
        self._unreported = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Wait for the answer, unless the application answered before the body's end."""
        self._unreported = 0
        super().on_message_complete()
        if self.cycle.response_complete:
            self._enter(ConnectionStage.IDLE, self._bounds.idle_s)
        else:
            self._enter(ConnectionStage.ANSWER, None)

    def on_response_complete(self) -> None:
        """Wait for the next request, or for the end of this one's body."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._wait(self._bounds.stall_s)
        elif self._stage is ConnectionStage.ANSWER:
            self._enter(ConnectionStage.IDLE, self._bounds.stall_s if self.flow.write_paused else self._bounds.idle_s)
        else:
            self._enter(ConnectionStage.BODY, self._bounds.head_s)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's text names no bound
        """Answer a request that the parser refused."""
        if self._stage is ConnectionStage.ANSWER:
            self._ignore(b"?")
        elif not self._refused:
            self._refuse(self._refusal)

    def pause_writing(self) -> None:
        """Start the deadline for a slow reader."""
        super().pause_writing()
        self._wait(self._bounds.stall_s)

    def resume_writing(self) -> None:
        """End the deadline for a slow reader."""
        super().resume_writing()
        if self._stage is ConnectionStage.ANSWER:
            self._wait(None)
        elif self._stage is ConnectionStage.IDLE:
            self._wait(self._bounds.idle_s)

    def expire(self, now: float) -> None:
        """Handle the deadline, which has passed: refuse, end, or wait again."""
        unsent = self.unsent
        if unsent and unsent != self._unsent:
            self._unsent, self.deadline = unsent, now + self._bounds.stall_s
        elif self._stage is ConnectionStage.ANSWER and not unsent:
            self.deadline = None
        elif self._stage is ConnectionStage.HEAD and self._has_data and not self._refused:
            self._refuse(_SLOW)
        else:
            self._end(
                "stalled" if unsent else "idle" if self._stage is ConnectionStage.IDLE else f"{self._stage.value}_slow"
            )

    def _end(self, reason: str) -> None:
        # `_refuse` has counted a refused connection.
        if not self._refused:
            self._connections.cut(reason)
        self.transport.abort()

    def _refuse(self, refusal: _Refusal) -> None:
        self._connections.cut(refusal.reason)
        self._refused, answered = True, False
        if self.cycle is not None and not self.cycle.response_complete:
            # The application still reads the body: it sees a disconnected sender.
            self.cycle.disconnected, answered = True, self.cycle.response_started
            self.cycle.message_event.set()
        if answered:
            self.transport.abort()
            return
        self.transport.write(refusal.answer)
        self.transport.write_eof()
        self._wait(_LINGER_S)

    def _ignore(self, part: bytes) -> None:
        """Drop data that comes before the answer. Some clients end a body with an empty line."""
        if part.strip(_NEW_LINES):
            self._refused = True
            self.cycle.keep_alive = False

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > _LINGER_MAX and self._stage is ConnectionStage.ANSWER:
            self.transport.pause_reading()
        elif self._dropped > _LINGER_MAX:
            self.transport.abort()

    def _enter(self, stage: ConnectionStage, seconds: float | None) -> None:
        self._stage = stage
        self._connections.enter(self, stage, self.loop.time())
        self._wait(seconds)

    def _wait(self, seconds: float | None) -> None:
        self._unsent = self.unsent
        self.deadline = None if seconds is None else self.loop.time() + seconds
