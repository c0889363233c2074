"""Checks conditions on attributes against their declaration, for `pantry rules check`."""

from datetime import datetime

from pydantic import ValidationError

from schemas.attributes import Attribute, Attributes, AttributeType
from shared.domain.rules.conditions import Condition, Operator

_EQUALITY = frozenset({Operator.EQUALS, Operator.NOT_EQUALS, Operator.IN, Operator.NOT_IN})
_ORDER = frozenset(
    {Operator.GREATER_THAN, Operator.GREATER_OR_EQUAL, Operator.LESS_THAN, Operator.LESS_OR_EQUAL},
)
_KINDS = {
    AttributeType.TEXT: (str,),
    AttributeType.NUMBER: (int, float),
    AttributeType.DATE: (str, datetime),
    AttributeType.BOOLEAN: (bool,),
    AttributeType.CHOICE: (str,),
}
_ORDERED = {AttributeType.NUMBER: (int, float), AttributeType.DATE: (datetime,)}
_SECTION = "attributes"


def undeclared(name: str) -> str:
    """Return the fault of a name that is not declared."""
    return f"there is no attribute '{name}' in attributes.yaml"


def condition_fault(condition: Condition, attributes: Attributes) -> str | None:
    """Return why a condition can hold for no attribute as it is declared; None if it can, or is on another field."""
    section, _, name = condition.field.partition(".")
    if section != _SECTION or not name:
        return None
    declared = attributes.by_name.get(name)
    if declared is None:
        return undeclared(name)
    if condition.operator in _ORDER:
        fits = isinstance(condition.value, _ORDERED.get(declared.type, ()))
        return None if fits else f"{condition.operator.value} does not order {declared.type.value}s by this value"
    return _equality_fault(condition, declared, attributes) if condition.operator in _EQUALITY else None


def _equality_fault(condition: Condition, declared: Attribute, attributes: Attributes) -> str | None:
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    for value in values:
        if not isinstance(value, _KINDS[declared.type]):
            return f"{condition.operator.value}: a value is no {declared.type.value}"
        try:
            attributes.captured({declared.name: value.date().isoformat() if isinstance(value, datetime) else value})
        except ValidationError as error:
            return f"{condition.operator.value}: a value {error.errors()[0]['msg']}"
    return None
