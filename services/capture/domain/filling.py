"""Filling: what a capture adds to an existing lead, and where both differ.

The rules are in schemas/README.md#merge.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import cast

from services.capture.domain.claims import IDENTIFYING
from services.capture.domain.view import CapturedData
from shared.domain.identity.normal_forms import is_given, part_of
from shared.domain.lead_changes import with_changes
from shared.domain.moments import truncate_to_ms
from shared.domain.size import CAPTURED_BYTES_MAX, encoded_size, lead_size
from shared.domain.stored.identity_documents import DifferingValue
from shared.domain.stored.lead_document import LeadDocument

MERGED_SECTIONS = ("company", "contact", "requirements", "attributes", "context")
"""Sections that a merge fills, in this order while the lead has room."""

_CONTEXT_MAX = 50
_ADDRESS = "company.address."


def deep_copy(value: object) -> object:
    """Return a copy of a document or a part of one, with its own dictionaries and lists."""
    if isinstance(value, dict):
        return {name: deep_copy(one) for name, one in value.items()}
    return [deep_copy(one) for one in value] if isinstance(value, list | tuple) else value


def differences(data: CapturedData, lead: LeadDocument) -> tuple[dict[str, object], list[DifferingValue]]:
    """Return the values that the capture fills, by path, and those that the lead can't take.

    The lead has another value there, or no room. An address is filled only if the parts that both have are equal.
    """
    fills: dict[str, object] = {}
    differed: list[DifferingValue] = []
    entries, room = _CONTEXT_MAX - len(lead.get("context") or ()), CAPTURED_BYTES_MAX - lead_size(lead)
    elsewhere = _is_elsewhere(data, lead)
    for section, name, value in _leaves(data):
        path, held = f"{section}.{name}", _held(lead, section, name)
        if not _is_empty(held) or (elsewhere and path.startswith(_ADDRESS)):
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


def cut_to_size(lead: LeadDocument, data: CapturedData) -> tuple[LeadDocument, list[DifferingValue]]:
    """Return a new lead within its size limit, and the values beyond it."""
    if lead_size(lead) <= CAPTURED_BYTES_MAX:
        return lead, []
    # A selection of fields by name loses the type.
    bare = cast("LeadDocument", {name: value for name, value in lead.items() if name not in MERGED_SECTIONS})
    fills, left = differences(data, bare)
    return with_changes(bare, fills), left


def _leaves(data: CapturedData) -> Iterator[tuple[str, str, object]]:
    for section in MERGED_SECTIONS:
        for name, value in part_of(data, section).items():
            if isinstance(value, dict) and section == "company":
                yield from ((section, f"{name}.{part}", text) for part, text in value.items())
            elif not _is_empty(value):
                yield section, name, _truncate_moment(value)


def _held(lead: LeadDocument, section: str, name: str) -> object:
    part = part_of(lead, section)
    if section != "company":
        return part.get(name)  # in the context, the producer's names
    group, _, inner = name.partition(".")
    return part_of(part, group).get(inner) if inner else part.get(name)


def _is_elsewhere(data: CapturedData, lead: LeadDocument) -> bool:
    """Return whether the capture has another address: the parts of two addresses make none."""
    stated, held = (part_of(part_of(one, "company"), "address") for one in (data, lead))
    return any(str(held.get(part, text)).casefold() != str(text).casefold() for part, text in stated.items())


def _truncate_moment(value: object) -> object:
    return truncate_to_ms(value) if isinstance(value, datetime) else value


def _is_empty(value: object) -> bool:
    # Zero and False are values: a budget of 0, or a refused consent.
    return value in ("", [], {}) or not is_given(value)
