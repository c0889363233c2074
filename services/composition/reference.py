"""Generates files from the code: settings, metrics and log events in `deploy/docs/`, and what manifests decide.

`python -m services.composition.reference` writes them. `--check` only lists stale pages, and exits with status 1 if
there are any.
"""

import ast
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.metrics import MetricWrapperBase

from schemas.export import differing, markdown_table, write_or_check
from services.composition.derived_files import derived_files
from shared.domain.operations.setting_names import OTHERS, variable
from shared.observability.metrics import Metrics
from shared.settings import Settings

_ROOT = Path(__file__).resolve().parents[2]
_DOCS = _ROOT / "deploy" / "docs"
_MEANINGS = Path(__file__).with_name("log_events.yaml")
_LOGGERS = {"_log", "structlog.get_logger()"}
_LEVELS = {"debug", "info", "warning", "error", "critical", "log"}
_BOUNDS = {"minLength": "≥ {} characters", "minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}"}
_KINDS = {
    "boolean": "`true`, `false`",
    "directory-path": "folder",
    "file-path": "file",
    "integer": "number",
    "password": "secret",
    "string": "text",
}

_SETTINGS = """# Settings

`python -m services.composition.reference` writes this page.

A setting comes from the environment, else from the file that `pantry --env-file FILE` names, else from a file in
`PANTRY_SECRETS_DIR`. The file of `--env-file` has a `NAME=value` on each line, with a value that has `$` in single
quotes. Names that begin with `PANTRY_TEST_` belong to the tests. Any other unknown name that begins with `PANTRY_` ends
a command with status 2; the message suggests the right name.

"""
_METRICS = """# Metrics

`python -m services.composition.reference` writes this page.

Each process serves its metrics at `/metrics`. FastStream adds its own of
what workers receive, whose names begin with `faststream_received_`. `pantry_published_total` counts what was published.

"""
_LOG_EVENTS = """# Log events

`python -m services.composition.reference` writes this page. The meanings are in `services/composition/log_events.yaml`.

Processes log to standard error: JSON lines, or plain text on a terminal. Each line also has `event`, `level` and
`timestamp`, and in the gateway `request_id`. A line has ids and counts, never personal data. It has an error's class
and place, not its text. `…` means further fields, which differ from line to line.

"""


def pages() -> dict[Path, str]:
    """Return the content of every generated file.

    Raises `ValueError` if events and meanings don't agree.
    """
    meanings = yaml.safe_load(_MEANINGS.read_text())
    return {
        _DOCS / "settings.md": _SETTINGS + settings_table(),
        _DOCS / "metrics.md": _METRICS + metrics_table(),
        _DOCS / "log-events.md": _LOG_EVENTS + log_table(list(log_calls(_ROOT)), meanings),
        **derived_files(),
    }


def settings_table() -> str:
    """Return every setting as a row of a Markdown table."""
    rows = [
        (f"`{variable(name)}`", _default(field), _values(field), " ".join(field["description"].split()))
        for name, field in Settings.model_json_schema()["properties"].items()
    ]
    rows += [(f"`{name}`", "", "folder", meaning) for name, meaning in OTHERS.items()]
    return markdown_table(("setting", "default", "values", "meaning"), rows)


def _default(field: Mapping[str, Any]) -> str:  # a JSON Schema: its keywords differ from field to field
    default = field.get("default")
    if isinstance(default, float):
        default = f"{default:g}"
    return f"`{str(default).removeprefix(f'{_ROOT}/')}`" if default else ""


def _values(field: Mapping[str, Any]) -> str:  # as above
    """Return a setting's words, or its type or unit with the bounds."""
    kind = {**field, **field.get("anyOf", [{}])[0]}
    if "enum" in kind:
        return ", ".join(f"`{word}`" for word in kind["enum"])
    word = kind.get("unit") or kind.get("format") or kind["type"]
    return ", ".join(
        [_KINDS.get(word, word), *(text.format(kind[name]) for name, text in _BOUNDS.items() if name in kind)]
    )


def metrics_table() -> str:
    """Return every metric of the product as a row of a Markdown table."""
    found = [one for one in vars(Metrics()).values() if isinstance(one, MetricWrapperBase)]
    return markdown_table(("metric", "type", "labels", "meaning"), map(_metric_cells, found))


def _metric_cells(metric: MetricWrapperBase) -> tuple[str, ...]:
    [family] = metric.describe()
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001 - the client offers no other reading
    return f"`{name}`", family.type, labels, family.documentation


@dataclass(frozen=True, slots=True)
class LogCall:
    """A call that logs an event. The level `log` is that of what is logged."""

    event: str
    level: str
    fields: tuple[str, ...]
    module: str


def log_calls(root: Path) -> Iterator[LogCall]:
    """Yield the calls in `services/` and `shared/`.

    Raises `ValueError` if a name of an event is computed.
    """
    for top in ("services", "shared"):
        for file in sorted((root / top).rglob("*.py")):
            module = file.relative_to(root).as_posix()
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_log(node.func):
                    yield from _events_of(node, node.func.attr, module)


def _is_log(called: ast.Attribute) -> bool:
    return called.attr in _LEVELS and ast.unparse(called.value) in _LOGGERS


def _events_of(call: ast.Call, level: str, module: str) -> Iterator[LogCall]:
    name = call.args[1 if level == "log" else 0]
    fields = tuple(one.arg or "…" for one in call.keywords)
    for part in (name.body, name.orelse) if isinstance(name, ast.IfExp) else (name,):
        if not isinstance(part, ast.Constant):
            raise ValueError(f"{module}:{call.lineno}: write out the names of events")  # noqa: TRY004 - code, not a type
        yield LogCall(str(part.value), level, fields, module)


def log_table(calls: list[LogCall], meanings: dict[str, str]) -> str:
    """Return every log event as a row of a Markdown table.

    Raises `ValueError` if the meanings don't agree.
    """
    events = sorted({one.event for one in calls})
    if unlike := meanings.keys() ^ events:
        raise ValueError(f"{_MEANINGS.name} must have one sentence for each event: {', '.join(sorted(unlike))}")
    rows = [_event_cells(event, [one for one in calls if one.event == event], meanings[event]) for event in events]
    return markdown_table(("event", "level", "fields", "module", "meaning"), rows)


def _event_cells(event: str, calls: list[LogCall], meaning: str) -> tuple[str, ...]:
    levels = dict.fromkeys("its own" if one.level == "log" else one.level for one in calls)
    fields = dict.fromkeys(name for one in calls for name in one.fields if name != "…")
    others = ["…"] if any("…" in one.fields for one in calls) else []
    modules = dict.fromkeys(f"`{one.module}`" for one in calls)
    shown = ", ".join([*(f"`{name}`" for name in fields), *others])
    return f"`{event}`", ", ".join(levels), shown, ", ".join(modules), meaning


if __name__ == "__main__":
    found = pages()
    sys.exit(write_or_check("services.composition.reference", found, differing(found)))
