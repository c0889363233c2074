"""The gateway: HTTP in front of the input topics (schemas/README.md#http)."""

from collections.abc import Iterable

from fastapi import APIRouter, Depends, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Receive, Scope, Send

from schemas.attributes import Attributes
from services.gateway.accounts import routes as people_routes
from services.gateway.analytics import routes as analytics_routes
from services.gateway.analytics.queries import Figures
from services.gateway.auth.authenticator import Authenticator
from services.gateway.auth.domain.signing import Signer
from services.gateway.auth.sign_in import SignIn
from services.gateway.configuration import routes as configuration_routes
from services.gateway.dashboard import routes as dashboard_routes
from services.gateway.dead_letters import routes as dead_letter_routes
from services.gateway.forms import routes as form_routes
from services.gateway.leads import prediction_routes, privacy_routes
from services.gateway.leads import routes as read_routes
from services.gateway.outcomes import routes as outcome_routes
from services.gateway.tasks import routes as task_routes
from services.gateway.web.context import RequestContext
from services.gateway.web.direct_routes import DirectRoutes
from services.gateway.web.middleware import ContextMiddleware, answer_problems
from services.gateway.web.openapi import document
from services.gateway.web.publisher import BoundedPublisher
from services.gateway.web.query_parameters import check_parameters
from services.gateway.writes import routes, webhooks
from shared.config import ConfigError, Reloading
from shared.consuming.worker import Runtime
from shared.domain.identity.placeholders import Placeholders
from shared.observability.metrics import Metrics
from shared.policies import policy_of
from shared.service import Front
from shared.settings import Settings

_PROBES = ("/healthz", "/readyz", "/metrics")
_ABOUT = "Capture leads, work with them, and read figures. Every accepted write is safe in Kafka before the answer."


def front(runtime: Runtime, metrics: Metrics, probes: ASGIApp) -> Front:
    """Return the HTTP front of a gateway process. Raises `ConfigError`.

    `probes` answers for the process itself: health and metrics.
    """
    settings, clock = runtime.settings, runtime.clock
    check_address(settings)
    if not settings.gateway_secret:
        raise ConfigError("the gateway has no secret: set PANTRY_GATEWAY_SECRET")
    signer = Signer(settings.gateway_secret.get_secret_value())
    placeholders = Reloading(settings.placeholders_file, Placeholders, settings.zone)
    attributes = Reloading(settings.attributes_file, Attributes, settings.zone)
    gate = Authenticator(runtime.storage, clock, signer)
    gateway = RequestContext(
        gate,
        SignIn(runtime.storage, clock, signer, gate),
        BoundedPublisher(runtime.publisher, metrics, settings.ack_timeout_s),
        signer,
        clock,
        settings.region,
        settings.public_url,
        settings.http_batch_max,
        placeholders,
        attributes,
        settings.reasons_lost,
    )
    figures = Figures(runtime.storage, clock, settings.timezone)
    read = read_routes.routes(gateway, runtime.storage, policy_of(settings), metrics, settings.zone)
    predicted = prediction_routes.routes(gateway, runtime.storage)
    privacy = privacy_routes.routes(gateway, runtime.storage)
    tasks = task_routes.routes(gateway, runtime.storage, settings.zone)
    analytics = analytics_routes.routes(gateway, figures, runtime.leaving)
    dead_letters = dead_letter_routes.routes(gateway, runtime.storage, runtime.kafka)
    configuration = configuration_routes.routes(gateway, runtime.storage)
    outcomes = outcome_routes.routes(gateway, runtime.storage)
    routers = (*own_routers(gateway), read, privacy, outcomes, predicted, tasks, analytics, dead_letters, configuration)
    app = ContextMiddleware(DirectRoutes(build_app(routers), routers), metrics, settings.http_body_max)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_probe = scope["type"] == "http" and scope["path"].startswith(_PROBES)
        # On a separate port, probes and metrics stay private.
        await (probes if is_probe and settings.ops_port is None else app)(scope, receive, send)

    return Front(answer, (placeholders, attributes))


def check_address(settings: Settings) -> None:
    """Raises `ConfigError` if other machines reach this gateway and it has no address set.

    Without an address, a request's Host header would decide links, cookies and the allowed origin.
    """
    if settings.is_public and not settings.public_url:
        raise ConfigError(
            f"other machines reach the gateway (PANTRY_HTTP_HOST={settings.http_host}): set PANTRY_PUBLIC_URL to the"
            " address that browsers use, as https://leads.example"
        )


def own_routers(gateway: RequestContext) -> list[APIRouter]:
    """Return the routes that need no part of the process but the context."""
    return [part.routes(gateway) for part in (form_routes, routes, webhooks, people_routes, dashboard_routes)]


def build_app(routers: Iterable[APIRouter]) -> FastAPI:
    """Return the app with these routes and its OpenAPI page."""
    app = FastAPIOffline(
        title="Kitchen Pantry leads",
        version="1",
        description=_ABOUT,
        redoc_url=None,
        dependencies=[Depends(check_parameters)],
    )
    answer_problems(app)
    for router in routers:
        app.include_router(router)
    app.openapi = lambda: document(app)  # type: ignore[method-assign]  # FastAPI's own way to add to the page

    return app
