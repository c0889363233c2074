"""What other teams rely on: fresh exports, and no change that breaks readers of an earlier version."""

import json
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schemas import export
from schemas.base import CloudEvent
from schemas.topics import TOPICS, Topic
from services.demo.generator import generate

PUBLISHED = Path(__file__).parent / "published"
EXAMPLES = Path(export.__file__).parent / "examples"
TOPIC_LIST = list(TOPICS.values())


def test_every_export_is_what_the_models_say() -> None:
    assert export.stale() == []


@pytest.mark.parametrize("topic", TOPIC_LIST, ids=lambda topic: topic.name)
def test_a_golden_event_fits_the_schema_and_the_model_and_comes_back_as_it_was(topic: Topic) -> None:
    golden = json.loads((EXAMPLES / f"{topic.event_type}.json").read_text())
    if topic.kind == "deadletter":
        golden = {name: int(value) if value.isdigit() else value for name, value in golden.items()}
    jsonschema.Draft202012Validator(export.schema(topic)).validate(golden)
    payload = golden if topic.kind == "deadletter" else CloudEvent.model_validate(golden).data
    model = topic.model.model_validate(payload)
    assert topic.model.model_validate(model.wire()) == model
    assert set(payload) == set(model.wire()), "no field of the golden event is lost"


def test_the_generator_s_valid_captures_fit_the_exported_schema() -> None:
    validator = jsonschema.Draft202012Validator(export.schema(TOPICS["leads.captured"]))
    scenario = generate(50, 7, datetime(2026, 1, 5, tzinfo=UTC))
    good = [fed for fed in scenario.captures if fed.expect is None]
    assert good
    for fed in good:
        validator.validate(json.loads(fed.value))


def test_the_asyncapi_document_names_every_topic_and_all_its_references_lead_somewhere() -> None:
    document = export.asyncapi()
    assert {channel["address"] for channel in document["channels"].values()} == set(TOPICS)
    for reference in _references(document):
        if reference.startswith("./"):
            assert (Path(export.__file__).parent / reference).exists()
        else:
            node: Any = document
            for part in reference.removeprefix("#/").split("/"):
                node = node[part]


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def breaks(old: dict[str, Any], new: dict[str, Any], kind: str) -> list[str]:
    """What in `new` breaks those who rely on `old`: producers of an input, readers of everything else."""
    return list(_breaks(_resolve(old), _resolve(new), kind, ""))


def _resolve(schema: dict[str, Any]) -> Any:
    definitions = schema.get("$defs", {})

    def walk(node: Any) -> Any:
        if isinstance(node, dict):
            if "$ref" in node:
                return walk(definitions[node["$ref"].removeprefix("#/$defs/")])
            return {name: walk(value) for name, value in node.items() if name != "$defs"}
        return [walk(value) for value in node] if isinstance(node, list) else node

    return walk(schema)


def _breaks(old: Any, new: Any, kind: str, path: str) -> Iterator[str]:
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return
    properties = {
        name: (old["properties"][name], new.get("properties", {}).get(name)) for name in old.get("properties", {})
    }
    for name, (before, after) in properties.items():
        if after is None:
            yield f"{path}/{name}: removed"
        else:
            yield from _breaks(before, after, kind, f"{path}/{name}")
    was, is_ = set(old.get("required", ())), set(new.get("required", ()))
    for name in sorted((is_ - was) if kind == "input" else (was - is_)):
        yield f"{path}/{name}: {'newly' if kind == 'input' else 'no longer'} required"
    was, is_ = set(old.get("enum", ())), set(new.get("enum", ()))
    for word in sorted((was - is_) if kind == "input" else (is_ - was)):
        yield f"{path}: {word} is {'no longer taken' if kind == 'input' else 'new to readers'}"
    if old.get("type") != new.get("type"):
        yield f"{path}: type changed"
    for part in ("items", "additionalProperties"):
        yield from _breaks(old.get(part), new.get(part), kind, f"{path}/{part}")
    for number, (before, after) in enumerate(zip(old.get("anyOf", ()), new.get("anyOf", ()), strict=False)):
        yield from _breaks(before, after, kind, f"{path}/anyOf{number}")


@pytest.mark.parametrize("topic", TOPIC_LIST, ids=lambda topic: topic.name)
def test_no_change_breaks_who_relies_on_the_published_version(topic: Topic) -> None:
    published = json.loads((PUBLISHED / f"{topic.event_type}.json").read_text())
    assert breaks(published, export.schema(topic), topic.kind) == []


def test_the_comparison_finds_planted_breaking_changes() -> None:
    captured = export.schema(TOPICS["leads.captured"])
    narrowed, stricter = deepcopy(captured), deepcopy(captured)
    narrowed["$defs"]["Source"]["enum"].remove("phone")
    stricter["$defs"]["CapturedCompany"]["required"].append("website")
    assert breaks(captured, narrowed, "input")
    assert breaks(captured, stricter, "input")
    scored = export.schema(TOPICS["leads.scored"])
    removed, loose = deepcopy(scored), deepcopy(scored)
    del removed["properties"]["data"]["properties"]["score"]
    loose["properties"]["data"]["required"].remove("score")
    assert breaks(scored, removed, "output")
    assert breaks(scored, loose, "output")
    assert not breaks(scored, scored, "output")
