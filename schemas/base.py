"""The envelope of all records, and the base class of all payloads."""

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
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError
from pydantic_core.core_schema import no_info_before_validator_function

CONTENT_TYPE = "application/cloudevents+json"
"""The Kafka header `content-type` of every record (schemas/README.md#headers)."""

JSON_DATA = "application/json"
"""The `datacontenttype` of every event of the product."""

ID_MAX = 200
SOURCE_MAX = 500
"""Most characters of an event's `id` and of its `source`."""

ENVELOPE_LIMIT = 256 * 1024
"""Most bytes of a record's value (schemas/README.md#envelope)."""


class Model(BaseModel):
    """A frozen payload: snake_case here, camelCase on the wire; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True)

    def wire(self) -> dict[str, Any]:  # JSON of any payload: only its reader knows the model
        """Return the payload for JSON: camelCase, without missing values."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def wire_json(self) -> bytes:
        """Return the payload as `wire`, as JSON."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def _blank_is_missing(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


_RFC_3339 = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)$"
_MOMENT = re.compile(_RFC_3339, re.ASCII)


def _rfc_3339_only(value: object) -> object:
    # Pydantic takes numbers for seconds since 1970: a spreadsheet's day count would become a date.
    if not isinstance(value, datetime) and not (isinstance(value, str) and _MOMENT.fullmatch(value)):
        raise ValueError("must be an RFC 3339 date and time with a zone, as 2026-05-16T14:03:00Z")
    return value


def _in_calendar(value: datetime) -> datetime:
    # `9999-12-31T23:59:59-23:59` is a date, but has no year in UTC, in which dates are stored.
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be in the years 1 to 9999 in UTC") from None
    return value


BLANK = {"type": "string", "pattern": r"^\s*$", "description": "blank: as if it were missing"}
"""The alternative that schemas of inputs list for each optional value."""


class _BlankIsMissing:
    """Treats a blank text as missing: forms and spreadsheets send empty fields."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_before_validator_function(_blank_is_missing, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core)
        return {**schema, "anyOf": [*schema["anyOf"], BLANK]}


@dataclass(frozen=True, slots=True)
class _WithPattern:
    """Adds to the JSON Schema a pattern that the validation checks anyway."""

    pattern: str

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(core), "pattern": self.pattern}


_T = TypeVar("_T")
Maybe = Annotated[_T | None, _BlankIsMissing()]
"""An optional value of an input; a blank text counts as missing."""

_NOT_BLANK = _WithPattern(r"\S")

WORD_MAX, TEXT_MAX = 200, 4_000
"""Most characters of a word, and of a text."""
Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=WORD_MAX), _NOT_BLANK]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=TEXT_MAX)]
Sentence = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=TEXT_MAX), _NOT_BLANK]
OptionalWord = Maybe[Word]
OptionalText = Maybe[Text]
WORDS_MAX = 50
Words = Annotated[tuple[Word, ...], Field(max_length=WORDS_MAX)]
LeadId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100), _NOT_BLANK]
Moment = Annotated[
    AwareDatetime, BeforeValidator(_rfc_3339_only), AfterValidator(_in_calendar), _WithPattern(_RFC_3339)
]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]


Historical = Annotated[
    bool | None,
    _BlankIsMissing(),
    Field(description="True: it happened at the event's time, and is told only now. It starts nothing."),
]
"""Whether an input is history (schemas/README.md#history)."""


def free_names_schema(pattern: str) -> JsonDict:
    """Return JSON Schema for the top names of a free part; the validation checks all levels."""
    return {"propertyNames": {"pattern": pattern}}


FREE_NAME = r"^[^$\u0000][^\u0000]*$"


def given_schema(name: str, kind: Literal["string", "object"] = "string") -> JsonDict:
    """Return the JSON Schema of an object whose field `name` is neither null nor blank."""
    has: JsonDict = {"type": "object"} if kind == "object" else {"type": "string", "pattern": r"\S"}
    return {"required": [name], "properties": {name: has}}


_LEVELS_MAX = 90
_INTEGERS_END = 2**63
_NAME = re.compile(r"[A-Za-z_][\w-]{0,39}|\d{1,6}", re.ASCII)
_PATH_MAX = 8


def flaw_in(value: object, levels: int = _LEVELS_MAX) -> tuple[tuple[str, ...], str] | None:
    """Return the path and reason why a free part can't be stored unchanged, or None.

    A name may not begin with `$` at any depth: the database takes it for an operator, its driver for a type.
    """
    if isinstance(value, Mapping):
        return _flaw_in_names(value) or _flaw_in_parts(value.items(), levels)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return _flaw_in_parts(enumerate(value), levels)
    if isinstance(value, str):
        return None if _is_text(value) else ((), "must be text without lone surrogates")
    if isinstance(value, float):
        return None if math.isfinite(value) else ((), "must be a finite number")
    # Not `in range(…)`: with the driver's own integer type, Python would compare all its numbers.
    large = isinstance(value, int) and not -_INTEGERS_END <= value < _INTEGERS_END
    return ((), "must be a number of 64 bits") if large else None


def _flaw_in_names(value: Mapping[str, object]) -> tuple[tuple[str, ...], str] | None:
    wrong = next((one for one in value if not one or one[0] == "$" or "\0" in one or not _is_text(one)), None)
    return None if wrong is None else ((wrong,), "a name may neither be empty, start with $ nor hold NUL")


def _flaw_in_parts(parts: Iterable[tuple[object, object]], levels: int) -> tuple[tuple[str, ...], str] | None:
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


def storable(value: Mapping[str, object]) -> Mapping[str, object]:
    """Check a free part: an object whose fields the producer names.

    Raises `PydanticCustomError` with the path of what can't be stored, and the reason.
    """
    flaw = flaw_in(value)
    if flaw is None:
        return value
    path, why = flaw
    # Answers and logs show the path: it hides names that are no field's, and cuts deep paths.
    shown = ".".join(name if _NAME.fullmatch(name) else "$…" if name[:1] == "$" else "…" for name in path[-_PATH_MAX:])
    raise PydanticCustomError("not_storable", "{path}: {why}", {"path": shown or "…", "why": why})


_JSON_MEDIA_TYPE = r"^[Aa][Pp][Pp][Ll][Ii][Cc][Aa][Tt][Ii][Oo][Nn]/[Jj][Ss][Oo][Nn]\s*(;.*)?$"
"""`application/json` in any case, with any parameters (RFC 2045)."""


class CloudEvent(BaseModel):
    """A CloudEvents 1.0 event in structured JSON mode.

    schemas/README.md#envelope describes it. Unknown attributes are ignored.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=ID_MAX)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=SOURCE_MAX)]
    type: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_.]*\.v[1-9][0-9]*$", max_length=200)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    time: Moment
    datacontenttype: Annotated[str, StringConstraints(pattern=_JSON_MEDIA_TYPE, max_length=200)] = JSON_DATA
    correlationid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    causationid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    traceparent: Annotated[str, StringConstraints(max_length=200)] | None = None
    data: dict[str, Any]  # the payload, before it is checked by its topic's model
