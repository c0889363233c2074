"""What senders do to a server's connections: raw sockets against our server, and an application of a few lines."""

import asyncio
import resource
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from shared.http.connections import Bounds
from shared.http.health import HttpServer
from shared.http.protocol import HEAD_MAX, LINES_MAX

GET = b"GET /probe HTTP/1.1\r\nhost: x\r\n\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
HALF = b"GET /probe HTTP/1.1\r\nhost: x\r\nx-half: "
_FILES = 4_000


class Served:
    """A server in this process. `/read` reads the body first, `/hold` waits for `go`, `/large` has much to say."""

    def __init__(self, server: HttpServer, port: int) -> None:
        self.server, self.port, self.cut = server, port, Counter[str]()
        self.go = asyncio.Event()
        self.seen: list[dict[bytes, bytes]] = []
        self.clients: list[Client] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path, body = scope["path"], b""
        if path == "/read":
            message: dict[str, Any] = {"more_body": True}
            while message.get("more_body"):
                message = await receive()
            if message["type"] == "http.disconnect":
                return
        if path == "/hold":
            await self.go.wait()
        if path == "/large":
            body = b"x" * 30_000_000
        self.seen.append(dict(scope["headers"]))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def connect(self, *sent: bytes) -> "Client":
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        for part in sent:
            client.send(part)
        return client

    async def status(self) -> int:
        """What somebody else is answered."""
        client = await self.connect(GET)
        return await client.status()


