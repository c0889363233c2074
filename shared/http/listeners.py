"""The HTTP servers of a process: its front, and its probes if they have their own port."""

import asyncio

from starlette.types import ASGIApp

from shared.http.connections import Bounds
from shared.http.health import HttpServer
from shared.observability.metrics import Metrics
from shared.settings import Settings

# Few clients ask for probes and metrics.
_OPS_CONNECTIONS = 100


class HttpServers:
    """The HTTP servers of a process, started and stopped together."""

    def __init__(self, settings: Settings, metrics: Metrics, front: ASGIApp | None, probes: ASGIApp) -> None:
        """Listens only after `serve`. Without a `front`, the process answers only its probes."""
        self._settings, self._metrics = settings, metrics
        port, most = settings.http_port, settings.http_connections_max
        self._front = self._server(front, settings.http_host, port, most) if front else None
        self._ops = self._front
        if settings.ops_port is not None:
            self._ops = self._server(
                probes, settings.ops_host or settings.http_host, settings.ops_port, _OPS_CONNECTIONS
            )
        elif not front:
            self._ops = self._server(probes, settings.http_host, port, most)
        self._all = {server for server in (self._front, self._ops) if server}

    def _server(self, app: ASGIApp, host: str, port: int, most: int) -> HttpServer:
        return HttpServer(
            app,
            host,
            port,
            trusted_proxies=self._settings.trusted_proxies,
            bounds=Bounds(connections=most),
            cut=lambda why: self._metrics.cut.labels(why).inc(),
        )

    async def serve(self) -> None:
        """Answer requests until `stop`."""
        await asyncio.gather(*(server.serve() for server in self._all))

    def stop(self) -> None:
        """Accept no more connections; end when the last request is answered."""
        for server in self._all:
            server.should_exit = True

    @property
    def started(self) -> bool:
        """Whether all servers listen."""
        return all(server.started for server in self._all)

    @property
    def address(self) -> str | None:
        """The URL of the front; without a front, the URL of the probes."""
        return self._front.address if self._front else self.ops_address

    @property
    def ops_address(self) -> str | None:
        """The URL of the probes."""
        return self._ops.address if self._ops else None
