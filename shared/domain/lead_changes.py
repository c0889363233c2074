"""A lead document as a write makes it, without reading it again. Pure."""

from collections.abc import Mapping
from typing import cast

from shared.domain.identity.normal_forms import part_of
from shared.domain.stored.lead_document import LeadDocument


def with_changes(lead: LeadDocument, changes: Mapping[str, object]) -> LeadDocument:
    """Return the lead document with these fields, and values at these paths."""
    changed: dict[str, object] = {**lead}
    for path, value in changes.items():
        section, _, name = path.partition(".")
        changed[section] = _with_value(part_of(changed, section), name, value) if name else value
    # Fields set by path lose the type.
    return cast("LeadDocument", changed)


def _with_value(part: Mapping[str, object], path: str, value: object) -> dict[str, object]:
    name, _, rest = path.partition(".")
    return {**part, name: _with_value(part_of(part, name), rest, value) if rest else value}
