"""The OpenAPI page: request bodies from the topics' own models, and every answer that a route can give."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from schemas.activities import Activity
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, QUALIFY, UPDATE, Topic
from services.gateway.http import PROBLEM
from services.gateway.people import COOKIE, Role

ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["eventId"],
    "properties": {"eventId": {"type": "string", "description": "the id of the event, now safely in Kafka"}},
}
_FAULT = {
    "type": "object",
    "required": ["path", "message"],
    "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
}
_REJECTED = {
    "type": "object",
    "required": ["line", "errors"],
    "properties": {"line": {"type": "integer"}, "errors": {"type": "array", "items": _FAULT}},
}
BATCH: dict[str, Any] = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {"accepted": {"type": "integer"}, "rejected": {"type": "array", "items": _REJECTED}},
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["title", "status"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": _FAULT},
    },
}
_REFUSALS = {
    401: "No valid key, and no session that holds.",
    403: "The key or the person may not do this.",
    404: "There is no such thing.",
    405: "The path has no such method.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type is none of those that are taken.",
    422: "Some fields can't be used; `errors` says which and why.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    503: "The event was not taken, or nobody knows; `Retry-After` says when to send it again.",
}
_LED: dict[int | str, dict[str, Any]] = {303: {"description": "Acknowledged by Kafka; on to a thank-you page."}}
FORM = "application/x-www-form-urlencoded"
_HTML: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
_WHO = ("key", "session")
_TAKEN = (ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, QUALIFY, UPDATE)
_GROUPS: dict[Topic | None, str] = {
    CAPTURED: "Leads come in",
    ACTIVITIES: "What happens with leads",
    ENGAGEMENTS: "What happens with leads",
}
# What the path or the key says already.
_KNOWN = {"leadId", "requestedBy"}
_Shape = Literal["object", "array", "lines"]
_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "a key that `pantry keys create` made"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "a person's session, begun at `/signin`; what changes anything must come from our own pages",
    },
    "webhook": {
        "type": "apiKey",
        "in": "header",
        "name": "webhook-signature",
        "description": "Standard Webhooks: signs `webhook-id`, `webhook-timestamp` and the body",
    },
}
_HEADER = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "becomes the event's id: sent again with the same key, it counts once",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


_IF_NONE_MATCH = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
ME: dict[str, Any] = {
    "type": "object",
    "required": ["name", "role", "scopes"],
    "properties": {
        "name": {"type": "string"},
        "role": {"type": "string", "enum": [role.value for role in Role]},
        "scopes": {"type": "array", "items": {"type": "string"}},
    },
}


def described(
    answer: Mapping[str, Any],
    topic: Topic | None = None,
    *,
    of_lead: bool = False,
    media: Mapping[str, _Shape] | None = None,
    security: str = "key",
) -> dict[str, Any]:
    """A write route's part of the page: what it takes, by content type, and what it answers (a form: pages)."""
    # A platform's own id for a call is what makes that count once.
    by_key = security == "key"
    extra: dict[str, Any] = {
        "parameters": [_HEADER] if by_key else [],
        "security": _any(*(_WHO if by_key else (security,))),
    }
    if topic:
        schema = {"$ref": f"#/components/schemas/{name_of(topic, of_lead=of_lead)}"}
        shapes = media or {"application/json": "object"}
        extra["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _shaped(schema, shape)} for kind, shape in shapes.items()},
        }
    responses = answers(answer, pages=bool(media and FORM in media))
    extra["tags"] = [_GROUPS.get(topic, "Commands")]
    return {"status_code": 202, "response_model": None, "responses": responses, "openapi_extra": extra}


