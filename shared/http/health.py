"""The probes of a process (`/healthz`, `/readyz`, `/metrics`), and its HTTP server."""

import asyncio
import contextlib
import json
import math
import resource
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from socket import socket
from typing import cast

import structlog
import uvicorn
from prometheus_client import CollectorRegistry, make_asgi_app
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.http.connections import Bounds, Connections
from shared.http.protocol import BoundedConnection
from shared.http.proxies import Proxies

Probe = Callable[[], Awaitable[dict[str, str]]]
"""Returns what is wrong, by part; empty if nothing is."""
Refused = Callable[[], Mapping[str, str]]
"""Returns the configuration files that the process refused, each with its first fault."""

_log = structlog.get_logger()

# When the process stops, requests under way have this long to end.
_GRACE_S = 15
# Files that a process needs besides its HTTP connections: connections to servers, logs, configuration.
_OTHER_FILES = 512


def probe_application(live: Probe, ready: Probe, registry: CollectorRegistry, refused: Refused) -> ASGIApp:
    """Return the ASGI application of a process's probes."""
    metrics = make_asgi_app(registry)
    probes = {"/healthz": live, "/readyz": ready}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/metrics"):
            await metrics(scope, receive, send)
            return
        probe = probes.get(scope["path"])
        wrong = await probe() if probe else {"path": "unknown; there are /healthz, /readyz and /metrics"}
        status = 404 if probe is None else (503 if wrong else 200)
        answer: dict[str, object] = {"status": "failing", "wrong": wrong} if wrong else {"status": "ok"}
        # A process that refused a changed file keeps the last good one: it stays ready.
        if scope["path"] == "/readyz" and (files := refused()):
            answer["refused"] = files
        body = json.dumps(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class HttpServer(uvicorn.Server):
    """A uvicorn server with bounded connections and without signal handlers."""

    def __init__(  # noqa: PLR0913 - a server's parts, each by name
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        trusted_proxies: str = "127.0.0.1",
        bounds: Bounds = Bounds(),  # noqa: B008 - a frozen value
        cut: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._connections = Connections(bounds, cut)
        super().__init__(
            uvicorn.Config(
                Proxies(app, trusted_proxies),
                host=host,
                port=port,
                log_level="error",
                log_config=None,  # `log_setup` handles all libraries' logs
                access_log=False,
                lifespan="off",
                timeout_keep_alive=math.ceil(bounds.idle_s),
                ws="none",
                http=cast("type[asyncio.Protocol]", partial(BoundedConnection, self._connections)),
                server_header=False,
                proxy_headers=False,  # `Proxies` reads them, and warns of untrusted ones
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Listen, with no more connections than the process may have files."""
        self._connections.bounds = _within_files(self._connections.bounds)
        await super().startup(sockets)

    async def on_tick(self, counter: int) -> bool:
        """End slow connections; return whether to stop. uvicorn calls this every 0.1 s."""
        self._connections.sweep(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do nothing: the process's own handlers stop the workers first, then this server."""
        yield

    @property
    def address(self) -> str | None:
        """The server's URL; None until it listens."""
        for server in self.servers if self.started else ():
            for listening in server.sockets:
                host, port = listening.getsockname()[:2]
                return f"http://{host}:{port}"
        return None


def _within_files(bounds: Bounds) -> Bounds:
    """Return bounds with no more connections than files. Raises the process's limit if it may."""
    needed = bounds.connections + _OTHER_FILES
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    if resource.RLIM_INFINITY != allowed < needed:
        wanted = needed if most == resource.RLIM_INFINITY else min(needed, most)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            allowed = wanted
    if allowed == resource.RLIM_INFINITY or allowed >= needed:
        return bounds
    fewer = max(allowed - _OTHER_FILES, allowed // 2)
    _log.warning("http.fewer_connections", files=allowed, needed=needed, connections=fewer)
    return replace(bounds, connections=fewer)
