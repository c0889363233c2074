"""What commands print: through a pipe, no listing cuts a word."""

import re
from pathlib import Path

from services.cli.common import console


def test_every_command_prints_by_the_console_that_cuts_nothing_in_a_pipe() -> None:
    making = re.compile(r"\bConsole\((?!quiet)")
    assert [path.name for path in Path("services").rglob("*.py") if making.search(path.read_text())] == ["common.py"]
    assert console().width > 10_000
