"""Where the product gives up types: seldom, and each time with a reason."""

import tokenize
from collections.abc import Iterator
from pathlib import Path

UNTYPED_MAX = 60
"""Most lines with `Any`. A document has a type in `shared/domain/stored`; `object` does for what is only passed on."""


def _untyped() -> Iterator[tuple[Path, int, list[str]]]:
    """Yield each line with `Any`, imports aside: its file, its index, and the file's lines."""
    for file in sorted(file for root in ("services", "shared", "schemas") for file in Path(root).rglob("*.py")):
        with file.open("rb") as code:
            found = {token.start[0] - 1 for token in tokenize.tokenize(code.readline) if token.string == "Any"}
        lines = file.read_text().splitlines()
        yield from ((file, at, lines) for at in sorted(found) if not lines[at].startswith(("from ", "import ")))


def test_few_lines_are_untyped() -> None:
    assert len(list(_untyped())) <= UNTYPED_MAX


def test_each_of_them_says_why_in_a_comment_on_it_or_before_it() -> None:
    silent = [
        f"{file}:{at + 1}"
        for file, at, lines in _untyped()
        if "#" not in lines[at] and not lines[at - 1].lstrip().startswith("#")
    ]
    assert silent == []
