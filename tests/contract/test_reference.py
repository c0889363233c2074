"""The generated pages in `deploy/docs/` have what the code has."""

import re
from pathlib import Path

import pytest

from schemas.export import differing
from services.composition import reference
from shared.domain.operations.setting_names import OTHERS, variable
from shared.settings import Settings

_VARIABLE = re.compile(r"\bPANTRY_[A-Z_]*[A-Z](?!\w|_|…)")


def test_the_pages_of_settings_metrics_and_log_events_are_fresh() -> None:
    assert differing(reference.pages()) == []


@pytest.mark.parametrize("top", ["services", "shared", "deploy", ".ci"])
def test_every_setting_that_a_file_names_is_on_the_page(top: str) -> None:
    known = {variable(name) for name in Settings.model_fields} | OTHERS.keys()
    files = [path for path in Path(top).rglob("*") if path.is_file() and path.suffix not in {".pyc", ".xlsx"}]
    named = {name for path in files for name in _VARIABLE.findall(path.read_text(errors="ignore"))}
    assert {name for name in named if not name.startswith("PANTRY_TEST")} - known == set()


def test_a_log_event_without_a_sentence_or_with_a_computed_name_is_refused(tmp_path: Path) -> None:
    for top in ("services", "shared"):
        (tmp_path / top).mkdir()
    module = tmp_path / "shared" / "one.py"
    module.write_text(
        '_log.info("a.done" if ok else "a.failed", records=1, **facts)\n_log.log(level, "a.done", why=2)\n'
    )
    calls = list(reference.log_calls(tmp_path))
    assert [(one.event, one.level, one.fields) for one in calls] == [
        ("a.done", "info", ("records", "…")),
        ("a.failed", "info", ("records", "…")),
        ("a.done", "log", ("why",)),
    ]
    table = reference.log_table(calls, {"a.done": "It is done.", "a.failed": "It failed."})
    assert "| `a.done` | info, its own | `records`, `why`, … | `shared/one.py` | It is done. |" in table
    with pytest.raises(ValueError, match=r"one sentence for each event: a\.failed, b$"):
        reference.log_table(calls, {"a.done": "It is done.", "b": "Nothing logs this."})
    module.write_text("_log.info(name)\n")
    with pytest.raises(ValueError, match=r"one\.py:1: write out"):
        list(reference.log_calls(tmp_path))
