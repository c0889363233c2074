"""Message templates: Jinja2 in its immutable sandbox, plain text, bounded. A lead's data is never compiled."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from jinja2 import ChainableUndefined, Template, TemplateError, TemplateSyntaxError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.outputs import Rendered

SUBJECT_MAX = 200
BODY_MAX = 64 * 1024


class RenderError(ValueError):
    """A template could not be rendered for a lead; the text names the error's kind, never the lead's data."""


# Plain text, so nothing is escaped; who puts a body into HTML escapes it there, where the context is known.
_environment = ImmutableSandboxedEnvironment(
    autoescape=False,
    undefined=ChainableUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.globals.clear()  # no range(), no lipsum(): a template's loops run over the lead's bounded lists only


@lru_cache(maxsize=1_000)
def _compiled(source: str) -> Template:
    return _environment.from_string(source)


def check(source: str) -> str | None:
    """What is wrong with a template's syntax, or None."""
    try:
        _compiled(source)
    except TemplateSyntaxError as error:
        return f"line {error.lineno}: {error.message}"
    return None


def render(subject: str, body: str, values: Mapping[str, Any]) -> Rendered:
    """The message for these values. Raises `RenderError`."""
    line = " ".join(_bounded(subject, values, SUBJECT_MAX * 4).split())
    # A subject becomes a mail header: one line, or a lead could add headers of its own.
    return Rendered(subject=line[:SUBJECT_MAX], body=_bounded(body, values, BODY_MAX).strip())


def _bounded(source: str, values: Mapping[str, Any], most: int) -> str:
    size, pieces = 0, []
    try:
        for piece in _compiled(source).generate(values):
            size += len(piece)
            if size > most:
                raise RenderError(f"more than {most} characters")
            pieces.append(piece)
    except (
        TemplateError,
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
    ) as error:
        if isinstance(error, RenderError):
            raise
        raise RenderError(type(error).__name__) from error
    return "".join(pieces)