class Client:
    """One connection from outside."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def status(self) -> int:
        """The status of the next answer; 0 where the server hung up without one."""
        async with asyncio.timeout(120):
            with suppress(ConnectionError):
                if line := await self.reader.readline():
                    head = await self.reader.readuntil(b"\r\n\r\n")
                    if b"chunked" in head:
                        await self.reader.readuntil(b"0\r\n\r\n")
                    return int(line.split()[1])
        return 0

    async def flood(self, part: bytes, most: int) -> int:
        """Send this again and again; how many bytes went out before the server hung up."""
        sent = 0
        with suppress(ConnectionError):
            while sent < most:
                self.writer.write(part)
                await self.writer.drain()
                sent += len(part)
        return sent


@asynccontextmanager
async def serving(**bounds: Any) -> AsyncIterator[Served]:
    served: Served

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await served(scope, receive, send)

    server = HttpServer(app, "127.0.0.1", 0, bounds=Bounds(**bounds), cut=lambda why: served.cut.update([why]))
    served = Served(server, 0)
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn offers no event for it
        await asyncio.sleep(0.01)
    served.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        served.go.set()
        server.force_exit = server.should_exit = True
        for client in served.clients:
            client.writer.transport.abort()
        await running


@pytest.fixture
def files() -> Iterator[None]:
    """Let this process have the files for both ends of a thousand connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != soft < _FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(_FILES, hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("files")
async def test_a_thousand_half_open_connections_leave_everybody_else_answered() -> None:
    async with serving(connections=500) as served:
        held = await served.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n")
        for _ in range(1_000):
            await served.connect(HALF)
        assert [await served.status() for _ in range(20)] == [200] * 20
        assert len(served.server.server_state.connections) <= 500
        assert served.cut["evicted"] >= 500
        served.go.set()
        assert await held.status() == 200, "one that is being answered never makes room"


async def test_where_all_are_being_answered_a_new_connection_is_asked_to_come_again() -> None:
    async with serving(connections=3) as served:
        held = [await served.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n") for _ in range(3)]
        await _until(lambda: len(served.server.server_state.tasks) == 3)
        assert await served.status() == 503
        served.go.set()
        assert [await client.status() for client in held] == [200] * 3
        assert await served.status() == 200, "idle connections make room"


async def test_a_head_of_endless_lines_or_of_one_endless_line_is_refused_before_it_costs_memory() -> None:
    many = b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n" * 1_000
    floods = (
        many,
        (HALF, b"x" * 4_096),
        (b"GET /", b"x" * 4_096),
        (b"\r\n", b"\r\n" * 2_000),
        (CHUNKED, b"1;" + b"x" * 4_096),
        (CHUNKED + b"0\r\nx-trailer: ", b"x" * 4_096),
        (CHUNKED + b"0\r\n", b"a: b\r\n" * 1_000),
    )
    async with serving() as served:
        tracemalloc.start()
        try:
            for begin, more in floods:
                client = await served.connect(begin)
                assert await client.flood(more, 93 * 2**20) < 8 * 2**20, begin
            assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
        finally:
            tracemalloc.stop()
        assert served.cut["head_large"] == len(floods)
        assert served.seen == []
        assert await served.status() == 200


async def test_a_head_too_large_for_us_is_told_so_and_one_just_small_enough_is_taken() -> None:
    lines = b"".join(b"x-%d: y\r\n" % n for n in range(LINES_MAX - 1))
    large = HEAD_MAX - len(GET) - 100
    async with serving() as served:
        for head, status in (
            (b"GET / HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n", 200),
            (b"GET / HTTP/1.1\r\nhost: x\r\nx: y\r\n" + lines + b"\r\n", 431),
            (HALF + b"x" * large + b"\r\n\r\n", 200),
            (HALF + b"x" * HEAD_MAX + b"\r\n\r\n", 431),
            (b"GET /" + b"x" * HEAD_MAX + b" HTTP/1.1\r\n\r\n", 431),
            (b"no http\r\n\r\n", 400),
        ):
            client = await served.connect(head)
            assert await client.status() == status, head[:60]


async def test_a_head_that_trickles_in_is_cut_off_and_so_is_one_that_never_begins() -> None:
    async with serving(head_s=0.3, idle_s=0.3) as served:
        silent, trickling, later = [await served.connect() for _ in range(3)]
        later.send(GET)
        assert await later.status() == 200
        later.send(b"GET")
        sent = asyncio.create_task(_trickle(trickling, HALF + b"x" * 1_000))
        assert [await one.status() for one in (silent, trickling, later)] == [0, 408, 408]
        sent.cancel()
        used = await served.connect(GET)
        assert [await used.status(), await used.status()] == [200, 0], "an idle connection ends"
        assert served.cut == Counter(head_slow=3, idle=1)


async def _trickle(client: Client, data: bytes) -> None:
    with suppress(ConnectionError):
        for byte in data:
            client.send(bytes([byte]))
            await asyncio.sleep(0.02)


async def test_a_body_that_nobody_waits_for_any_more_may_not_go_on_for_ever() -> None:
    async with serving(head_s=0.3) as served:
        client = await served.connect(b"POST /probe HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n")
        sent = asyncio.create_task(_trickle(client, b"x" * 1_000))
        assert [await client.status(), await client.status()] == [200, 0]
        sent.cancel()
        quick = await served.connect(b"POST /probe HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\n")
        assert await quick.status() == 200
        quick.send(b"abc" + GET)
        assert await quick.status() == 200
        assert served.cut == Counter(body_slow=1)


async def test_requests_behind_one_that_is_being_answered_are_dropped_and_bounded() -> None:
    async with serving() as served:
        client = await served.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n" + GET * 3_000)
        late = await served.connect(b"GET /hold HTTP/1.1\r\nhost: x\r\n\r\n")
        await _until(lambda: len(served.server.server_state.tasks) == 2)
        late.send(b"\r\n")
        late.send(GET)
        assert await served.status() == 200
        served.go.set()
        assert [await client.status(), await client.status()] == [200, 0]
        assert await late.status() == 200
        assert len(served.seen) == 3


async def test_an_empty_line_after_a_body_harms_nobody() -> None:
    async with serving() as served:
        client = await served.connect(b"POST /hold HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\nx\r\n")
        await _until(lambda: len(served.server.server_state.tasks) == 1)
        served.go.set()
        assert await client.status() == 200
        client.send(b"\r\n" + GET)
        assert await client.status() == 200


async def test_trailers_never_become_headers() -> None:
    async with serving() as served:
        client = await served.connect(CHUNKED + b"1\r\nx\r\n0\r\nAuthorization: Bearer x\r\n\r\n")
        assert await client.status() == 200
        (headers,) = served.seen
        assert b"authorization" not in headers


async def test_a_reader_that_takes_nothing_of_its_answer_is_cut_off() -> None:
    async with serving(stall_s=0.3) as served:
        client = await served.connect(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n")
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # a stream's transport reads and writes
        await _until(lambda: served.cut["stalled"] == 1)
        assert await served.status() == 200


async def _until(holds: Any) -> None:
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 - no event for it
            await asyncio.sleep(0.01)
