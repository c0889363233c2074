"""The proxy does what the harness says of it: otherwise a fault would be none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self, cast

import pytest

from deploy.local.child_process import free_port
from tests.faults.proxy import Mode, Proxies, Way

_PATIENCE_S = 10.0


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A server that sends back what it gets."""
    calls: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        calls.add(cast("asyncio.Task[None]", asyncio.current_task()))
        with suppress(OSError):
            while piece := await reader.read(1000):
                writer.write(piece)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await asyncio.gather(*calls)  # the proxy is gone, and so their connections end


class Caller:
    """A connection through the proxy."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def says(self, word: bytes) -> bytes:
        """What comes back; nothing from a connection that is cut."""
        self._writer.write(word)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._reader.read(1000)
        except OSError:
            return b""


@asynccontextmanager
async def proxied() -> AsyncIterator[tuple[Proxies, int]]:
    async with echo() as target:
        way = Way("echo", free_port(), target)
        with Proxies([way]) as proxies:
            yield proxies, way.port


async def test_it_forwards_both_ways() -> None:
    async with proxied() as (_, port), Caller(port) as caller:
        assert await caller.says(b"hello") == b"hello"
        assert await caller.says(b"again") == b"again"


async def test_cut_connections_are_closed_and_new_ones_too_until_it_forwards_again() -> None:
    async with proxied() as (proxies, port):
        async with Caller(port) as caller:
            assert await caller.says(b"hello") == b"hello"
            proxies.turn("echo", Mode.CUT)
            assert await caller.says(b"hello") == b""
        async with Caller(port) as caller:
            assert await caller.says(b"hello") == b""
        proxies.heal()
        async with Caller(port) as caller:
            assert await caller.says(b"hello") == b"hello"


async def test_what_is_stopped_comes_through_later_and_whole() -> None:
    async with proxied() as (proxies, port), Caller(port) as caller:
        assert await caller.says(b"hello") == b"hello"
        proxies.turn("echo", Mode.STOP)
        waiting = asyncio.create_task(caller.says(b"kept"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(waiting), 0.3)
        proxies.heal()
        assert await waiting == b"kept"


async def test_what_is_slowed_takes_as_long_at_least_in_each_direction() -> None:
    async with proxied() as (proxies, port), Caller(port) as caller:
        proxies.turn("echo", Mode.SLOW, 0.2)
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert await caller.says(b"hello") == b"hello"
        assert loop.time() - began >= 0.4


async def test_a_target_that_is_away_ends_the_connection() -> None:
    way = Way("nobody", free_port(), free_port())
    with Proxies([way]):
        async with Caller(way.port) as caller:
            assert await caller.says(b"hello") == b""
