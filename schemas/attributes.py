"""Attributes: fields of a lead that an installation declares in a configuration file.

Inputs are validated by the declaration in the validation's context (`attributes`). A reader without one, which keeps no
values, takes them as they come.
"""

from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from schemas.base import Maybe, Word, storable

ATTRIBUTES_MAX = 50
"""Most attributes that an installation may declare."""

CHOICES_MAX = 100
"""Most choices of an attribute."""

NAME = "[a-z][A-Za-z]{0,29}"
"""The pattern of an attribute's name: letters only, so that no name in an error message is personal data."""

_LARGEST = 1e15


class AttributeType(StrEnum):
    """What values an attribute has."""

    TEXT = "text"
    """At most 200 characters."""
    NUMBER = "number"
    DATE = "date"
    """A day, as `2026-05-16`."""
    BOOLEAN = "boolean"
    CHOICE = "choice"
    """One of the declared choices, compared without case."""


class AskedIn(StrEnum):
    """Where an attribute is asked."""

    FORM = "form"
    """The web forms that the gateway serves."""
    LEAD = "lead"
    """The dialog by which users edit a lead."""


class Attribute(BaseModel):
    """One attribute: its name in `attributes`, and its label for people."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=f"^{NAME}$")
    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    type: AttributeType
    unit: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=20)] | None = None
    choices: tuple[Word, ...] = Field((), max_length=CHOICES_MAX)
    asked: tuple[AskedIn, ...] = (AskedIn.LEAD,)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if hasattr(dict, self.name):
            raise ValueError(f"name: no template could show an attribute named {self.name}")
        if bool(self.choices) != (self.type is AttributeType.CHOICE):
            raise ValueError("choices: a choice needs them, and no other type has them")
        if len({one.casefold() for one in self.choices}) < len(self.choices):
            raise ValueError("choices: they must differ by more than case")
        if self.unit and self.type is not AttributeType.NUMBER:
            raise ValueError("unit: only a number has one")
        return self


class Attributes(BaseModel):
    """All attributes that an installation declares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    attributes: tuple[Attribute, ...] = Field((), max_length=ATTRIBUTES_MAX)

    @model_validator(mode="after")
    def _unique(self) -> Self:
        if len(self.by_name) < len(self.attributes):
            raise ValueError("attributes: their names must be unique")
        return self

    @cached_property
    def by_name(self) -> Mapping[str, Attribute]:
        """The attributes by name."""
        return {one.name: one for one in self.attributes}

    def captured(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return the declared values that are given; others are ignored.

        Raises `ValidationError` with the name of each value of a wrong type.
        """
        return self._captured.model_validate(values).model_dump(by_alias=True, exclude_none=True)

    def edited(self, values: Mapping[str, object]) -> dict[str, object]:
        """Return the values of an edit; None empties. Raises `ValidationError`, also for an undeclared name."""
        return self._edited.model_validate(values).model_dump(by_alias=True, exclude_unset=True)

    @cached_property
    def _captured(self) -> type[BaseModel]:
        return self._model(ConfigDict(extra="ignore"))

    @cached_property
    def _edited(self) -> type[BaseModel]:
        return self._model(ConfigDict(extra="forbid"))

    def _model(self, config: ConfigDict) -> type[BaseModel]:
        # The model's own names are not the attributes': one could be `copy`, which a model has already.
        fields: dict[str, Any] = {
            f"attribute_{number}": (Maybe[_kind_of(one)], Field(None, alias=one.name))  # type: ignore[misc]  # made here
            for number, one in enumerate(self.attributes)
        }
        return create_model("DeclaredAttributes", __config__=config, **fields)


def captured_attributes(values: Mapping[str, object], info: ValidationInfo) -> Mapping[str, object] | None:
    """Validate the `attributes` of a capture by the declaration; None if none is left."""
    declared: Attributes | None = (info.context or {}).get("attributes")
    return (storable(values) if declared is None else declared.captured(values)) or None


def edited_attributes(values: Mapping[str, object], info: ValidationInfo) -> Mapping[str, object]:
    """Validate the attributes of an edit by the declaration."""
    declared: Attributes | None = (info.context or {}).get("attributes")
    return storable(values) if declared is None else declared.edited(values)


def _no_flag(value: object) -> object:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number")
    return value


def _whole(value: float) -> float | int:
    # People read 120, not 120.0, in a message.
    return int(value) if value.is_integer() else value


def _of_calendar(text: str) -> str:
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise PydanticCustomError("date", "is no day of the calendar") from None


def _one_of(choices: tuple[str, ...]) -> Callable[[str], str]:
    known = {one.casefold(): one for one in choices}

    def choose(value: str) -> str:
        found = known.get(value.casefold())
        if found is None:
            raise PydanticCustomError("choice", "must be one of: {choices}", {"choices": ", ".join(choices)})
        return found

    return choose


_KINDS: Mapping[AttributeType, object] = {
    AttributeType.TEXT: Word,
    AttributeType.NUMBER: Annotated[
        float,
        BeforeValidator(_no_flag),
        Field(ge=-_LARGEST, le=_LARGEST, allow_inf_nan=False),
        AfterValidator(_whole),
    ],
    AttributeType.DATE: Annotated[
        str,
        StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"),
        AfterValidator(_of_calendar),
    ],
    AttributeType.BOOLEAN: bool,
}


def _kind_of(one: Attribute) -> Any:  # a type that Pydantic reads
    if one.type is AttributeType.CHOICE:
        return Annotated[Word, AfterValidator(_one_of(one.choices))]
    return _KINDS[one.type]


NO_ATTRIBUTES = Attributes()
"""An installation that declares none."""
