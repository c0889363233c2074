"""TCP proxies in one process; their connections can be cut, stopped and slowed.

`Proxies` starts the process, which ends with it.
"""

import asyncio
import multiprocessing
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from multiprocessing.connection import Connection
from typing import Self

_CHUNK = 64 * 1024
_FORK = multiprocessing.get_context("forkserver")


class Mode(StrEnum):
    """What a proxy does with incoming data."""

    FORWARD = "forward"
    CUT = "cut"
    """Close all connections, and each new one at once."""
    STOP = "stop"
    """Keep connections, and forward nothing until `FORWARD`."""
    SLOW = "slow"
    """Forward each piece late."""


@dataclass(frozen=True, slots=True)
class Way:
    """Where a proxy listens on 127.0.0.1, and where it forwards to."""

    name: str
    port: int
    target: int


class Proxy:
    """One proxy in the running loop."""

    def __init__(self, way: Way) -> None:
        self._way = way
        self._mode, self._late_s = Mode.FORWARD, 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self._open: set[asyncio.StreamWriter] = set()

    async def listen(self) -> asyncio.Server:
        """Start to accept connections."""
        return await asyncio.start_server(self._take, "127.0.0.1", self._way.port)

    def turn(self, mode: Mode, late_s: float = 0.0) -> None:
        """Switch to this mode; `late_s` is for `SLOW`."""
        self._mode, self._late_s = mode, late_s if mode is Mode.SLOW else 0.0
        if mode is Mode.STOP:
            self._flows.clear()
        else:
            self._flows.set()
        for writer in self._open if mode is Mode.CUT else ():
            writer.transport.abort()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            if self._mode is Mode.CUT:
                return
            there, to = await asyncio.open_connection("127.0.0.1", self._way.target)
            self._open.add(to)
            try:
                await self._both_ways((reader, to), (there, writer))
            finally:
                self._open.discard(to)
                to.transport.abort()
        except OSError:
            return  # the target is absent: the connection ends, as it would without a proxy
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _both_ways(self, *ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
        pumps = [asyncio.ensure_future(self._pump(*way)) for way in ways]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(_CHUNK):
            await asyncio.sleep(self._late_s)
            await self._flows.wait()
            writer.write(piece)
            await writer.drain()


class Proxies:
    """A context: the process that runs these proxies."""

    def __init__(self, ways: Iterable[Way]) -> None:
        self._ways = tuple(ways)
        self._orders, self._taken = _FORK.Pipe()
        self._process = _FORK.Process(target=_run, args=(self._ways, self._taken), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        self._orders.recv()  # the proxies listen
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def turn(self, name: str, mode: Mode, late_s: float = 0.0) -> None:
        """Switch the proxies of this name; return once they have."""
        self._orders.send((name, mode, late_s))
        self._orders.recv()

    def heal(self) -> None:
        """Let all proxies pass."""
        for name in {way.name for way in self._ways}:
            self.turn(name, Mode.FORWARD)


def _run(ways: tuple[Way, ...], orders: Connection) -> None:
    async def main() -> None:
        proxies = [(way.name, Proxy(way)) for way in ways]
        servers = [await proxy.listen() for _, proxy in proxies]
        orders.send("listening")
        with suppress(EOFError):  # the test is over
            while True:
                name, mode, late_s = await asyncio.to_thread(orders.recv)
                for _, proxy in (one for one in proxies if one[0] == name):
                    proxy.turn(mode, late_s)
                orders.send("done")
        for server in servers:
            server.close()

    asyncio.run(main())
