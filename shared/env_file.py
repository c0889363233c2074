"""Files of settings: a `NAME=value` a line, in a shell's syntax."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from shared.config import ConfigError

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LITERAL = re.compile(r"""("(?:\\.|[^"\\])*")|'[^']*'|\\.|(?<=\s)#.*""")
"""Literal text and comments of a shell; group 1 is text in double quotes."""


def assignments(values: Mapping[str, str]) -> list[str]:
    """Return each value as an assignment in a shell's syntax."""
    return [f"{name}={shlex.quote(value)}" for name, value in values.items()]


def read_env_file(file: Path) -> dict[str, str]:
    """Return the values of the file, with quotes, `export` and comments as in a shell.

    Raises `ConfigError`, also for a `$…` that a shell would expand: every reader must get the same secret.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise ConfigError(f"--env-file {file} can't be read: {why}") from None
    return {
        name: value for number, line in enumerate(lines, 1) for name, value in _read(line, f"{file}, line {number}")
    }


def _read(line: str, place: str) -> Iterator[tuple[str, str]]:
    line = line.strip()
    try:
        words = [] if line.startswith("#") else shlex.split(line)
    except ValueError:
        raise ConfigError(f"{place}: a quote is never closed") from None
    if "\0" in line:
        raise ConfigError(f"{place}: a value can't hold the character NUL")
    if words and not {"$", "`"}.isdisjoint(_LITERAL.sub(r"\1", line)):
        raise ConfigError(f"{place}: a shell would put something else for $ and `; put the value in single quotes")
    for word in words[1:] if words[:1] == ["export"] else words:
        if word.startswith("#"):
            return
        name, equals, value = word.partition("=")
        if not equals or not _NAME.fullmatch(name):
            raise ConfigError(f"{place}: write NAME=value, and quote a value that has spaces")
        yield name, value
