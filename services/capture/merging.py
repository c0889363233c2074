"""What a capture adds to a lead that is there, and where both differ (contract 3, Merge)."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from shared.domain.moments import stored

Document = dict[str, Any]

MERGED_SECTIONS = ("company", "contact", "requirements", "consent", "context")
_CONTEXT_MAX = 50


def copied(value: Any) -> Any:
    """A copy of a document or a part of one, whose dictionaries and lists can be changed by themselves."""
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    return [copied(one) for one in value] if isinstance(value, list | tuple) else value


def differences(data: Mapping[str, Any], lead: Mapping[str, Any]) -> tuple[Document, list[Document]]:
    """What the capture fills of the lead, by path; and where it says otherwise than the lead."""
    fills: Document = {}
    differed: list[Document] = []
    room = _CONTEXT_MAX - len(lead.get("context") or ())
    for section, name, value in _leaves(data):
        held = (lead.get(section) or {}).get(name)
        if not _empty(held):
            differed += [{"path": f"{section}.{name}", "value": value}] if held != value else []
        elif section != "context" or room > 0:
            fills[f"{section}.{name}"] = value
            room -= section == "context"
    if data["source"] != lead["source"]:
        differed.append({"path": "source", "value": data["source"]})
    return fills, differed


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
