"""The palette of all pages: only `static/core/tokens.css` has its colours."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SHEETS = Path(__file__).parent / "static" / "core"
"""The folder of `tokens.css`, for templates that include it."""
_TOKEN = re.compile(r"--([\w-]+): light-dark\((\S+), (\S+)\);")


@dataclass(frozen=True, slots=True)
class Colour:
    """A named colour, on a light ground and on a dark one."""

    name: str
    light: str
    dark: str


@cache
def palette() -> tuple[Colour, ...]:
    """Return all colours, for files that old browsers open: those don't know `light-dark()`."""
    return tuple(Colour(*found) for found in _TOKEN.findall((SHEETS / "tokens.css").read_text()))
