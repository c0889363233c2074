"""The gateway: HTTP in front of the input topics (contract 4, the write half)."""

from collections.abc import MutableMapping
from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from services.gateway import form_routes, routes, webhook_routes
from services.gateway.documents import document
from services.gateway.door import Door
from services.gateway.gate import Gate
from services.gateway.gateway import Gateway
from services.gateway.http import Around, Receive, Send, answer_problems
from services.gateway.signing import Signer
from shared.config import ConfigError
from shared.health import App
from shared.metrics import Metrics
from shared.worker import Runtime

_PROBES = ("/healthz", "/readyz", "/metrics")
_ABOUT = "Web forms, scanners, mailers and sales screens send here what workers read from Kafka."


def front(runtime: Runtime, metrics: Metrics, probes: App) -> App:
    """What a gateway process answers over HTTP; `probes` tells of the process itself. Raises `ConfigError`."""
    settings, clock = runtime.settings, runtime.clock
    if not settings.gateway_secret:
        raise ConfigError("the gateway has no secret: PANTRY_GATEWAY_SECRET")
    signer = Signer(settings.gateway_secret)
    gateway = Gateway(
        Gate(runtime.storage, clock, signer),
        Door(runtime.publisher, metrics, settings.ack_timeout_s),
        signer,
        clock,
        settings.region,
        settings.public_url,
        settings.http_batch_max,
    )
    app = Around(application(gateway), metrics, settings.http_body_max)

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        is_probe = scope["type"] == "http" and scope["path"].startswith(_PROBES)
        await (probes if is_probe else app)(scope, receive, send)

    return answer


def application(gateway: Gateway) -> FastAPI:
    """The routes and their page."""
    app = FastAPIOffline(title="Kitchen Pantry leads", version="1", description=_ABOUT, redoc_url=None)
    answer_problems(app)
    for part in (form_routes, routes, webhook_routes):
        app.include_router(part.routes(gateway))
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to add to the page

    return app
