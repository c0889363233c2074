"""What e-mail platforms call back with, signed as Standard Webhooks says."""

from collections.abc import Mapping
from typing import Any

import standardwebhooks
from fastapi import APIRouter, Request
from fastapi.responses import Response

from schemas.topics import ENGAGEMENTS
from services.gateway import domain
from services.gateway.access import Key, Refused
from services.gateway.documents import BATCH, described
from services.gateway.domain import Fault, Invalid
from services.gateway.gateway import JSON, Gateway, address_of, media_type, note
from services.gateway.routes import told
from shared.domain.ids import derive
from shared.events import Outgoing


def routes(gateway: Gateway) -> APIRouter:
    """The route, on these parts."""
    router = APIRouter()

    @router.post("/v1/webhooks/{name}", **described(BATCH, ENGAGEMENTS, media={JSON: "array"}, security="webhook"))
    async def called(request: Request, name: str) -> Response:
        """Take a platform's engagements, one or an array: signed, not older than five minutes, each counted once."""
        media_type(request, JSON)
        key = await gateway.gate.know_webhook(name, address_of(request))
        note(request, key=key.name)
        body = await request.body()
        _verify(gateway, key, body, request.headers)
        await gateway.gate.count(key, address_of(request))
        items = _items(domain.parse(body), gateway.batch_max)
        made = [_event(gateway, request, key, number, item) for number, item in enumerate(items, 1)]
        records = [one for one in made if isinstance(one, Outgoing)]
        return await gateway.accept_all(request, records, [one for one in made if not isinstance(one, Outgoing)])

    return router


def _verify(gateway: Gateway, key: Key, body: bytes, headers: Mapping[str, str]) -> None:
    """Raises `Refused` (401) unless one of the key's secrets signed this, within five minutes."""
    for secret in key.live(gateway.clock()):
        webhook = standardwebhooks.Webhook(gateway.signer.webhook_secret(key.name, secret.hash))
        try:
            webhook.verify(body, dict(headers), json_parse=False)
        except (standardwebhooks.WebhookVerificationError, ValueError):
            continue
        return
    raise Refused(401, "The signature does not hold: wrong secret, changed body, or more than five minutes old.")


def _items(body: Any, most: int) -> list[Any]:
    items = body if isinstance(body, list) else [body]
    if len(items) > most:
        raise Invalid(Fault("(body)", f"has more than {most} items"))
    return items


def _event(gateway: Gateway, request: Request, key: Key, number: int, item: Any) -> Outgoing | dict[str, Any]:
    if not isinstance(item, dict):
        return told(number, Fault("(item)", "must be a JSON object"))
    try:
        # A platform that repeats a call repeats its id; one that repeats an item in another call gives that an id.
        own = item.get("id")
        id_ = str(own) if own else f"{request.headers['webhook-id']}:{number}"
        payload = domain.payload_of(ENGAGEMENTS, item, gateway.region)
        return gateway.event(request, ENGAGEMENTS, key, payload, derive("webhook", id_), gateway.clock())
    except Invalid as error:
        return told(number, *error.faults)
