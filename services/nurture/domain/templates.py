"""Message templates: a small part of Jinja2 in its immutable sandbox, as plain text.

A lead's data is never compiled.

Two lists here have the allowed syntax and filters. None of them makes a large result from a small input. So the cost of
a rendering depends on the sizes of template and lead, and on the turns of its loops, which are counted. That needs no
clock: every machine refuses the same templates.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import SupportsFloat

from jinja2 import ChainableUndefined, Template, TemplateSyntaxError, nodes, pass_context
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from schemas.outputs import Rendered
from shared.errors import Permanent

SUBJECT_MAX = 200
"""Most characters of a rendered subject; the rest is cut."""

BODY_MAX = 64 * 1024
"""Most bytes of a rendered body, in UTF-8; a longer one is not sent."""

_SUBJECT_RENDERED_MAX = 4 * 1024  # bytes before it is cut

NODES_MAX = 1_000
"""Most nodes of a template's syntax tree."""

DEPTH_MAX = 30
"""Most levels of nodes within each other."""

WORK_MAX = 5_000
"""Most nodes that all loops together may go through in one rendering."""

_NODES = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For),
    *(nodes.Name, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Const, nodes.List, nodes.Tuple),
    *(nodes.Filter, nodes.Keyword, nodes.Test, nodes.Compare, nodes.Operand, nodes.CondExpr),
    *(nodes.And, nodes.Or, nodes.Not, nodes.Concat, nodes.Add, nodes.Sub, nodes.Div, nodes.Neg),
)
_FILTERS = tuple("capitalize count d default first int join last length lower round title trim truncate upper".split())
# No template can use these names: they are no identifiers.
_METER, _COUNTED = "(meter)", "(counted)"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class RenderError(Permanent, ValueError):
    """A template can't be used, or not for this lead.

    The text says why, without the lead's data.
    """


@dataclass(slots=True)
class _Meter:
    """The number of nodes that the loops of one rendering may still go through."""

    left: int = WORK_MAX

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise RenderError(f"its loops have more than {WORK_MAX} rounds")


@pass_context
def _count_turns(context: Context, values: Iterable[object], cost: int) -> Iterator[object]:
    for value in values:
        context[_METER].spend(cost)
        yield value


def _join(values: Iterable[object], between: object = "") -> str:
    # Jinja's own filter builds the result before any check: its length can be the product of both lengths.
    parts, space = [str(value) for value in values], str(between)
    if sum(map(len, parts)) + len(parts) * len(space) > BODY_MAX:
        raise RenderError(f"the text that it joins has more than {BODY_MAX} characters")
    return space.join(parts)


def _round(value: str | SupportsFloat, digits: int = 0) -> float:
    # Jinja's own filter can compute ten to the power of `digits`.
    return round(float(value), digits)


def _new_environment() -> ImmutableSandboxedEnvironment:
    # The result is plain text, so nothing is escaped: a consumer that puts it into HTML must escape it.
    environment = ImmutableSandboxedEnvironment(
        autoescape=False, undefined=ChainableUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.clear()
    filters = {name: environment.filters[name] for name in _FILTERS}
    environment.filters = {**filters, "join": _join, "round": _round, _COUNTED: _count_turns}
    return environment


_environment = _new_environment()


def find_template_fault(source: str) -> str | None:
    """Return why a template can't be used; None if it can."""
    try:
        _compile(source)
    except RenderError as error:
        return str(error)
    return None


def parts_named(group: str, source: str) -> frozenset[str]:
    """Return the names that a valid template reads of a group of values, as `cuisine` of `attributes`."""
    tree = _environment.parse(source)
    found = {node.attr for node in tree.find_all(nodes.Getattr) if _is_group(node.node, group)}
    items = [node.arg for node in tree.find_all(nodes.Getitem) if _is_group(node.node, group)]
    return frozenset(found.union(str(arg.value) for arg in items if isinstance(arg, nodes.Const)))


def _is_group(node: nodes.Node, group: str) -> bool:
    of_lead = isinstance(node, nodes.Getattr) and node.attr == group and _is_group(node.node, "lead")
    return of_lead or (isinstance(node, nodes.Name) and node.name == group)


def render(subject: str, body: str, values: Mapping[str, object]) -> Rendered:
    """Return the message for these values. Raises `RenderError`."""
    # A subject becomes a mail header: with a second line, a lead could add headers.
    line = one_line(_render_bounded(subject, values, _SUBJECT_RENDERED_MAX))[:SUBJECT_MAX].rstrip()
    lines = "\n".join(_render_bounded(body, values, BODY_MAX).splitlines())
    return Rendered(subject=line, body=_CONTROL.sub("", lines).strip())


def one_line(text: str) -> str:
    """Return `text` with one space for each run of white space and control characters."""
    return " ".join(_CONTROL.sub(" ", text).split())


def _render_bounded(source: str, values: Mapping[str, object], most: int) -> str:
    try:
        return "".join(_limit_bytes(most, _compile(source).generate({**values, _METER: _Meter()})))
    except RenderError:
        raise
    except Exception as error:  # one lead's data must not stop the steps of other leads
        raise RenderError(type(error).__name__) from error


def _limit_bytes(most: int, pieces: Iterator[str]) -> Iterator[str]:
    size = 0
    for piece in pieces:
        size += len(piece.encode(errors="replace"))
        if size > most:
            raise RenderError(f"more than {most} bytes")
        yield piece


@lru_cache(maxsize=1_000)
def _compile(source: str) -> Template:
    """Return the compiled template, with counted loops. Raises `RenderError`."""
    try:
        # Check the tree before compiling: the compiler computes constants, however large.
        tree = _environment.parse(source)
        _restrict(tree)
        _count_loops(tree)
        return Template.from_code(_environment, _environment.compile(tree), {})
    except RenderError:
        raise
    except TemplateSyntaxError as error:
        raise RenderError(f"line {error.lineno}: {error.message}") from error
    except RecursionError as error:
        raise RenderError(f"more than {DEPTH_MAX} parts are nested") from error
    except (SyntaxError, ValueError, MemoryError) as error:  # from Python, for the code that Jinja generates
        raise RenderError(f"can't be compiled ({type(error).__name__})") from error


def _restrict(tree: nodes.Template) -> None:
    """Raise `RenderError` for the first node that a template may not have."""
    for number, (node, depth) in enumerate(_parts(tree)):
        if not isinstance(node, _NODES) or (isinstance(node, nodes.For) and node.recursive):
            raise RenderError(f"line {node.lineno}: {type(node).__name__} is not allowed in a template")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            known = ", ".join(_FILTERS)
            raise RenderError(f"line {node.lineno}: there is no filter '{node.name}': the filters are {known}")
        if depth > DEPTH_MAX:
            raise RenderError(f"line {node.lineno}: more than {DEPTH_MAX} parts are nested")
        if number >= NODES_MAX:
            raise RenderError(f"line {node.lineno}: it has more than {NODES_MAX} parts")


def _parts(node: nodes.Node, depth: int = 0) -> Iterator[tuple[nodes.Node, int]]:
    yield node, depth
    for child in node.iter_child_nodes():
        yield from _parts(child, depth + 1)


def _count_loops(tree: nodes.Template) -> None:
    """Make each turn of a loop cost the number of nodes in the loop."""
    for loop in list(tree.find_all(nodes.For)):
        cost = nodes.Const(sum(1 for _ in _parts(loop)), lineno=loop.lineno)
        loop.iter = nodes.Filter(loop.iter, _COUNTED, [cost], [], None, None, lineno=loop.lineno)
