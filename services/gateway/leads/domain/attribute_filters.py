"""Filters of the list by an attribute, as `cuisine:italian`. Pure."""

from collections.abc import Iterable

from schemas.attributes import Attributes, AttributeType
from services.ingest.domain.capture_events import Fault, Invalid

_PARAMETER = "attribute"


def choices_in(given: Iterable[str], attributes: Attributes) -> tuple[tuple[str, str], ...]:
    """Return the names and values that filters state; `attributes` are the declared ones.

    Raises `Invalid` unless each value is a choice of a declared attribute.
    """
    return tuple(_choice(one, attributes) for one in given)


def _choice(text: str, attributes: Attributes) -> tuple[str, str]:
    name, _, value = text.partition(":")
    declared = attributes.by_name.get(name)
    if declared is None or declared.type is not AttributeType.CHOICE:
        choices = [one.name for one in attributes.attributes if one.type is AttributeType.CHOICE]
        raise Invalid(Fault(_PARAMETER, f"must be NAME:VALUE with one of the names {', '.join(choices) or '(none)'}"))
    found = next((one for one in declared.choices if one.casefold() == value.casefold()), None)
    if found is None:
        raise Invalid(Fault(_PARAMETER, f"{name} must be one of: {', '.join(declared.choices)}"))
    return name, found
