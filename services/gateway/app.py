"""The gateway: HTTP in front of the input topics (contract 4, both halves)."""

from collections.abc import MutableMapping
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline

from services.gateway import (
    analytics_routes,
    dashboard_routes,
    form_routes,
    letter_routes,
    people_routes,
    prediction_routes,
    read_routes,
    routes,
    webhook_routes,
)
from services.gateway.documents import document
from services.gateway.door import Door
from services.gateway.figures import Figures
from services.gateway.gate import Gate
from services.gateway.gateway import Gateway
from services.gateway.http import Around, Receive, Send, answer_problems
from services.gateway.signin import SignIn
from services.gateway.signing import Signer
from shared.config import ConfigError
from shared.health import App
from shared.metrics import Metrics
from shared.policies import policy_of
from shared.worker import Runtime

_PROBES = ("/healthz", "/readyz", "/metrics")
_ABOUT = "Web forms, scanners, mailers and sales screens send here what workers read from Kafka."


def front(runtime: Runtime, metrics: Metrics, probes: App) -> App:
    """What a gateway process answers over HTTP; `probes` tells of the process itself. Raises `ConfigError`."""
    settings, clock = runtime.settings, runtime.clock
    if not settings.gateway_secret:
        raise ConfigError("the gateway has no secret: PANTRY_GATEWAY_SECRET")
    signer = Signer(settings.gateway_secret.get_secret_value())
    gate = Gate(runtime.storage, clock, signer)
    gateway = Gateway(
        gate,
        SignIn(runtime.storage, clock, signer, gate),
        Door(runtime.publisher, metrics, settings.ack_timeout_s),
        signer,
        clock,
        settings.region,
        settings.public_url,
        settings.http_batch_max,
    )
    figures = Figures(runtime.storage, clock, settings.timezone)
    read = read_routes.routes(gateway, runtime.storage, policy_of(settings), metrics)
    predicted = prediction_routes.routes(gateway, runtime.storage)
    analytics = analytics_routes.routes(gateway, figures, runtime.leaving)
    letters = letter_routes.routes(gateway, runtime.storage, runtime.kafka)
    app = Around(application(gateway, read, predicted, analytics, letters), metrics, settings.http_body_max)

    async def answer(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        is_probe = scope["type"] == "http" and scope["path"].startswith(_PROBES)
        await (probes if is_probe else app)(scope, receive, send)

    return answer


def application(gateway: Gateway, *more: APIRouter) -> FastAPI:
    """The routes and their page."""
    app = FastAPIOffline(title="Kitchen Pantry leads", version="1", description=_ABOUT, redoc_url=None)
    answer_problems(app)
    for part in (form_routes, routes, webhook_routes, people_routes, dashboard_routes):
        app.include_router(part.routes(gateway))
    for router in more:
        app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to add to the page

    return app
