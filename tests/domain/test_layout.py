"""The tree's layout: where a module may lie, and how many lie together (`services/README.md#anatomy`)."""

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from grimp import ImportGraph, build_graph

from services.gateway.dashboard.palette import palette
from services.gateway.dashboard.routes import FOLDER

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("services", "shared", "schemas", "deploy")
MODULES_MAX = 14
"""Python files of one folder; `__init__.py` and `__main__.py` are not counted."""
SHEET_LINES_MAX = 250
SHEETS = {file.relative_to(ROOT).as_posix(): file.read_text() for file in (ROOT / "services").rglob("*.css")}

IO = {
    "aiokafka", "asyncio", "bson", "cyclopts", "fastapi", "faststream", "fcntl", "getpass", "jinja2", "logging",
    "motor", "os", "prometheus_client", "pymongo", "random", "rich", "secrets", "shutil", "signal", "socket",
    "starlette", "structlog", "subprocess", "sys", "tempfile", "threading", "time", "uvicorn", "webbrowser",
}  # fmt: skip
"""A module that imports one of these, or a module that does, decides nothing by itself."""

NOT_DECISIONS = {
    "services.gateway.dashboard.palette": "what a style sheet has",
    "services.gateway.leads.prediction_responses": "the models of answers",
    "services.scoring.published_cache": "what a process remembers",
    "shared.consuming.circuit_breaker": "what a process remembers",
    "shared.consuming.pending_events": "what the consumer calls",
    "shared.errors": "the errors of all edges",
    "shared.kafka.dead_letter": "Kafka's headers",
    "shared.kafka.decoding": "Kafka's bytes",
    "shared.kafka.events": "Kafka's records",
    "shared.leads.command_policies": "what a worker brings to its commands",
    "shared.leads.suspicions": "Kafka's records",
    "shared.leads.rights": "MongoDB's rights",
    "shared.mongo.names": "MongoDB's names",
    "shared.observability.error_places": "texts of the log",
}
"""Modules without I/O that belong to an edge, and lie there."""

ANATOMY = {"decide", "explanation", "queries", "routes", "store", "worker"}
"""Modules that several services have for the same part (`services/README.md#anatomy`)."""
FUNCTIONS = {"build", "create_indexes", "decide", "main", "routes"}
"""Public functions that several modules of the anatomy have."""
SAME_THING = {
    "commands": "the events, and how they are carried out",
    "permissions": "the rights, and the command that gives them",
    "preflight": "the check, and its command",
    "users": "the rules for users, and their command",
}

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="module")
def graph() -> ImportGraph:
    return build_graph(*PRODUCT, include_external_packages=True, cache_dir=None)


def _modules(*tops: str) -> Iterator[Path]:
    for top in tops:
        yield from (file for file in (ROOT / top).rglob("*.py") if not file.name.startswith("__"))


def test_a_folder_has_few_modules() -> None:
    counts = Counter(file.parent.relative_to(ROOT).as_posix() for file in _modules(*PRODUCT))
    assert {folder: count for folder, count in counts.items() if count > MODULES_MAX} == {}


def test_services_has_no_loose_module() -> None:
    assert [file.name for file in _modules("services") if file.parent == ROOT / "services"] == []


def test_no_decision_lies_outside_a_domain_folder(graph: ImportGraph) -> None:
    ours = {name for name in graph.modules if name.split(".")[0] in {"services", "shared"}}
    packages = {name for name in ours if graph.find_children(name)}
    pure = {name for name in ours - packages if not graph.find_upstream_modules(name) & IO}
    outside = {name for name in pure if "domain" not in name.split(".") and not _is_empty(name)}
    assert outside == set(NOT_DECISIONS)


def _is_empty(module: str) -> bool:
    return not (ROOT / f"{module.replace('.', '/')}.py").exists()


def test_a_name_stands_for_one_module() -> None:
    counts = Counter(file.stem for file in _modules(*PRODUCT))
    assert {name for name, count in counts.items() if count > 1} - ANATOMY == set(SAME_THING)


@pytest.mark.parametrize(
    ("kind", "recurring"), [((ast.ClassDef,), set()), ((ast.FunctionDef, ast.AsyncFunctionDef), FUNCTIONS)]
)
def test_a_name_stands_for_one_class_or_function(kind: tuple[type[Definition], ...], recurring: set[str]) -> None:
    trees = [ast.parse(file.read_text()) for file in _modules(*PRODUCT)]
    counts = Counter(one.name for tree in trees for one in tree.body if isinstance(one, kind))
    assert {name for name, count in counts.items() if count > 1 and not name.startswith("_")} == recurring


def test_a_style_sheet_is_short() -> None:
    lengths = {name: len(text.splitlines()) for name, text in SHEETS.items()}
    assert {name: lines for name, lines in lengths.items() if lines > SHEET_LINES_MAX} == {}


def test_the_dashboard_links_all_its_style_sheets() -> None:
    linked = re.findall(r'href="/dashboard/([^"]+\.css)"', (FOLDER / "index.html").read_text())
    assert sorted(linked) == sorted(file.relative_to(FOLDER).as_posix() for file in FOLDER.rglob("*.css"))


def test_one_style_sheet_has_the_palette() -> None:
    colours = {colour for one in palette() for colour in (one.light, one.dark)} - {"#ffffff"}  # paper is white too
    assert len(colours) > len(palette())
    assert [name for name, text in SHEETS.items() if any(colour in text for colour in colours)] == [
        "services/gateway/dashboard/static/core/tokens.css"
    ]
