"""Merging: what a capture adds to an existing lead, and where both differ.

The rules are in schemas/README.md#merge.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from services.capture.domain.claims import IDENTIFYING
from shared.domain.identity.normal_forms import is_given
from shared.domain.moments import truncate_to_ms
from shared.domain.size import CAPTURED_BYTES_MAX, encoded_size, lead_size

Document = dict[str, Any]

MERGED_SECTIONS = ("company", "contact", "requirements", "context")
"""Sections that a merge fills, in this order while the lead has room."""

_CONTEXT_MAX = 50


def deep_copy(value: Any) -> Any:
    """Return a copy of a document or a part of one, with its own dictionaries and lists."""
    if isinstance(value, dict):
        return {name: deep_copy(one) for name, one in value.items()}
    return [deep_copy(one) for one in value] if isinstance(value, list | tuple) else value


def differences(data: Mapping[str, Any], lead: Mapping[str, Any]) -> tuple[Document, list[Document]]:
    """Return the values that the capture fills, by path, and those that the lead can't take.

    The lead has another value there, or no room.
    """
    fills: Document = {}
    differed: list[Document] = []
    entries, room = _CONTEXT_MAX - len(lead.get("context") or ()), CAPTURED_BYTES_MAX - lead_size(lead)
    for section, name, value in _leaves(data):
        path, held = f"{section}.{name}", (lead.get(section) or {}).get(name)
        if not _is_empty(held):
            differed += [{"path": path, "value": value}] if held != value else []
            continue
        size, full = encoded_size({section: {name: value}}), section == "context" and entries <= 0
        if full or (size > room and path not in IDENTIFYING):
            differed.append({"path": path, "value": value})
            continue
        fills[path] = value
        entries, room = entries - (section == "context"), room - size
    if data["source"] != lead["source"]:
        differed.append({"path": "source", "value": data["source"]})
    return fills, differed


def cut_to_size(lead: Document, data: Mapping[str, Any]) -> list[Document]:
    """Remove from a new lead values beyond its size limit; return them. Changes `lead`."""
    if lead_size(lead) <= CAPTURED_BYTES_MAX:
        return []
    for section in MERGED_SECTIONS:
        lead.pop(section, None)
    fills, left = differences(data, lead)
    apply_changes(lead, fills)
    return left


def apply_changes(lead: Document, changes: Mapping[str, Any]) -> None:
    """Set fields, and paths of two names, on the lead document in place."""
    for path, value in changes.items():
        section, _, name = path.partition(".")
        if name:
            lead.setdefault(section, {})[name] = value
        else:
            lead[section] = value


def _leaves(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for section in MERGED_SECTIONS:
        for name, value in (data.get(section) or {}).items():
            if not _is_empty(value):
                yield section, name, _truncate_moment(value)


def _truncate_moment(value: Any) -> Any:
    return truncate_to_ms(value) if isinstance(value, datetime) else value


def _is_empty(value: Any) -> bool:
    # Zero and False are values: a budget of 0, or a refused consent.
    return value in ("", [], {}) or not is_given(value)
