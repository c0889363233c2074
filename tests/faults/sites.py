"""Count the calls in the sources that write each collection by each method."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from shared.mongo import names
from tests.faults.edges import PUBLISH, WRITES

_SOURCES = Path(__file__).resolve().parent.parent.parent
_COLLECTIONS = {name: value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
ANY = "…"
"""A collection that the caller names."""


def sites() -> Counter[str]:
    """Return the calls that write or publish, by operation and collection."""
    trees = (ast.parse(path.read_text()) for package in _packages() for path in sorted(package.rglob("*.py")))
    return Counter(site for tree in trees for site in _in(tree))


def _packages() -> Iterator[Path]:
    """Return all packages of the product."""
    return (path.parent for path in _SOURCES.glob("*/__init__.py") if path.parent.name != __name__.partition(".")[0])


def _in(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            method, owner = node.func.attr, ast.unparse(node.func.value)
            collection = _named(node.args[0]) if node.args else None
            if method in WRITES and (collection or owner.endswith("storage")):
                yield f"{method} {collection or ANY}"
            if method == PUBLISH and owner.endswith("publisher"):
                yield PUBLISH


def _named(of: ast.expr) -> str | None:
    name = of.id if isinstance(of, ast.Name) else of.attr if isinstance(of, ast.Attribute) else ""
    return _COLLECTIONS.get(name)
