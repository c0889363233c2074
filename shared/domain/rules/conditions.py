"""Conditions on a lead in rules, assignments and steps (schemas/README.md#score).

`evaluate_condition` never raises. If values can't be compared, its result has a reason.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator

from shared.domain.identity.normal_forms import is_given
from shared.domain.rules.operands import (
    Operand,
    among,
    as_text,
    comparable,
    equal_lists,
    kind,
    moment_in,
    normalised,
    operand,
)
from shared.domain.rules.patterns import compile_pattern

CONDITIONS_MAX = 500
"""Most conditions of one file."""

VALUES_MAX = 20_000
"""Most values in the lists of one file's conditions together."""

INSTRUCTIONS_MAX = 20_000
"""Most instructions of one file's patterns together."""


class Operator(StrEnum):
    """How a field is compared, ignoring case. A missing value matches no positive operator."""

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


_PRESENCE = frozenset({Operator.EXISTS, Operator.NOT_EXISTS})
_MEMBERSHIP = frozenset({Operator.IN, Operator.NOT_IN})
_TEXTUAL: dict[Operator, Callable[[str, str], bool]] = {
    Operator.CONTAINS: lambda held, wanted: wanted in held,
    Operator.STARTS_WITH: lambda held, wanted: held.startswith(wanted),
    Operator.ENDS_WITH: lambda held, wanted: held.endswith(wanted),
}
_ORDERING: dict[Operator, Callable[[Any, Any], bool]] = {  # `comparable` gives both one kind
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
_TEXT_ONLY = frozenset({*_TEXTUAL, Operator.NOT_CONTAINS, Operator.MATCHES})


class Condition(BaseModel):
    """A condition. `field` is a dotted path into the lead document, as `contact.title`.

    Validated with the context `{"zone": tzinfo}`, dates without a zone are in that zone; else they are in UTC.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    field: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_][\w-]*)*$", max_length=200)
    operator: Operator
    value: Any = Field(None, validate_default=True)  # as in a file; `_fitting` checks it
    _operand: Operand = PrivateAttr()

    @field_validator("value")
    @classmethod
    def _fits(cls, value: object, info: ValidationInfo) -> object:
        operator = info.data.get("operator")
        zone = (info.context or {}).get("zone")
        return value if operator is None else _fitting(operator, value, zone)

    def model_post_init(self, context: Mapping[str, tzinfo] | None) -> None:
        """Prepare the value once for all leads."""
        pattern = compile_pattern(self.value) if self.operator is Operator.MATCHES else None
        self._operand = operand(self.value, (context or {}).get("zone"), pattern)

    @property
    def operand(self) -> Operand:
        """The value, prepared for comparison."""
        return self._operand

    def document(self) -> dict[str, object]:
        """Return the condition as stored: a date stays a date."""
        return {"field": self.field, "operator": self.operator.value, "value": self.value}


def _fitting(operator: Operator, value: object, zone: tzinfo | None) -> object:
    """Return the value in the operator's form. Raises `ValueError`."""
    if operator in _PRESENCE:
        if value is not None:
            raise ValueError(f"{operator.value} takes no value")
        return None
    if value is None:
        raise ValueError(f"{operator.value} needs a value")
    if operator in _MEMBERSHIP and not (isinstance(value, list) and value):
        raise ValueError(f"{operator.value} takes a list")
    found = normalised(value, zone)
    if operator in _ORDERING:
        return _ordered(operator, found, zone)
    if operator in _TEXT_ONLY and not isinstance(found, str):
        raise ValueError(f"{operator.value} takes text")
    if operator is Operator.MATCHES:
        compile_pattern(found)
    return found


def _ordered(operator: Operator, value: object, zone: tzinfo | None) -> object:
    # Steps of an older release have their date as text.
    found = moment_in(value.strip(), zone) if isinstance(value, str) else value
    if isinstance(found, bool) or not isinstance(found, int | float | datetime):
        raise ValueError(f"{operator.value} takes a number or a date")  # noqa: TRY004 - pydantic's way to refuse
    return found


def too_much(conditions: Iterable[Condition]) -> str | None:
    """Return why the conditions of one file would cost too much time per lead, or None."""
    count = values = instructions = 0
    for one in conditions:
        count, values = count + 1, values + one.operand.size
        instructions += one.operand.pattern.size if one.operand.pattern else 0
    if count > CONDITIONS_MAX:
        return f"a file may have {CONDITIONS_MAX} conditions at most; this one has {count}"
    if values > VALUES_MAX:
        return f"the lists of all conditions may have {VALUES_MAX} values at most; they have {values}"
    if instructions > INSTRUCTIONS_MAX:
        return f"all patterns together may have {INSTRUCTIONS_MAX} instructions at most; they have {instructions}"
    return None


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """Whether a condition holds. It does not if it can't be evaluated; `fault` says why."""

    holds: bool
    fault: str | None = None


_HOLDS, _FAILS = ConditionResult(True), ConditionResult(False)


def evaluate_conditions(conditions: Iterable[Condition], lead: Mapping[str, object]) -> ConditionResult:
    """Return the first evaluation that does not hold, or one that does. Never raises."""
    for condition in conditions:
        evaluation = evaluate_condition(condition, lead)
        if not evaluation.holds:
            return evaluation
    return _HOLDS


def evaluate_condition(condition: Condition, lead: Mapping[str, object]) -> ConditionResult:
    """Return whether `condition` holds for the lead document. Never raises.

    A missing value (absent, None, empty text or list, `NOT_GIVEN`) equals nothing, not even another missing value. So
    every positive operator is false and every negative one true. Zero and False are values. If values can't be
    compared, both are false.
    """
    try:
        held = value_at(lead, condition.field)
        positive = _NEGATED.get(condition.operator, condition.operator)
        result = held is not None if held is None or positive is Operator.EXISTS else _test(positive, condition, held)
    except Exception as error:  # noqa: BLE001 - one lead's values must not harm other leads or rules
        return _incomparable(condition, f"the comparison failed ({type(error).__name__})")
    if result is None:
        kinds = f"{kind(held)} can't be compared with {kind(condition.value)}"
        return _incomparable(condition, kinds)
    return _HOLDS if result is (positive is condition.operator) else _FAILS


def _incomparable(condition: Condition, why: str) -> ConditionResult:
    """Return an evaluation with a fault. `why` names kinds of values, never values."""
    return ConditionResult(False, f"{condition.field} {condition.operator.value}: {why}")


def _test(operator: Operator, condition: Condition, held: object) -> bool | None:
    """Return whether a value matches; None: it can't be compared."""
    wanted = condition.operand
    if operator in _ORDERING:
        value = comparable(held, wanted)
        return None if value is None else bool(_ORDERING[operator](value, wanted.value))
    if operator is Operator.IN:
        return among(wanted, held)
    if operator is Operator.EQUALS and wanted.items is not None:
        return equal_lists(wanted.items, held, wanted)
    if not isinstance(held, list):
        return _fits_one(operator, wanted, held)
    results = [_fits_one(operator, wanted, item) for item in held]
    return True if True in results else False if False in results else None


def _fits_one(operator: Operator, wanted: Operand, held: object) -> bool | None:
    if operator is Operator.EQUALS:
        return among(wanted, held)
    text = as_text(held)
    if text is None:
        return None
    if wanted.pattern:
        return wanted.pattern.found_in(text)
    return _TEXTUAL[operator](text, wanted.text)


def value_at(lead: Mapping[str, object], path: str) -> object:
    """Return the value at a dotted path; None if it is missing or empty."""
    value: object = lead
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        value = value.strip()
    return None if value in ("", [], {}, ()) or not is_given(value) else value
