"""Links and mentions of pages lead somewhere, and the contract's page names everything that events have."""

import re
import uuid
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from schemas import export
from schemas.lead import ActivityType, CompanySize, Source, Status, Urgency
from schemas.reasons import DeadLetterReason, RejectionReason, SuspicionReason
from schemas.topics import TOPICS, Topic
from shared.domain.ids import derive

CONTRACT = Path("schemas/README.md")
PLACES = (".ci", ".github", "deploy", "schemas", "services", "shared", "tests")
FILES = [path for path in Path().iterdir() if path.is_file()]
FILES += [
    path for place in PLACES for path in Path(place).rglob("*") if path.is_file() and "node_modules" not in path.parts
]
PAGES = sorted(path for path in FILES if path.suffix == ".md")
CODE = sorted(path for path in FILES if path.suffix in {".py", ".js", ".json", ".yaml", ".toml", ".html"})
CODE.remove(Path(__file__).relative_to(Path.cwd()))

_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:")
_MENTION = re.compile(r"(?<![\w./-])((?:[\w.-]+/)*[\w-]+\.md)(?:#([\w-]+))?(?![\w/])")
_TEST = re.compile(r"\btests/[\w/*]+(?:\.py)?")
_NUMBERED = re.compile(r"\b(?:contract|section),? \d", re.IGNORECASE)


@cache
def _text(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


@cache
def _anchors(page: Path) -> frozenset[str]:
    """The names by which a page's headings are linked to, as GitHub and GitLab make them."""
    found: dict[str, int] = {}
    for heading in _HEADING.findall(_text(page)):
        slug = re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        found[slug] = found.get(slug, -1) + 1
        if found[slug]:
            found[f"{slug}-{found[slug]}"] = 0
    return frozenset(found)


def broken(page: Path) -> list[str]:
    """The relative links of a page that lead nowhere."""
    return [link for link in _LINK.findall(_text(page)) if not _ELSEWHERE.match(link) and not _leads(page, link)]


def _leads(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or (target.suffix == ".md" and anchor in _anchors(target)))


def dangling(text: str, folder: Path) -> list[str]:
    """The pages that a text mentions and that aren't there, or have no such section."""
    return [f"{name}#{anchor}" for name, anchor in _MENTION.findall(text) if not _is_there(folder, name, anchor)]


def _is_there(folder: Path, name: str, anchor: str) -> bool:
    if not anchor:
        # Code joins paths: the folder before the name may stand elsewhere.
        return (folder / name).is_file() or any(f"/{page}".endswith(f"/{name}") for page in PAGES)
    return any(page.is_file() and anchor in _anchors(page) for page in (Path(name), folder / name))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_relative_link_of_a_page_leads_to_a_file_and_a_section(page: Path) -> None:
    assert broken(page) == []


def test_every_page_and_section_that_code_mentions_is_there() -> None:
    found = {str(path): dangling(path.read_text(), path.parent) for path in CODE}
    assert {path: pages for path, pages in found.items() if pages} == {}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_of_tests_that_a_page_names_is_there(page: Path) -> None:
    named = {name.partition("*")[0] for name in _TEST.findall(page.read_text())}
    assert {name for name in named if not list(Path(name).parent.glob(f"{Path(name).name}*"))} == set()


def test_the_first_page_is_short_and_its_picture_small() -> None:
    assert len(Path("README.md").read_text().splitlines()) <= 150
    assert Path("deploy/docs/dashboard.png").stat().st_size <= 200_000


def test_no_text_names_a_section_of_a_page_by_a_number() -> None:
    """Sections have names; numbers move."""
    found = {str(path): _NUMBERED.findall(path.read_text()) for path in (*CODE, *PAGES)}
    assert {path: numbers for path, numbers in found.items() if numbers} == {}


def test_links_and_mentions_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A title\n## A title\n```\n# code\n[x](gone.md)\n```\n[a](#a-title-1) [b](#code) [c](gone.md) [d](https://x.y)"
    )
    assert broken(page) == ["#code", "gone.md"]
    assert dangling("page.md#a-title, page.md#other, gone.md", tmp_path) == ["page.md#other", "gone.md#"]
    assert _NUMBERED.search("(contract 3, Identity)")


def _properties(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from node.get("properties", {})
        for part in node.values():
            yield from _properties(part)
    elif isinstance(node, list):
        for part in node:
            yield from _properties(part)


def _section(heading: str) -> str:
    """What is under a heading, up to the next one of its level or above."""
    level, _, rest = re.search(
        rf"^(#+) {re.escape(heading)}\n()(.*)", _text(CONTRACT), re.MULTILINE | re.DOTALL
    ).groups()  # type: ignore[union-attr]
    return re.split(rf"^#{{1,{len(level)}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def _names(text: str) -> set[str]:
    """The names that stand in code spans, each part of a path by itself."""
    return {part for span in re.findall(r"`([^`]+)`", text) for part in re.findall(r"[\w-]+", span)}


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_the_contract_names_every_field_of_an_event(topic: Topic) -> None:
    fields = set(topic.model.model_json_schema(by_alias=True)["properties"])
    assert fields - _names(_section(topic.name)) == set()
    parts = {part for name in _properties(export.schema(topic)) for part in name.split(".")}
    assert parts - _names(_text(CONTRACT)) == set()


@pytest.mark.parametrize(
    "words", [ActivityType, CompanySize, Source, Status, Urgency, DeadLetterReason, RejectionReason, SuspicionReason]
)
def test_the_contract_names_every_word_of_a_list(words: Any) -> None:
    assert {word.value for word in words} - _names(_text(CONTRACT).partition("\n## Reserved\n")[0]) == set()


def test_what_the_contract_reserves_is_not_there_yet() -> None:
    """What comes to be leaves that section, and gets one of its own."""
    _, topics, fields, *_ = _section("Reserved").split("\n| topic |")
    names = {name for row in topics.splitlines()[2:] for name in re.findall(r"`([a-z.]+)`", row.split("|")[1])}
    assert names
    assert names & TOPICS.keys() == set()
    rows = [row.split("|")[1:3] for row in fields.splitlines()[2:] if row.startswith("|")]
    assert rows
    for topic, paths in rows:
        there = set(_properties(export.schema(TOPICS[topic.strip(" `")])))
        assert {path.rpartition(".")[2] for path in re.findall(r"`([\w.]+)`", paths)} & there == set()


def test_the_contract_shows_the_shipped_rules_and_triggers_and_how_ids_are_derived() -> None:
    config = Path("deploy/config")
    rules = yaml.safe_load((config / "rules.yaml").read_text())["rules"]
    rows = [[cell.strip(" `") for cell in line.split("|")] for line in _section("Score").splitlines()]
    assert [(row[1], row[3]) for row in rows if len(row) == 5][2:] == [
        (one["name"], str(one["points"])) for one in rules
    ]
    triggers = yaml.safe_load((config / "triggers.yaml").read_text())["triggers"]
    assert {*triggers, *triggers.values()} <= _names(_section("Engagement"))
    name = "".join(f"{len(part)}:{part}" for part in ("opportunity", "l1"))
    [namespace] = re.findall(r"`([0-9a-f]{8}-[0-9a-f-]{27})`", _section("Ids"))
    assert derive("opportunity", "l1") == str(uuid.uuid5(uuid.UUID(namespace), name))


def test_the_export_refuses_a_page_without_a_place_for_the_topics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "README.md"
    page.write_text("# The contract\n")
    monkeypatch.setattr(export, "_PAGE", page)
    with pytest.raises(ValueError, match="has no lines"):
        export.updated_page()
