"""Conditions on a lead, as rules, assignments and nurture steps write them (contract 3, Score)."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_PATTERN_MAX = 200
_SUBJECT_MAX = 1_000
# A repeated group that itself repeats can take exponential time on a subject somebody else wrote.
_NESTED_REPEAT = re.compile(r"\([^()]*[*+}][^()]*\)[*+{]")


class Operator(StrEnum):
    """How a field is compared; text without case, a missing value matches no positive operator."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    ENDS_WITH = "ends_with"
    IN = "in"
    NOT_IN = "not_in"
    GREATER_THAN = "greater_than"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_THAN = "less_than"
    LESS_OR_EQUAL = "less_or_equal"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    MATCHES = "matches"


class ConditionError(ValueError):
    """A lead's value and the condition's can't be compared."""

    def __init__(self, field: str, operator: Operator, why: str) -> None:
        """`why` names kinds of values, never the values."""
        super().__init__(f"{field} {operator.value}: {why}")
        self.field, self.operator = field, operator


_PRESENCE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_TEXTUAL = frozenset(
    {Operator.CONTAINS, Operator.NOT_CONTAINS, Operator.STARTS_WITH, Operator.ENDS_WITH, Operator.MATCHES}
)
_ORDERING: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.GREATER_THAN: lambda held, wanted: held > wanted,
    Operator.GREATER_OR_EQUAL: lambda held, wanted: held >= wanted,
    Operator.LESS_THAN: lambda held, wanted: held < wanted,
    Operator.LESS_OR_EQUAL: lambda held, wanted: held <= wanted,
}
_NEGATED = {
    Operator.NOT_EQUALS: Operator.EQUALS,
    Operator.NOT_CONTAINS: Operator.CONTAINS,
    Operator.NOT_IN: Operator.IN,
    Operator.NOT_EXISTS: Operator.EXISTS,
}


class Condition(BaseModel):
    """`field` is a dotted camelCase path into the lead document, such as `contact.title` or `context.campaign`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_][\w-]*)*$", max_length=200)
    operator: Operator
    value: Any = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        fault = _value_fault(self.operator, self.value)
        if fault:
            raise ValueError(f"value: {fault}")
        return self


def _value_fault(operator: Operator, value: Any) -> str | None:
    if operator in _PRESENCE:
        return None if value is None else f"{operator.value} takes none"
    if value is None:
        return f"{operator.value} needs one"
    if operator in _MEMBERSHIP:
        return None if isinstance(value, list) and value else f"{operator.value} takes a list"
    if operator in _ORDERING:
        return None if _orderable(value) else f"{operator.value} takes a number or a date"
    if operator in _TEXTUAL and not isinstance(value, str):
        return f"{operator.value} takes text"
    return _pattern_fault(value) if operator is Operator.MATCHES else None


def _pattern_fault(pattern: str) -> str | None:
    if len(pattern) > _PATTERN_MAX:
        return f"a pattern may have {_PATTERN_MAX} characters at most"
    if _NESTED_REPEAT.search(pattern):
        return "a repeated group may not repeat inside"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"not a regular expression: {error}"
    return None


def hold_all(conditions: Iterable[Condition], lead: Mapping[str, Any]) -> bool:
    """Whether every condition holds for the lead document. Raises `ConditionError`."""
    return all(holds(condition, lead) for condition in conditions)


def holds(condition: Condition, lead: Mapping[str, Any]) -> bool:
    """Whether `condition` holds for the lead document. Raises `ConditionError` when the values can't be compared.

    A missing value (absent, None, empty text or list) equals nothing, not even another missing one; so it makes every
    positive operator false and every negative one true. Zero and False are values.
    """
    positive = _NEGATED.get(condition.operator)
    if positive is not None:
        return not holds(condition.model_copy(update={"operator": positive}), lead)
    held = value_at(lead, condition.field)
    if condition.operator is Operator.EXISTS or held is None:
        return held is not None
    if condition.operator in _ORDERING:
        return _ordered(condition, held)
    wanted = condition.value if condition.operator is Operator.MATCHES else _folded(condition.value)
    if isinstance(held, list) and not isinstance(condition.value, list):
        return any(_compares(condition.operator, _folded(item), wanted) for item in held)
    return _compares(condition.operator, _folded(held), wanted)


def value_at(lead: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None when it is missing in any of the ways a value can be."""
    value: Any = lead
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value.strip()
    return None if value in ("", [], {}, ()) else value


def _compares(operator: Operator, held: Any, wanted: Any) -> bool:
    if operator is Operator.EQUALS:
        return bool(held == wanted) and isinstance(held, bool) == isinstance(wanted, bool)
    if operator is Operator.IN:
        return held in wanted
    text = str(held)
    if operator is Operator.CONTAINS:
        return wanted in text
    if operator is Operator.STARTS_WITH:
        return text.startswith(wanted)
    if operator is Operator.ENDS_WITH:
        return text.endswith(wanted)
    return re.search(wanted, text[:_SUBJECT_MAX], re.IGNORECASE) is not None


def _ordered(condition: Condition, held: Any) -> bool:
    if _orderable(held) and isinstance(held, datetime) == isinstance(condition.value, datetime):
        return _ORDERING[condition.operator](held, condition.value)
    kinds = f"a {type(held).__name__} can't be ordered against a {type(condition.value).__name__}"
    raise ConditionError(condition.field, condition.operator, kinds)


def _orderable(value: Any) -> bool:
    return isinstance(value, int | float | datetime) and not isinstance(value, bool)


def _folded(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip().casefold()
    return [_folded(item) for item in value] if isinstance(value, list) else value
