"""Callbacks of e-mail platforms, signed by Standard Webhooks."""

from collections.abc import Mapping

import standardwebhooks
from fastapi import APIRouter, Request
from fastapi.responses import Response

from schemas.topics import ENGAGEMENTS
from services.gateway.auth.domain.principals import ApiKey, HttpProblem
from services.gateway.web.context import (
    JSON,
    BatchRecord,
    Rejection,
    RequestContext,
    add_log_facts,
    address_of,
    media_type,
)
from services.gateway.web.openapi import BATCH, describe_write
from services.gateway.writes.routes import reject_line
from services.ingest.domain import capture_events
from services.ingest.domain.capture_events import Fault, Invalid
from shared.domain.ids import derive


def routes(gateway: RequestContext) -> APIRouter:
    """Return the route."""
    router = APIRouter()

    @router.post("/v1/webhooks/{name}", **describe_write(BATCH, ENGAGEMENTS, media={JSON: "array"}, security="webhook"))
    async def called(request: Request, name: str) -> Response:
        """Accept a platform's engagements, one or an array, signed at most five minutes ago.

        Each counts once. Without a valid engagement the answer is 422.
        """
        media_type(request, JSON)
        key = await gateway.authenticator.identify_webhook(name, address_of(request))
        add_log_facts(request, key=key.name)
        body = await request.body()
        _verify(gateway, key, body, request.headers)
        await gateway.authenticator.count(key, address_of(request))
        items = _items(capture_events.parse_json(body), gateway.batch_max)
        made = [_event(gateway, request, key, number, item) for number, item in enumerate(items, 1)]
        return await gateway.accept_all(request, made)

    return router


def _verify(gateway: RequestContext, key: ApiKey, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises `HttpProblem` (401) unless a valid secret signed this within five minutes."""
    for secret in key.live(gateway.clock()):
        webhook = standardwebhooks.Webhook(gateway.signer.webhook_secret(key.name, secret.hash))
        try:
            webhook.verify(body, dict(headers), json_parse=False)
        except (standardwebhooks.WebhookVerificationError, ValueError):
            continue
        return
    raise HttpProblem(
        401, "The signature is not valid: the secret is wrong, the body was changed, or it is older than five minutes."
    )


def _items(body: object, most: int) -> list[object]:
    items = body if isinstance(body, list) else [body]
    if len(items) > most:
        raise Invalid(Fault("(body)", f"has more than {most} items"))
    return items


def _event(
    gateway: RequestContext, request: Request, key: ApiKey, number: int, item: object
) -> BatchRecord | Rejection:
    if not isinstance(item, dict):
        return reject_line(number, Fault("(item)", "must be a JSON object"))
    try:
        # A repeated call has the same id. An item repeated in another call has an id of its own.
        own = item.get("id")
        id_ = derive("webhook", str(own) if own else f"{request.headers['webhook-id']}:{number}")
        payload = capture_events.payload_of(ENGAGEMENTS, item, gateway.region)
        return BatchRecord(id_, gateway.event(request, ENGAGEMENTS, key, payload, id_, gateway.clock()))
    except Invalid as error:
        return reject_line(number, *error.faults)
