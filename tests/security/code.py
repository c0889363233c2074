"""What a process's code names: the topics, and what it does with which collection, read from its sources."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from inspect import getfile
from pathlib import Path

from schemas import topics
from schemas.topics import Topic
from services.composition.permissions import GATEWAY
from services.composition.workers import WORKERS
from services.gateway.app import front
from shared.mongo import names

ACTIONS = {
    **dict.fromkeys(("read", "find", "find_in", "pages_in", "scan", "count", "count_up_to", "earliest"), ("find",)),
    "insert_new": ("insert",),
    "put": ("insert", "update"),
    **dict.fromkeys(("replace", "change", "change_all"), ("update",)),
    **dict.fromkeys(("delete", "delete_guarded", "delete_all"), ("remove",)),
}
"""What MongoDB asks a user to be allowed, by the method of `Storage`."""


def folder(process: str) -> Path:
    """Where the sources of a worker, or of the gateway, lie."""
    return Path(getfile(front if process == GATEWAY else WORKERS[process])).parent


def topics_of(*paths: Path) -> set[str]:
    """The topics that modules of these paths import by name."""
    found = set()
    for tree in _trees(*paths):
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == topics.__name__:
                named = (getattr(topics, one.name) for one in node.names)
                found |= {one.name for one in named if isinstance(one, Topic)}
    return found


def actions_of(*paths: Path) -> dict[str, set[str]]:
    """What modules of these paths do with each collection that they name where they do it."""
    found: dict[str, set[str]] = defaultdict(set)
    for tree in _trees(*paths):
        for collection, method in _calls(tree):
            found[collection] |= set(ACTIONS[method])
    return found


def _calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ACTIONS
            and node.args
        ):
            first = node.args[0]
            name = first.id if isinstance(first, ast.Name) else first.attr if isinstance(first, ast.Attribute) else ""
            collection = getattr(names, name, None)
            if name.isupper() and isinstance(collection, str):
                yield collection, node.func.attr


def _trees(*paths: Path) -> Iterator[ast.Module]:
    for path in paths:
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield ast.parse(file.read_text())
