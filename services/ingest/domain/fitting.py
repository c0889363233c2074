"""Fit a context into its bounds: the longest entries are cut, nothing is refused. Pure."""

from collections.abc import Mapping

from pydantic_core import to_json

from schemas.base import flaw_in
from schemas.captures import CONTEXT_BYTES, CONTEXT_ENTRIES
from services.ingest.domain.columns.meanings import context_name

MORE = "more"
"""The context entry that collects, as one text, the entries beyond the limit."""
_CUT = "…"
_SHORT = 16


def fit_context(context: Mapping[str, object]) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the context within its bounds, and the names of entries that were cut or dropped."""
    if _fits(context):
        return dict(context), ()
    kept: dict[str, object] = {}
    lost = []
    for name, value in context.items():
        if flaw_in({"name": value}) is None:
            put_entry(kept, name, value)
        else:
            lost.append(name)
    shortened, cut = _shortened(_with_short_names(_joined(kept)))
    return shortened, (*lost, *cut)


def put_entry(context: dict[str, object], name: str, value: object) -> str:
    """Put an entry into the context under a valid, unused name; return that name."""
    base = name = context_name(name) or "unnamed"
    number = 1
    while name in context and context[name] != value:
        number += 1
        name = f"{base} {number}"
    context[name] = value
    return name


def _fits(context: Mapping[str, object]) -> bool:
    return (
        len(context) <= CONTEXT_ENTRIES
        and not any("." in name for name in context)
        and flaw_in(context) is None
        and len(to_json(context)) <= CONTEXT_BYTES
    )


def _joined(context: dict[str, object]) -> dict[str, object]:
    if len(context) <= CONTEXT_ENTRIES:
        return context
    entries = list(context.items())
    room = CONTEXT_ENTRIES - 1
    return dict(entries[:room]) | {MORE: "; ".join(f"{name}: {_as_text(value)}" for name, value in entries[room:])}


def _with_short_names(context: dict[str, object]) -> dict[str, object]:
    if sum(len(to_json(name)) for name in context) <= CONTEXT_BYTES // 2:
        return context
    short: dict[str, object] = {}
    for name, value in context.items():
        put_entry(short, name[:_SHORT], value)
    return short


def _shortened(context: dict[str, object]) -> tuple[dict[str, object], list[str]]:
    sizes = {name: len(to_json(value)) for name, value in context.items()}
    room = CONTEXT_BYTES - (len(to_json(context)) - sum(sizes.values()))
    if sum(sizes.values()) <= room:
        return context, []
    longest = _level(sorted(sizes.values()), room)
    cut = [name for name, size in sizes.items() if size > longest]
    return context | {name: _cut(context[name], longest) for name in cut}, cut


def _level(sizes: list[int], room: int) -> int:
    """Return the size to which the longest entries are cut so that all fit."""
    for at, size in enumerate(sizes):
        share = room // (len(sizes) - at)
        if size > share:
            return share
        room -= size
    return sizes[-1]


def _cut(value: object, size: int) -> str:
    """Return the start of a value's text that has at most this size as JSON."""
    text = _as_text(value)[: max(0, size)]
    while text and len(to_json(text + _CUT)) > size:
        # JSON escapes few characters, so each round removes at least half of the excess.
        text = text[: -max(1, (len(to_json(text + _CUT)) - size) // 6)]
    return text + _CUT if text else ""


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else to_json(value).decode()
