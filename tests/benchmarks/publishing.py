"""The pages' figures: written from the results of a run, which lie beside them.

`python -m tests.benchmarks.publishing RESULTS.JSON` publishes a run that was made before.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from schemas.export import with_block
from tests.benchmarks.table import Row, from_json, markdown, to_json

HERE = Path(__file__).parent
PUBLISHED = HERE / "published"
RESULTS = PUBLISHED / "results.json"
_PAGE, _README = HERE / "README.md", HERE.parents[1] / "README.md"
_BEGIN = "<!-- figures: written by `python -m tests.benchmarks --publish` -->\n"
_END = "<!-- end of figures -->\n"


def about_text(about: Mapping[str, str]) -> str:
    """Return where figures come from, as a sentence for each part."""
    return "".join(f"- {name}: {value}\n" for name, value in about.items())


def write(rows: Sequence[Row], about: Mapping[str, str], folder: Path) -> None:
    """Write results and plots into a folder."""
    # The library of plots hooks into all imports, and then Python warns of each: a test that reads the pages has none.
    from tests.benchmarks.plots import plots  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(to_json(rows, about))
    (folder / "results.txt").write_text(f"{about_text(about)}\n{markdown(rows)}")
    for name, drawn in plots(rows).items():
        (folder / name).write_bytes(drawn)


def pages() -> dict[Path, str]:
    """Return the pages as the published results make them; without figures if there are none."""
    if not RESULTS.exists():
        return {page: with_block(page, _BEGIN, "", _END) for page in (_PAGE, _README)}
    rows, about = from_json(RESULTS.read_text())
    pictures = "".join(f"![{file.stem}](published/{file.name})\n\n" for file in sorted(PUBLISHED.glob("*.svg")))
    whole = f"\n{about_text(about)}\n{markdown(rows)}\n{pictures}"
    first = rows[0].section
    # What we want to reach is for those who work on it: the other page has it.
    short = markdown(replace(row, wanted="") for row in rows if row.section == first)
    where = "; ".join(about[name] for name in ("date", "machine", "servers"))
    where = f"\nCommit {about['commit']}, {where}; load {about['load']}.\n\n"
    return {
        _PAGE: with_block(_PAGE, _BEGIN, whole, _END),
        _README: with_block(_README, _BEGIN, f"{where}{short}", _END),
    }


def publish(rows: Sequence[Row], about: Mapping[str, str]) -> None:
    """Make these results the published ones, and rewrite the pages."""
    for file in PUBLISHED.glob("*"):
        file.unlink()
    write(rows, about, PUBLISHED)
    (PUBLISHED / "results.txt").unlink()
    for page, text in pages().items():
        page.write_text(text)


if __name__ == "__main__":
    publish(*from_json(Path(sys.argv[1]).read_text()))
