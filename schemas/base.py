"""The envelope every record has, and the base of every payload."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

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


Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=4_000)]
OptionalWord = Annotated[Word | None, BeforeValidator(_blank_is_missing)]
OptionalText = Annotated[Text | None, BeforeValidator(_blank_is_missing)]
WORDS_MAX = 50
Words = Annotated[tuple[Word, ...], Field(max_length=WORDS_MAX)]
LeadId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
Moment = Annotated[AwareDatetime, BeforeValidator(_iso_only), AfterValidator(_in_calendar)]
Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]


_LEVELS_MAX = 90
_INTEGERS = range(-(2**63), 2**63)
NOT_STORABLE = "holds what can't be kept: a number beyond 64 bits, a name with a NUL, or more than 90 levels"
"""What is said of a free part that isn't `storable`."""


def storable(value: Any, levels: int = _LEVELS_MAX) -> bool:
    """Whether MongoDB keeps this free part, and JSON tells it again, as it is: it has at most 100 levels of its own."""
    if isinstance(value, Mapping):
        return levels > 0 and all("\0" not in name and storable(part, levels - 1) for name, part in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return levels > 0 and all(storable(part, levels - 1) for part in value)
    return math.isfinite(value) if isinstance(value, float) else not isinstance(value, int) or value in _INTEGERS


class CloudEvent(BaseModel):
    """A CloudEvents 1.0 event in structured JSON mode (contract 1). Unknown attributes are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    type: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_.]*\.v[1-9][0-9]*$", max_length=200)]
    subject: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    time: Moment
    datacontenttype: Literal["application/json"] = "application/json"
    correlationid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    causationid: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    traceparent: Annotated[str, StringConstraints(max_length=200)] | None = None
    data: dict[str, Any]
