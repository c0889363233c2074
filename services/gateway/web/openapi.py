"""The OpenAPI page: request bodies from the topics' models, and all answers of a route."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from schemas.activities import Activity
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, QUALIFY, UPDATE, Topic
from services.gateway.auth.domain.principals import Scope
from services.gateway.auth.domain.users import COOKIE, Role
from services.gateway.web.middleware import PROBLEM

ACCEPTED: dict[str, Any] = {
    "type": "object",
    "required": ["eventId"],
    "properties": {"eventId": {"type": "string", "description": "the event's id; the event is safe in Kafka"}},
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
    "required": ["accepted", "eventIds", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "eventIds": {
            "type": "array",
            "items": {"type": "string"},
            "description": "the ids of the accepted records' events, in the order of the records",
        },
        "rejected": {"type": "array", "items": _REJECTED},
    },
}
_WARNING = {
    "type": "object",
    "required": ["line", "column", "message"],
    "properties": {
        "line": {"type": "integer"},
        "column": {"type": "string", "description": "the column's name, or the field's path in JSON"},
        "message": {"type": "string"},
    },
}
_WARNINGS: dict[str, Any] = {
    "warnings": {
        "type": "array",
        "items": _WARNING,
        "description": "values that were not stored as sent; the first 200",
    },
    "remarks": {
        "type": "array",
        "items": {"type": "string"},
        "description": "what looks wrong in the whole batch, in sentences",
    },
}
SCANS: dict[str, Any] = {
    **BATCH,
    "required": [*BATCH["required"], *_WARNINGS],
    "properties": {**BATCH["properties"], **_WARNINGS},
}
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "required": ["title", "status"],
    "properties": {
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {"type": "array", "items": _FAULT},
        "accepted": {"type": "integer", "description": "0: no record of the batch is valid"},
        "rejected": {"type": "array", "items": _REJECTED},
        **_WARNINGS,
    },
}
_REFUSALS = {
    401: "No valid API key and no valid session.",
    403: "The key or the user may not do this.",
    404: "It does not exist.",
    405: "The path does not support this method.",
    408: "The body did not arrive in time.",
    413: "The body is too large.",
    415: "The content type is not supported.",
    422: "Some fields, a parameter or a whole batch are invalid; `errors` or `rejected` says which and why.",
    429: "Too many requests; `Retry-After` says how many seconds to wait.",
    503: "The event may not be stored. Send it again after `Retry-After` seconds.",
}
_LED: dict[int | str, dict[str, Any]] = {303: {"description": "Acknowledged by Kafka. Redirects to a thank-you page."}}
FORM = "application/x-www-form-urlencoded"
_HTML: dict[str, Any] = {"text/html": {"schema": {"type": "string"}}}
_WHO = ("key", "session")
_TAKEN = (ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, QUALIFY, UPDATE)
_GROUPS: dict[Topic | None, str] = {
    CAPTURED: "Capture",
    ACTIVITIES: "Activities and engagements",
    ENGAGEMENTS: "Activities and engagements",
}
# The path or the key gives these.
_KNOWN = {"leadId", "requestedBy"}
_Shape = Literal["object", "array", "lines"]
_SCHEMES = {
    "key": {"type": "http", "scheme": "bearer", "description": "an API key from `pantry keys create`"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": COOKIE,
        "description": "a user's session, from `/signin`; changes must come from the gateway's own pages",
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
    "description": "becomes the event's id: a request that is sent again with the same key counts once",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


_IF_NONE_MATCH = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
ME: dict[str, Any] = {
    "type": "object",
    "required": ["name", "role", "scopes"],
    "properties": {
        "name": {"type": "string"},
        "role": {"type": "string", "enum": [role.value for role in Role]},
        "scopes": {"type": "array", "items": {"type": "string", "enum": [scope.value for scope in Scope]}},
    },
}


def describe_write(
    answer: Mapping[str, Any],
    topic: Topic | None = None,
    *,
    of_lead: bool = False,
    media: Mapping[str, _Shape] | None = None,
    security: str = "key",
) -> dict[str, Any]:
    """Return the OpenAPI part of a write route: its content types, data and answers."""
    # A platform's own id for a call makes it count once.
    by_key = security == "key"
    extra: dict[str, Any] = {
        "parameters": [_HEADER] if by_key else [],
        "security": _any(*(_WHO if by_key else (security,))),
    }
    if topic:
        schema = {"$ref": f"#/components/schemas/{component_name(topic, of_lead=of_lead)}"}
        shapes = media or {"application/json": "object"}
        extra["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _shaped(schema, shape)} for kind, shape in shapes.items()},
        }
    responses = describe_answers(answer, pages=bool(media and FORM in media))
    extra["tags"] = [_GROUPS.get(topic, "Commands")]
    return {"status_code": 202, "response_model": None, "responses": responses, "openapi_extra": extra}


def describe_read(
    answer: Mapping[str, Any], tag: str, *, security: Sequence[str] = _WHO, parameters: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """Return the OpenAPI part of a read route: its query and its answers."""
    read: dict[int | str, dict[str, Any]] = {
        200: {"description": "The answer.", "content": {"application/json": {"schema": answer}}},
        304: {"description": "Unchanged: the client has the version in `If-None-Match`."},
    }
    extra = {"tags": [tag], "security": _any(*security), "parameters": [*parameters, _IF_NONE_MATCH]}
    return {"response_model": None, "responses": read | _refused(), "openapi_extra": extra}


def describe_command(answer: Mapping[str, Any], tag: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI part of a route that takes a JSON `body` of its own."""
    extra = {"tags": [tag], "security": _any(*_WHO)}
    extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"status_code": 202, "response_model": None, "responses": describe_answers(answer), "openapi_extra": extra}


def describe_page(leads_to: str, *, query: Sequence[str] = (), fields: Sequence[str] = ()) -> dict[str, Any]:
    """Return the OpenAPI part of an HTML page: its query and form fields, all of them text."""
    text = {"type": "string"}
    extra: dict[str, Any] = {"tags": ["Users"], "security": []}
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


def describe_answers(answer: Mapping[str, Any], *, pages: bool = False) -> dict[int | str, dict[str, Any]]:
    """Return all answers that a write route can give."""
    page = _HTML if pages else {}
    taken = {"description": "Acknowledged by Kafka.", "content": {"application/json": {"schema": answer}, **page}}
    found: dict[int | str, dict[str, Any]] = {202: taken, **(_LED if pages else {})}
    return found | _refused(page)


def component_name(topic: Topic, *, of_lead: bool) -> str:
    """Return the component name of a topic's data: whole, or as a route of one lead takes it."""
    return topic.model.__name__ + ("Request" if of_lead else "")


def document(app: FastAPI) -> dict[str, Any]:
    """Return the app's OpenAPI document, with the topics' models as components."""
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
        models[component_name(topic, of_lead=True)] = _relaxed(models[topic.model.__name__])
    # The key gives the sender and a default source.
    activity = models[Activity.__name__]
    activity["required"] = [name for name in activity["required"] if name != "createdBy"]
    captured = models[CAPTURED.model.__name__]
    captured["required"] = [name for name in captured["required"] if name != "source"]
    return models


def _relaxed(schema: Mapping[str, Any]) -> dict[str, Any]:
    properties = {name: part for name, part in schema["properties"].items() if name != "leadId"}
    required = [name for name in schema.get("required", ()) if name not in _KNOWN]
    return {**schema, "properties": properties, "required": required}
