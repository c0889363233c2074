"""What a capture adds to a lead that is there, and where both differ (contract 3, Merge)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from services.capture.claims import IDENTIFYING
from shared.domain.moments import stored
from shared.domain.size import CAPTURED_BYTES_MAX, encoded_size, lead_size

Document = dict[str, Any]

MERGED_SECTIONS = ("company", "contact", "requirements", "context")
"""In the order in which they are taken in while a lead has room."""

_CONTEXT_MAX = 50


def copied(value: Any) -> Any:
    """A copy of a document or a part of one, whose dictionaries and lists can be changed by themselves."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list | tuple) else value


def differences(data: Mapping[str, Any], lead: Mapping[str, Any]) -> tuple[Document, list[Document]]:
    """What the capture fills of the lead, by path; and where it says otherwise, or more than the lead has room for."""
    fills: Document = {}
    differed: list[Document] = []
    entries, room = _CONTEXT_MAX - len(lead.get("context") or ()), CAPTURED_BYTES_MAX - lead_size(lead)
    for section, name, value in _leaves(data):
        path, held = f"{section}.{name}", (lead.get(section) or {}).get(name)
        if not _empty(held):
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
    """Take out of a new lead, made of this capture, what it has no room for; return that."""
    if lead_size(lead) <= CAPTURED_BYTES_MAX:
        return []
    for section in MERGED_SECTIONS:
        lead.pop(section, None)
    fills, left = differences(data, lead)
    put_in(lead, fills)
    return left


def put_in(lead: Document, changes: Mapping[str, Any]) -> None:
    """Change a lead document in place, by fields and by paths of two names."""
    for path, value in changes.items():
        section, _, name = path.partition(".")
        if name:
            lead.setdefault(section, {})[name] = value
        else:
            lead[section] = value


def _leaves(data: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for section in MERGED_SECTIONS:
        for name, value in (data.get(section) or {}).items():
            if not _empty(value):
                yield section, name, _comparable(value)


def _comparable(value: Any) -> Any:
    return stored(value) if isinstance(value, datetime) else value


def _empty(value: Any) -> bool:
    # Zero and False are values: a budget of 0 and a refused consent are known facts.
    return value is None or value in ("", [], {})
