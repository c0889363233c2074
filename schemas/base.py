"""The envelope every record has, and the base of every payload."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

CONTENT_TYPE = "application/cloudevents+json"
"""Value of the Kafka header `content-type` on every record (contract 1)."""

ENVELOPE_LIMIT = 256 * 1024
"""Most bytes that a record's value may have (contract 2)."""


class Model(BaseModel):
    """A frozen payload: snake_case here, camelCase on the wire; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:
        """The JSON-ready form: camelCase, what is missing left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _blank_is_missing(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _iso_only(value: Any) -> Any:
    if not isinstance(value, str | datetime):
        raise ValueError("must be an RFC 3339 date and time with a zone")  # noqa: TRY004 - pydantic turns ValueErrors into faults
    return value


def _in_calendar(value: datetime) -> datetime:
    # `9999-12-31T23:59:59-23:59` is a date, and can't be stored: everything here is kept in UTC.
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie in the years 1 to 9999 in UTC") from None
    return value


BLANK = {"type": "string", "pattern": r"^\s*$", "description": "blank: as if it were missing"}
"""What the schemas of inputs say besides, wherever a value may be missing."""


class _BlankIsMissing:
    """Takes a blank text for a missing value: forms and spreadsheets send what was left empty."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(_blank_is_missing, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        said = handler(core)
        return {**said, "anyOf": [*said["anyOf"], BLANK]}


@dataclass(frozen=True, slots=True)
class _WithPattern:
    """Tells readers of the schema what the validation does anyway."""

    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {**handler(core), "pattern": self.pattern}


_T = TypeVar("_T")
Maybe = Annotated[_T | None, _BlankIsMissing()]
"""An optional value of an input, which a blank text leaves out."""

_NOT_BLANK = _WithPattern(r"\S")
_RFC_3339 = _WithPattern(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)$")

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), _NOT_BLANK]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4_000), _NOT_BLANK]
OptionalWord = Maybe[Word]
OptionalText = Maybe[Text]
WORDS_MAX = 50
Words = Annotated[tuple[Word, ...], Field(max_length=WORDS_MAX)]
LeadId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _NOT_BLANK]
Moment = Annotated[AwareDatetime, BeforeValidator(_iso_only), AfterValidator(_in_calendar), _RFC_3339]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]


def names(pattern: str) -> dict[str, Any]:
    """What JSON Schema can say of the names in a free part: those on top; the reader looks at all of them."""
    return {"propertyNames": {"pattern": pattern}}


FREE_NAME = r"^[^$\u0000][^\u0000]*$"


def given(name: str, kind: Literal["string", "object"] = "string") -> dict[str, Any]:
    """The JSON Schema of an object that has this field, neither null nor blank."""
    has = {"type": "object"} if kind == "object" else {"type": "string", "pattern": r"\S"}
    return {"required": [name], "properties": {name: has}}


_LEVELS_MAX = 90
_INTEGERS_END = 2**63
_NAME = re.compile(r"[A-Za-z_][\w-]{0,39}|\d{1,6}", re.ASCII)
_PATH_MAX = 8


def flaw_in(value: Any, levels: int = _LEVELS_MAX) -> tuple[tuple[str, ...], str] | None:
    """Where a free part can't be kept as it is, and why; None where MongoDB keeps it and JSON says it again.

    A name that begins with `$` is refused at any depth: to the database it is an operator, to its driver a type.
    """
    if isinstance(value, Mapping):
        return _flaw_in_names(value) or _flaw_in_parts(value.items(), levels)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _flaw_in_parts(enumerate(value), levels)
    if isinstance(value, str):
        return None if _is_text(value) else ((), "must be text without lone surrogates")
    if isinstance(value, float):
        return None if math.isfinite(value) else ((), "must be a finite number")
    # Not by a range: that counts through all its numbers to find one of the driver's own integer type.
    large = isinstance(value, int) and not -_INTEGERS_END <= value < _INTEGERS_END
    return ((), "must be a number of 64 bits") if large else None


def _flaw_in_names(value: Mapping[Any, Any]) -> tuple[tuple[str, ...], str] | None:
    wrong = next((one for one in value if not one or one[0] == "$" or "\0" in one or not _is_text(one)), None)
    return None if wrong is None else ((wrong,), "a name may neither be empty, start with $ nor hold NUL")


def _flaw_in_parts(parts: Iterable[tuple[Any, Any]], levels: int) -> tuple[tuple[str, ...], str] | None:
    if levels <= 0:
        return (), f"may have {_LEVELS_MAX} levels at most"
    for name, part in parts:
        found = flaw_in(part, levels - 1)
        if found:
            return (str(name), *found[0]), found[1]
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def kept(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a producer fills with fields of its own.

    Raises `PydanticCustomError` with the path of what can't be kept, and why.
    """
    flaw = flaw_in(value)
    if flaw is None:
        return value
    path, why = flaw
    # A path ends up in answers and logs: what is no field's name is not quoted, and a deep path is cut.
    shown = ".".join(name if _NAME.fullmatch(name) else "$…" if name[:1] == "$" else "…" for name in path[-_PATH_MAX:])
    raise PydanticCustomError("not_storable", "{path}: {why}", {"path": shown or "…", "why": why})


_JSON_MEDIA_TYPE = r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn]\s*(;.*)?$"
"""Of any case and with any parameters (RFC 2045)."""


class CloudEvent(BaseModel):
    """A CloudEvents 1.0 event in structured JSON mode (contract 1). Unknown attributes are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    type: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_.]*\.v[1-9][0-9]*$", max_length=200)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    time: Moment
    datacontenttype: Annotated[str, StringConstraints(pattern=_JSON_MEDIA_TYPE, max_length=200)] = "application/json"
    correlationid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    causationid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    traceparent: Annotated[str, StringConstraints(max_length=200)] | None = None
    data: dict[str, Any]
