"""What a process tells of itself over HTTP: `/healthz`, `/readyz`, `/metrics`."""

import contextlib
import json
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, make_asgi_app

Scope = MutableMapping[str, Any]
App = Callable[[Scope, Callable[..., Any], Callable[..., Awaitable[None]]], Awaitable[None]]
Probe = Callable[[], Awaitable[dict[str, str]]]
"""Answers with what is wrong, by part; empty when nothing is."""


# Requests under way when the process is told to stop get this long to end.
_GRACE_S = 15
# Longer than load balancers keep an idle connection (a minute, mostly): who closes first never cuts a request off.
_KEEP_ALIVE_S = 75


def application(live: Probe, ready: Probe, registry: CollectorRegistry) -> App:
    """The ASGI application of a worker process."""
    metrics = make_asgi_app(registry)
    probes = {"/healthz": live, "/readyz": ready}

    async def app(scope: Scope, receive: Callable[..., Any], send: Callable[..., Awaitable[None]]) -> None:
        if scope["type"] != "http":
            return
        if scope["path"].startswith("/metrics"):
            await metrics(scope, receive, send)
            return
        probe = probes.get(scope["path"])
        wrong = await probe() if probe else {"path": "unknown; there are /healthz, /readyz and /metrics"}
        status = 404 if probe is None else (503 if wrong else 200)
        body = json.dumps({"status": "failing", "wrong": wrong} if wrong else {"status": "ok"}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class HttpServer(uvicorn.Server):
    """A uvicorn server that leaves signals to the process it runs in."""

    def __init__(self, app: App, host: str, port: int, *, trusted_proxies: str = "127.0.0.1") -> None:
        super().__init__(
            uvicorn.Config(
                app,
                host=host,
                port=port,
                log_level="error",
                log_config=None,  # it goes the way of all libraries' words
                access_log=False,
                lifespan="off",
                timeout_keep_alive=_KEEP_ALIVE_S,
                ws="none",
                http="httptools",
                server_header=False,
                forwarded_allow_ips=trusted_proxies,
                timeout_graceful_shutdown=_GRACE_S,
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing: the process's own handlers stop the workers first, then this server."""
        yield

    @property
    def address(self) -> str | None:
        """The URL it answers at, once it listens."""
        for server in self.servers if self.started else ():
            for socket in server.sockets:
                host, port = socket.getsockname()[:2]
                return f"http://{host}:{port}"
        return None
