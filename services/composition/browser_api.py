"""Prints the answers that the dashboard reads, as OpenAPI; `.ci/front/check` generates its types from them."""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import JsonValue

from services.gateway import app
from services.gateway.analytics import routes as analytics
from services.gateway.configuration import routes as configuration
from services.gateway.dashboard.domain.page_vocabulary import Vocabulary
from services.gateway.dead_letters import routes as dead_letters
from services.gateway.leads import prediction_routes, privacy_routes
from services.gateway.leads import routes as leads
from services.gateway.outcomes import routes as outcomes
from services.gateway.tasks import routes as tasks
from services.gateway.web.openapi import JsonObject

_UNUSED: Any = None  # stands for parts of many types
"""Routes need their parts only when they answer."""
_TEMPLATE = "#/components/schemas/{model}"
_VOCABULARY = {"$ref": _TEMPLATE.format(model=Vocabulary.__name__)}
_REFERENCE = re.compile(r'"#/components/schemas/([^"]+)"')


def answers() -> JsonObject:
    """Return an OpenAPI document of schemas only. `Answers` has every JSON answer to GET by its path."""
    whole = _gateway().openapi()
    read = dict(_read(whole["paths"]))
    words = Vocabulary.model_json_schema(ref_template=_TEMPLATE)
    schemas = whole["components"]["schemas"] | words.pop("$defs") | {Vocabulary.__name__: words}
    named = {name: schemas[name] for name in sorted(_named([read, _VOCABULARY], schemas))}
    every: JsonObject = {"type": "object", "required": list(read), "properties": read}
    return {
        "openapi": whole["openapi"],
        "info": whole["info"],
        "paths": {},
        "components": {"schemas": _untitled({"Answers": every, **named})},
    }


def _gateway() -> FastAPI:
    parts = (
        leads.routes(_UNUSED, _UNUSED, _UNUSED, _UNUSED, _UNUSED),
        outcomes.routes(_UNUSED, _UNUSED),
        prediction_routes.routes(_UNUSED, _UNUSED),
        privacy_routes.routes(_UNUSED, _UNUSED),
        tasks.routes(_UNUSED, _UNUSED, _UNUSED),
        analytics.routes(_UNUSED, _UNUSED, _UNUSED),
        dead_letters.routes(_UNUSED, _UNUSED, _UNUSED),
        configuration.routes(_UNUSED, _UNUSED),
    )
    return app.build_app([*app.own_routers(_UNUSED), *parts])


def _read(paths: Mapping[str, Any]) -> Iterator[tuple[str, JsonValue]]:  # an OpenAPI document: any depth
    for path, methods in paths.items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if content.get("application/json", {}).get("schema"):
            yield path, content["application/json"]["schema"]


def _named(part: object, schemas: Mapping[str, object]) -> set[str]:
    """Return the names of all schemas that a part refers to, directly or by another schema."""
    found: set[str] = set()
    new = set(_REFERENCE.findall(json.dumps(part)))
    while new:
        found |= new
        new = set(_REFERENCE.findall(json.dumps([schemas[name] for name in new]))) - found
    return found


def _untitled(part: JsonValue) -> JsonValue:
    """Return a schema without the titles that only repeat its names."""
    if isinstance(part, dict):
        return {key: _untitled(value) for key, value in part.items() if key != "title" or isinstance(value, dict)}
    return [_untitled(one) for one in part] if isinstance(part, list) else part


if __name__ == "__main__":
    json.dump(answers(), sys.stdout)
