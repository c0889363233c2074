"""The OpenAPI page: request bodies from the topics' models, and all answers of a route."""

from collections.abc import Mapping, Sequence
from typing import Literal, NotRequired, TypedDict

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import JsonValue
from pydantic.json_schema import models_json_schema

from schemas.activities import Activity
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, QUALIFY, UPDATE, Topic
from services.gateway.auth.domain.principals import Scope
from services.gateway.auth.domain.users import COOKIE, Role
from services.gateway.web.middleware import PROBLEM

JsonObject = dict[str, JsonValue]
"""A JSON Schema, or another part of an OpenAPI document."""
Responses = dict[int | str, dict[str, object]]
"""The answers of a route by their status, as FastAPI takes them: OpenAPI's words, and `model` for a class."""


class RouteDocs(TypedDict):
    """The OpenAPI part of a route, as FastAPI's decorators take it."""

    status_code: NotRequired[int]
    response_model: None
    responses: Responses
    openapi_extra: JsonObject


class _ObjectSchema(TypedDict):
    """The JSON Schema of a model."""

    properties: dict[str, JsonValue]
    required: NotRequired[list[str]]


ACCEPTED: JsonObject = {
    "type": "object",
    "required": ["eventId"],
    "properties": {"eventId": {"type": "string", "description": "the event's id; the event is safe in Kafka"}},
}
_LOCATION: JsonObject = {
    "description": "where its sender can ask what became of the event; an answer in HTML has none",
    "schema": {"type": "string", "format": "uri-reference"},
}
_FAULT: JsonObject = {
    "type": "object",
    "required": ["path", "message"],
    "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
}
_REJECTED: JsonObject = {
    "type": "object",
    "required": ["line", "errors"],
    "properties": {"line": {"type": "integer"}, "errors": {"type": "array", "items": _FAULT}},
}
_BATCH: JsonObject = {
    "accepted": {"type": "integer"},
    "eventIds": {
        "type": "array",
        "items": {"type": "string"},
        "description": "the ids of the accepted records' events, in the order of the records",
    },
    "rejected": {"type": "array", "items": _REJECTED},
}
BATCH: JsonObject = {"type": "object", "required": [*_BATCH], "properties": _BATCH}
_WARNING: JsonObject = {
    "type": "object",
    "required": ["line", "column", "message"],
    "properties": {
        "line": {"type": "integer"},
        "column": {"type": "string", "description": "the column's name, or the field's path in JSON"},
        "message": {"type": "string"},
    },
}
_WARNINGS: JsonObject = {
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
SCANS: JsonObject = {
    "type": "object",
    "required": [*_BATCH, *_WARNINGS],
    "properties": {**_BATCH, **_WARNINGS},
}
_PROBLEM: JsonObject = {
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
_LED: Responses = {303: {"description": "Acknowledged by Kafka. Redirects to a thank-you page."}}
FORM = "application/x-www-form-urlencoded"
_HTML: JsonObject = {"text/html": {"schema": {"type": "string"}}}
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
_SCHEMES: JsonObject = {
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
_HEADER: JsonObject = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "becomes the event's id: a request that is sent again with the same key counts once",
    "schema": {"type": "string", "pattern": "^[!-~]{1,200}$"},
}


_IF_NONE_MATCH: JsonObject = {"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}
ME: JsonObject = {
    "type": "object",
    "required": ["name", "role", "scopes"],
    "properties": {
        "name": {"type": "string"},
        "role": {"type": "string", "enum": [role.value for role in Role]},
        "scopes": {"type": "array", "items": {"type": "string", "enum": [scope.value for scope in Scope]}},
    },
}


def describe_write(
    answer: JsonObject,
    topic: Topic | None = None,
    *,
    of_lead: bool = False,
    media: Mapping[str, _Shape] | None = None,
    security: str = "key",
) -> RouteDocs:
    """Return the OpenAPI part of a write route: its content types, data and answers."""
    # A platform's own id for a call makes it count once.
    by_key = security == "key"
    extra: JsonObject = {
        "parameters": [_HEADER] if by_key else [],
        "security": _any(*(_WHO if by_key else (security,))),
    }
    if topic:
        schema: JsonObject = {"$ref": f"#/components/schemas/{component_name(topic, of_lead=of_lead)}"}
        shapes = media or {"application/json": "object"}
        extra["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": _shaped(schema, shape)} for kind, shape in shapes.items()},
        }
    responses = describe_answers(answer, pages=bool(media and FORM in media))
    extra["tags"] = [_GROUPS.get(topic, "Commands")]
    return {"status_code": 202, "response_model": None, "responses": responses, "openapi_extra": extra}


def describe_read(
    answer: JsonObject, tag: str, *, security: Sequence[str] = _WHO, parameters: Sequence[JsonObject] = ()
) -> RouteDocs:
    """Return the OpenAPI part of a read route: its query and its answers."""
    read: Responses = {
        200: {"description": "The answer.", "content": {"application/json": {"schema": answer}}},
        304: {"description": "Unchanged: the client has the version in `If-None-Match`."},
    }
    extra: JsonObject = {"tags": [tag], "security": _any(*security), "parameters": [*parameters, _IF_NONE_MATCH]}
    return {"response_model": None, "responses": read | _refused(), "openapi_extra": extra}


def describe_command(answer: JsonObject, tag: str, body: JsonObject, *, repeatable: bool = False) -> RouteDocs:
    """Return the OpenAPI part of a route that takes a JSON `body` of its own.

    `repeatable`: an `Idempotency-Key` makes a repeated call count once.
    """
    extra: JsonObject = {"tags": [tag], "security": _any(*_WHO), "parameters": [_HEADER] if repeatable else []}
    extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return {"status_code": 202, "response_model": None, "responses": describe_answers(answer), "openapi_extra": extra}


def describe_page(leads_to: str, *, query: Sequence[str] = (), fields: Sequence[str] = ()) -> RouteDocs:
    """Return the OpenAPI part of an HTML page: its query and form fields, all of them text."""
    text: JsonObject = {"type": "string"}
    extra: JsonObject = {"tags": ["Users"], "security": []}
    extra["parameters"] = [{"name": name, "in": "query", "schema": text} for name in query]
    if fields:
        schema: JsonObject = {"type": "object", "properties": dict.fromkeys(fields, text)}
        extra["requestBody"] = {"required": True, "content": {FORM: {"schema": schema}}}
    page: Responses = {
        200: {"description": leads_to, "content": _HTML},
        303: {"description": leads_to},
    }
    return {"response_model": None, "responses": page | _refused(_HTML), "openapi_extra": extra}


def describe_file(what: str, tag: str) -> RouteDocs:
    """Return the OpenAPI part of a read route that answers with a CSV file."""
    file: Responses = {200: {"description": what, "content": {"text/csv": {"schema": {"type": "string"}}}}}
    extra: JsonObject = {"tags": [tag], "security": _any(*_WHO)}
    return {"response_model": None, "responses": file | _refused(), "openapi_extra": extra}


def _any(*schemes: str) -> list[JsonValue]:
    return [{scheme: []} for scheme in schemes]


def _refused(more: JsonObject | None = None) -> Responses:
    content: JsonObject = {PROBLEM: {"schema": _PROBLEM}, **(more or {})}
    return {status: {"description": why, "content": content} for status, why in _REFUSALS.items()}


def _shaped(schema: JsonObject, shape: _Shape) -> JsonObject:
    shapes: dict[_Shape, JsonObject] = {
        "object": schema,
        "array": {"type": "array", "items": schema},
        "lines": {"type": "string"},
    }
    return shapes[shape]


def describe_answers(answer: JsonObject, *, pages: bool = False) -> Responses:
    """Return all answers that a write route can give."""
    page: JsonObject = _HTML if pages else {}
    taken: dict[str, object] = {
        "description": "Acknowledged by Kafka.",
        "content": {"application/json": {"schema": answer}, **page},
        **({"headers": {"Location": _LOCATION}} if answer is ACCEPTED else {}),
    }
    found: Responses = {202: taken, **(_LED if pages else {})}
    return found | _refused(page)


def component_name(topic: Topic, *, of_lead: bool) -> str:
    """Return the component name of a topic's data: whole, or as a route of one lead takes it."""
    return topic.model.__name__ + ("Request" if of_lead else "")


def document(app: FastAPI) -> JsonObject:
    """Return the app's OpenAPI document, with the topics' models as components."""
    if not app.openapi_schema:
        page = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        components = page.setdefault("components", {})
        components["securitySchemes"] = _SCHEMES
        components.setdefault("schemas", {}).update(_models())
        app.openapi_schema = page
    return app.openapi_schema


def _models() -> dict[str, _ObjectSchema]:
    wanted = [(topic.model, "validation") for topic in _TAKEN]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # mode is a literal
    models: dict[str, _ObjectSchema] = found["$defs"]
    for topic in _TAKEN:
        models[component_name(topic, of_lead=True)] = _relaxed(models[topic.model.__name__])
    # The key gives the sender and a default source.
    activity = models[Activity.__name__]
    activity["required"] = [name for name in activity["required"] if name != "createdBy"]
    captured = models[CAPTURED.model.__name__]
    captured["required"] = [name for name in captured["required"] if name != "source"]
    return models


def _relaxed(schema: _ObjectSchema) -> _ObjectSchema:
    properties = {name: part for name, part in schema["properties"].items() if name != "leadId"}
    required = [name for name in schema.get("required", ()) if name not in _KNOWN]
    return {**schema, "properties": properties, "required": required}