def described_read(
    answer: Mapping[str, Any], tag: str, *, security: Sequence[str] = _WHO, parameters: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """A read route's part of the page: what it takes in the query, and what it answers."""
    read: dict[int | str, dict[str, Any]] = {
        200: {"description": "What there is.", "content": {"application/json": {"schema": answer}}},
        304: {"description": "It is what `If-None-Match` names."},
    }
    extra = {"tags": [tag], "security": _any(*security), "parameters": [*parameters, _IF_NONE_MATCH]}
    return {"response_model": None, "responses": read | _refused(), "openapi_extra": extra}


def described_command(answer: Mapping[str, Any], tag: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The part of the page of a route that takes a JSON `body` of its own, and does what it says."""
    extra = {"tags": [tag], "security": _any(*_WHO)}
    extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"status_code": 202, "response_model": None, "responses": answers(answer), "openapi_extra": extra}


def described_page(leads_to: str, *, query: Sequence[str] = (), fields: Sequence[str] = ()) -> dict[str, Any]:
    """A page's part of the page: the query and the form fields that it takes, all of them text."""
    text = {"type": "string"}
    extra: dict[str, Any] = {"tags": ["People"], "security": []}
    extra["parameters"] = [{"name": name, "in": "query", "schema": text} for name in query]
    if fields:
        schema = {"type": "object", "properties": dict.fromkeys(fields, text)}
        extra["requestBody"] = {"required": True, "content": {FORM: {"schema": schema}}}
    page: dict[int | str, dict[str, Any]] = {
        200: {"description": leads_to, "content": _HTML},
        303: {"description": leads_to},
    }
    return {"response_model": None, "responses": page | _refused(_HTML), "openapi_extra": extra}


def _any(*schemes: str) -> list[dict[str, list[str]]]:
    return [{scheme: []} for scheme in schemes]


def _refused(more: Mapping[str, Any] = MappingProxyType({})) -> dict[int | str, dict[str, Any]]:
    content = {PROBLEM: {"schema": _PROBLEM}, **more}
    return {status: {"description": why, "content": content} for status, why in _REFUSALS.items()}


def _shaped(schema: Mapping[str, Any], shape: _Shape) -> Mapping[str, Any]:
    return {"object": schema, "array": {"type": "array", "items": schema}, "lines": {"type": "string"}}[shape]


def answers(answer: Mapping[str, Any], *, pages: bool = False) -> dict[int | str, dict[str, Any]]:
    """What a write route can answer."""
    page = _HTML if pages else {}
    taken = {"description": "Acknowledged by Kafka.", "content": {"application/json": {"schema": answer}, **page}}
    found: dict[int | str, dict[str, Any]] = {202: taken, **(_LED if pages else {})}
    return found | _refused(page)


def name_of(topic: Topic, *, of_lead: bool) -> str:
    """The component that describes a topic's data, as a whole or as far as a route of one lead takes it."""
    return topic.model.__name__ + ("Request" if of_lead else "")


def document(app: FastAPI) -> dict[str, Any]:
    """The app's OpenAPI document, with the topics' models as components."""
    if not app.openapi_schema:
        page = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = page.setdefault("components", {})
        components["securitySchemes"] = _SCHEMES
        components.setdefault("schemas", {}).update(_models())
        app.openapi_schema = page
    return app.openapi_schema


def _models() -> dict[str, Any]:
    wanted = [(topic.model, "validation") for topic in _TAKEN]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # mode is a literal
    models: dict[str, Any] = found["$defs"]
    for topic in _TAKEN:
        models[name_of(topic, of_lead=True)] = _relaxed(models[topic.model.__name__])
    # Who sends it is known, and the key knows a source.
    activity = models[Activity.__name__]
    activity["required"] = [name for name in activity["required"] if name != "createdBy"]
    captured = models[CAPTURED.model.__name__]
    captured["required"] = [name for name in captured["required"] if name != "source"]
    return models


def _relaxed(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: part for name, part in schema["properties"].items() if name != "leadId"}
    required = [name for name in schema.get("required", ()) if name not in _KNOWN]
    return {**schema, "properties": properties, "required": required}
