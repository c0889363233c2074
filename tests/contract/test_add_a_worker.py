"""The walk-through of `services/README.md` works: a worker is added to a copy of the tree, and all checks know it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.search(r"^## Add a worker$(.*?)^## ", (ROOT / "services/README.md").read_text(), re.DOTALL | re.MULTILINE)
STEP = re.compile(r"^\d\. `([^`]+)`(.*?)(?=^\d\. |^[A-Z])", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^   ```(\w+)\n(.*?)^   ```$", re.DOTALL | re.MULTILINE)
COPIED = ("deploy", "schemas", "services", "shared", "tests", "pyproject.toml", "README.md", ".ci", ".github")
FILES_MAX = 6


def _tree_with_the_worker(copy: Path) -> None:
    """Copy the tree, add the worker, and run the generators."""
    ignored = shutil.ignore_patterns("__pycache__", "node_modules")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=ignored)
        else:
            shutil.copy(source, copy / name)
    for file, text in _steps():
        blocks = [(language, _dedented(body)) for language, body in BLOCK.findall(text)]
        path = copy / file
        path.parent.mkdir(exist_ok=True)
        for _, body in (one for one in blocks if one[0] == "diff"):
            _apply(path, body)
        if not path.exists():
            path.write_text("".join(body for language, body in blocks if language != "diff"))
    for module in ("schemas.export", "services.composition.reference"):
        _run(copy, "-m", module)


def _steps() -> list[tuple[str, str]]:
    assert SECTION, "services/README.md has no section on adding a worker"
    steps = STEP.findall(SECTION[1])
    assert 0 < len(steps) <= FILES_MAX
    return steps


def _dedented(body: str) -> str:
    return "".join(line.removeprefix("   ") for line in body.splitlines(keepends=True))


def _apply(path: Path, diff: str) -> None:
    before = "\n".join(line[1:] for line in diff.splitlines() if line.startswith("-"))
    after = "\n".join(line[1:] for line in diff.splitlines() if line.startswith("+"))
    text = path.read_text()
    assert text.count(before) == 1, f"{path.name} has {text.count(before)} times: {before}"
    path.write_text(text.replace(before, after))


def _run(tree: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": str(Path(sys.executable).parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3_000:]
    return done.stdout


@pytest.mark.long
def test_a_worker_that_is_added_as_the_page_says_is_known_to_all_checks(tmp_path: Path) -> None:
    # One test: another process would copy and generate all of it once more.
    _tree_with_the_worker(tmp_path)
    _registry_and_rights_know_it(tmp_path)
    _the_compose_files_and_pages_know_it(tmp_path)
    _the_checks_pass(tmp_path)


def _registry_and_rights_know_it(tree: Path) -> None:
    code = "from services.composition import workers; print(workers.__file__, *workers.WORKERS)"
    where, *workers = _run(tree, "-c", code).split()
    assert where.startswith(str(tree))
    assert workers.index("assignment") < workers.index("greeting") < workers.index("engagement")
    acls = (tree / "deploy/security/kafka-acls.txt").read_text().splitlines()
    assert [one for one in acls if "pantry.greeting" in one and "leads.assigned" in one and "Read" in one]
    roles = {
        one["createRole"]: one["privileges"]
        for one in json.loads((tree / "deploy/security/mongo-roles.json").read_text())
    }
    assert {one["resource"]["collection"]: one["actions"] for one in roles["pantry.greeting"]} == {
        "greetings": ["insert", "remove"],
        "leads": ["find"],
    }
    assert {"db": "pantry", "collection": "greetings"} in [one["resource"] for one in roles["pantry.erasure"]]


def _the_compose_files_and_pages_know_it(tree: Path) -> None:
    for file in ("deploy/compose.yaml", "deploy/security/compose.yaml"):
        assert yaml.safe_load((tree / file).read_text())["services"]["greeting"]["command"] == ["worker", "greeting"]
    assert "notes who greets a new lead" in (tree / "services/README.md").read_text()
    assert "greeting" in (tree / "schemas/README.md").read_text()


def _the_checks_pass(tree: Path) -> None:
    _run(tree, "-m", "ruff", "check", "services", "shared/mongo", "schemas/topics.py")
    _run(tree, "-m", "mypy", "--cache-dir", str(ROOT / ".mypy_cache"), "services/greeting")
    _run(tree, "-c", "from importlinter.cli import lint_imports_command as run; run()")
    tests = ("tests/contract/test_service_pages.py", "tests/contract/test_deploy.py", "tests/contract/test_schemas.py")
    more = ("tests/domain/test_erasure.py", "tests/domain/test_layout.py", "tests/security/test_access_table.py")
    _run(tree, "-m", "pytest", "-n", "0", "-p", "no:cacheprovider", *tests, *more)
