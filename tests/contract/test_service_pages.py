"""The page of each service names what the code reads and writes."""

import ast
import re
from pathlib import Path

import pytest

from services.composition.permissions import GATEWAY, mongo_actions, reads, writes
from services.composition.workers import WORKERS
from services.erasure.store import PURGED

PAGES = sorted(Path("services").glob("*/README.md"))
_SPAN = re.compile(r"`([^`\n]+)`")


def _row(page: str, heading: str) -> set[str]:
    """Return the names in the row of the page's table with this heading."""
    [row] = re.findall(rf"^\| {heading} \| (.*) \|$", page, re.MULTILINE)
    return set(_SPAN.findall(row))


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_s_page_names_its_topics_and_no_others(worker: str) -> None:
    page = Path(f"services/{worker}/README.md").read_text()
    assert _row(page, "topics that it reads") == set(reads(worker))
    assert _row(page, "topics that it writes") == set(writes(worker))


@pytest.mark.parametrize("service", [*WORKERS, GATEWAY])
def test_a_service_s_page_names_its_collections_and_no_others(service: str) -> None:
    page, rights = Path(f"services/{service}/README.md").read_text(), mongo_actions(service)
    if service == "erasure":  # what it deletes from follows from the registry of collections
        purged = {one.name for one in PURGED}
        rights = {name: tuple({*may} - ({"remove"} if name in purged else set())) for name, may in rights.items()}
    assert _row(page, "collections that it reads") == {name for name, may in rights.items() if "find" in may}
    written = {name for name, may in rights.items() if set(may) - {"find"}}
    assert {name for name in _row(page, "collections that it writes") if "/" not in name} == written


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_the_files_that_a_service_s_page_names_are_there(page: Path) -> None:
    named = [one for one in _SPAN.findall(page.read_text()) if re.fullmatch(r"[\w/.]+(?:\.(?:py|yaml)|/)", one)]
    assert named
    assert [
        one for one in named if not any((root / one).exists() for root in (page.parent, page.parent.parent, Path()))
    ] == []


def test_the_list_of_services_leads_to_every_page() -> None:
    links = re.findall(r"\]\((\w+/README\.md)\)", Path("services/README.md").read_text())
    assert {Path("services", link) for link in links} == set(PAGES)


def _functions(module: Path) -> set[str]:
    """Return the functions and methods of a module, as `name` and `Class.name`."""
    tree = ast.parse(module.read_text())
    classes = [("", tree), *((f"{one.name}.", one) for one in tree.body if isinstance(one, ast.ClassDef))]
    return {
        f"{prefix}{one.name}"
        for prefix, body in classes
        for one in ast.iter_child_nodes(body)
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def test_the_functions_that_decide_are_where_the_page_says() -> None:
    section = Path("services/README.md").read_text().split("## Where it is decided")[1].split("\n## ")[0]
    named = re.findall(r"\| `([\w.]+)` \| `([\w/.]+\.py)` \|$", section, re.MULTILINE)
    assert len(named) >= 10
    assert [(name, module) for name, module in named if name not in _functions(Path(module))] == []
