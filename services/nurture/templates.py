"""Message templates: a small part of Jinja2 in its immutable sandbox, as plain text. A lead's data is never compiled.

What a template may say stands in two lists here, and nothing on them makes much out of little. So what a rendering
costs is bounded by the template's size, the lead's size, and the steps of its loops, which are counted: no clock is
needed, and what is refused is refused on every machine.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.outputs import Rendered

SUBJECT_MAX = 200
"""Characters of a rendered subject; what is more is cut."""

BODY_MAX = 64 * 1024
"""Bytes of a rendered body, in UTF-8; one that would have more is not sent."""

_SUBJECT_MADE_MAX = 4 * 1024  # bytes before it is cut

NODES_MAX = 1_000
"""Parts of a template, as its syntax tree counts them."""

DEPTH_MAX = 30
"""Parts that stand within each other."""

WORK_MAX = 5_000
"""Parts of a template that all its loops together may go through in one rendering."""

_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For),
    *(nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.Filter, nodes.Keyword, nodes.Test, nodes.Compare, nodes.Operand, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Div, nodes.Neg),
)
_FILTERS = tuple("capitalize count d default first int join last length lower round title trim truncate upper".split())
# No template can name these: they are no identifiers.
_METER, _COUNTED = "(meter)", "(counted)"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class RenderError(ValueError):
    """A template can't be used, or not for this lead; the text says why, and never has the lead's data."""


@dataclass(slots=True)
class _Meter:
    """What the loops of one rendering may still go through."""

    left: int = WORK_MAX

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise RenderError(f"its loops go through more than {WORK_MAX} parts")


@pass_context
def _counted(context: Context, values: Any, cost: int) -> Iterator[Any]:
    for value in values:
        context[_METER].spend(cost)
        yield value


def _join(values: Any, between: Any = "") -> str:
    # Jinja's own would first make it, however long: a text joined by a text is as long as the two multiplied.
    parts, space = [str(value) for value in values], str(between)
    if sum(map(len, parts)) + len(parts) * len(space) > BODY_MAX:
        raise RenderError(f"what it joins has more than {BODY_MAX} characters")
    return space.join(parts)


def _round(value: Any, digits: int = 0) -> float:
    # Jinja's own, told to round up, takes ten to the power of `digits`.
    return round(float(value), digits)


def _made() -> ImmutableSandboxedEnvironment:
    # Plain text, so nothing is escaped; who puts a body into HTML escapes it there, where the context is known.
    environment = ImmutableSandboxedEnvironment(
        autoescape=False, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    filters = {name: environment.filters[name] for name in _FILTERS}
    environment.filters = {**filters, "join": _join, "round": _round, _COUNTED: _counted}
    return environment


_environment = _made()


def check(source: str) -> str | None:
    """Why a template can't be used, or None."""
    try:
        _compiled(source)
    except RenderError as error:
        return str(error)
    return None


def render(subject: str, body: str, values: Mapping[str, Any]) -> Rendered:
    """The message for these values. Raises `RenderError`."""
    # A subject becomes a mail header: one line, or a lead could add headers of its own.
    line = one_line(_bounded(subject, values, _SUBJECT_MADE_MAX))[:SUBJECT_MAX].rstrip()
    lines = "\n".join(_bounded(body, values, BODY_MAX).splitlines())
    return Rendered(subject=line, body=_CONTROL.sub("", lines).strip())


def one_line(text: str) -> str:
    """`text` with a space for each run of white space, line ends and control characters among it."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _bounded(source: str, values: Mapping[str, Any], most: int) -> str:
    try:
        return "".join(_up_to(most, _compiled(source).generate({**values, _METER: _Meter()})))
    except RenderError:
        raise
    except Exception as error:  # whatever a template meets in a lead, no other lead's step may wait for it
        raise RenderError(type(error).__name__) from error


def _up_to(most: int, pieces: Iterator[str]) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece.encode(errors="replace"))
        if size > most:
            raise RenderError(f"more than {most} bytes")
        yield piece


@lru_cache(maxsize=1_000)
def _compiled(source: str) -> Template:
    """The template that a source stands for, its loops counted. Raises `RenderError`."""
    try:
        # Before anything is compiled: the compiler computes what is constant, however large that is.
        tree = _environment.parse(source)
        _restrict(tree)
        _count_loops(tree)
        return Template.from_code(_environment, _environment.compile(tree), {})
    except RenderError:
        raise
    except TemplateSyntaxError as error:
        raise RenderError(f"line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise RenderError(f"more than {DEPTH_MAX} parts stand within each other") from error
    except (SyntaxError, ValueError, MemoryError) as error:  # Python's, of the code that Jinja makes, or of a number
        raise RenderError(f"can't be compiled ({type(error).__name__})") from error


def _restrict(tree: nodes.Template) -> None:
    """Raise `RenderError` for the first part of it that a template may not have."""
    for number, (node, depth) in enumerate(_parts(tree)):
        if not isinstance(node, _NODES) or (isinstance(node, nodes.For) and node.recursive):
            raise RenderError(f"line {node.lineno}: {type(node).__name__} is not among what a template may use")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            known = ", ".join(_FILTERS)
            raise RenderError(f"line {node.lineno}: there is no filter '{node.name}'; there are {known}")
        if depth > DEPTH_MAX:
            raise RenderError(f"line {node.lineno}: more than {DEPTH_MAX} parts stand within each other")
        if number >= NODES_MAX:
            raise RenderError(f"line {node.lineno}: it has more than {NODES_MAX} parts")


def _parts(node: nodes.Node, depth: int = 0) -> Iterator[tuple[nodes.Node, int]]:
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _parts(child, depth + 1)


def _count_loops(tree: nodes.Template) -> None:
    """Let each turn of a loop cost what there is in the loop."""
    for loop in list(tree.find_all(nodes.For)):
        cost = nodes.Const(sum(1 for _ in _parts(loop)), lineno=loop.lineno)
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [cost], [], None, None, lineno=loop.lineno)
