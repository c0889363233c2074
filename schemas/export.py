"""Exports the contract: JSON Schemas, an AsyncAPI document, the table of topics.

`python -m schemas.export` writes them. `--check` only lists stale files, and exits with status 1 if there are any.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue
from pydantic.json_schema import JsonSchemaValue

from schemas.base import BLANK, CONTENT_TYPE, CloudEvent
from schemas.topics import TOPICS, Topic

_HERE = Path(__file__).resolve().parent
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KEYS = {
    "leadId": "the lead's id",
    "identity": "the normalised e-mail, else the phone number; any other key works too, only slower",
    "original": "the key of the original record",
}
_KEYS_IN_TABLE = {"leadId": "lead id", "identity": "e-mail or phone", "original": "as it came"}
_PAGE = _HERE / "README.md"
_BEGIN = "<!-- topics: written by `python -m schemas.export` -->\n"
_END = "<!-- end of topics -->\n"


def schema(topic: Topic) -> JsonSchemaValue:
    """Return the JSON Schema of a record's value; for the dead letter, of its headers."""
    payload = topic.model.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    if topic.kind != "input":
        payload = {name: _as_published(value) for name, value in payload.items()}
    definitions = payload.pop("$defs", {})
    head = {"$schema": _DIALECT, "title": topic.event_type, "description": topic.meaning}
    if topic.kind == "deadletter":
        return {**head, **{k: v for k, v in payload.items() if k not in head}, "$defs": definitions}
    envelope = CloudEvent.model_json_schema()
    envelope["properties"]["type"] = {"const": topic.event_type}
    envelope["properties"]["data"] = payload
    if topic.kind != "input":
        envelope["properties"]["datacontenttype"] = {"const": "application/json", "type": "string"}
    body = {name: value for name, value in envelope.items() if name not in head}
    return {**head, **body, "$defs": definitions}


def _as_published(node: JsonValue) -> JsonValue:
    """Return the schema without `BLANK`: the product publishes no blank for a missing value."""
    if isinstance(node, dict):
        return {name: _as_published(value) for name, value in node.items()}
    return [_as_published(value) for value in node if value != BLANK] if isinstance(node, list) else node


def asyncapi() -> dict[str, Any]:  # nested to any depth; readers index it
    """Return the AsyncAPI 3 document: the product receives inputs and sends all other topics."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Kitchen Pantry CRM leads",
            "version": "1.0.0",
            "description": "CloudEvents 1.0 in structured JSON mode over Kafka.",
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {_name(topic): _channel(topic) for topic in TOPICS.values()},
        "operations": {f"{_verb(topic)}.{_name(topic)}": _operation(topic) for topic in TOPICS.values()},
    }


def _name(topic: Topic) -> str:
    return topic.name.replace(".", "-")


def _verb(topic: Topic) -> str:
    return "receive" if topic.kind == "input" else "send"


def _channel(topic: Topic) -> dict[str, object]:
    reference = {"$ref": f"./json/{topic.event_type}.json"}
    part = {"headers": reference} if topic.kind == "deadletter" else {"payload": reference}
    key = {"type": "string", "description": _KEYS[topic.key]}
    message = {"name": topic.event_type, "summary": topic.meaning, "contentType": CONTENT_TYPE, **part}
    kept = {"partitions": topic.partitions, "topicConfiguration": {"retention.ms": topic.retention_ms}}
    return {
        "address": topic.name,
        "description": topic.meaning,
        "messages": {"event": {**message, "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}}}},
        "bindings": {"kafka": {"topic": topic.name, **kept, "bindingVersion": "0.5.0"}},
    }


def _operation(topic: Topic) -> dict[str, object]:
    parties = topic.producers if topic.kind == "input" else topic.consumers
    return {
        "action": _verb(topic),
        "channel": {"$ref": f"#/channels/{_name(topic)}"},
        "messages": [{"$ref": f"#/channels/{_name(topic)}/messages/event"}],
        "summary": f"{'From' if topic.kind == 'input' else 'For'}: {', '.join(parties)}",
    }


def table() -> str:
    """Return every topic as a row of a Markdown table."""
    head = ("topic", "kind", "type", "key", "partitions", "kept for", "written by", "read by", "meaning")
    return markdown_table(head, [_cells(topic) for topic in TOPICS.values()])


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [" | ".join(cells) for cells in (head, ["---"] * len(head), *rows)]
    return "".join(f"| {line} |\n" for line in lines)


def _cells(topic: Topic) -> list[str]:
    parties = [", ".join(one) for one in (topic.producers, topic.consumers)]
    return [
        f"[`{topic.name}`](#{topic.name.replace('.', '')})",
        topic.kind,
        f"[`{topic.event_type}`](json/{topic.event_type}.json)",
        _KEYS_IN_TABLE[topic.key],
        str(topic.partitions),
        f"{topic.retention.days} days",
        *parties,
        topic.meaning,
    ]


def updated_page() -> str:
    """Return `schemas/README.md` with today's table. Raises `ValueError` without its marks."""
    return with_block(_PAGE, _BEGIN, table(), _END)


def with_block(path: Path, begin: str, block: str, end: str) -> str:
    """Return the file with `block` between these lines. Raises `ValueError` if it lacks one."""
    before, first, rest = path.read_text().partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise ValueError(f"{path.name} has no lines {begin.strip()} and {end.strip()}")
    return f"{before}{first}{block}{last}{after}"


def exports() -> dict[Path, str]:
    """Return the content of every exported file."""
    files = {
        _HERE / "json" / f"{topic.event_type}.json": json.dumps(schema(topic), indent=2, ensure_ascii=False) + "\n"
        for topic in TOPICS.values()
    }
    files[_HERE / "asyncapi.yaml"] = yaml.safe_dump(asyncapi(), sort_keys=False, width=120, allow_unicode=True)
    files[_PAGE] = updated_page()
    return files


def stale() -> list[Path]:
    """Return the files that differ from the models, or have no topic."""
    wanted = exports()
    return differing(wanted) + [path for path in sorted((_HERE / "json").glob("*.json")) if path not in wanted]


def differing(wanted: Mapping[Path, str]) -> list[Path]:
    """Return the files that have another content, or none."""
    return [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]


def write_or_check(module: str, wanted: Mapping[Path, str], stale: Iterable[Path]) -> int:
    """Write the files, or with `--check` print the stale ones; return the exit status.

    The command is `python -m {module}`.
    """
    if "--check" in sys.argv:
        names = [path.relative_to(_HERE.parent) for path in stale]
        for name in names:
            print(f"stale: {name}; run python -m {module}", file=sys.stderr)  # noqa: T201 - a command's answer
        return 1 if names else 0
    for path, text in wanted.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(write_or_check("schemas.export", exports(), stale()))
