"""A range of creation times, as `from` and `to` of a query, and the keys of the leads within it. Pure."""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

from pydantic import TypeAdapter

from schemas.base import Moment
from services.gateway.leads.domain.page_cursors import END
from services.ingest.domain.capture_events import Fault, Invalid
from shared.domain.listing import moment_key

_MOMENT = TypeAdapter[datetime](Moment)
BEGINNING = "0"
"""A key less than every key. The embedded database finds nothing above an empty one."""


def key_bounds(first: str | None, last: str | None, zone: tzinfo) -> tuple[str, str]:
    """Return the key of the range's begin, and the one that ends it and is no part of it.

    A day begins and ends in `zone`, and `to` includes its day. A moment is exact, and `to` excludes it.
    Raises `Invalid`.
    """
    lower = _key("from", first, zone, BEGINNING, timedelta(0))
    upper = _key("to", last, zone, END, timedelta(days=1))
    return lower, upper


def _key(name: str, text: str | None, zone: tzinfo, otherwise: str, whole_day: timedelta) -> str:
    if text is None:
        return otherwise
    try:
        if len(text) == len("2026-01-01"):
            # The clock may change on that day: add the day before the zone.
            return _before(datetime.combine(date.fromisoformat(text) + whole_day, time(), zone).astimezone(UTC))
        return _before(_MOMENT.validate_python(text).astimezone(UTC))
    except (ValueError, OverflowError):
        raise Invalid(Fault(name, "must be a day, as 2026-05-16, or an RFC 3339 moment with a zone")) from None


def _before(moment: datetime) -> str:
    """Return a key between those before the moment and those from it on.

    It is no beginning of a key: the embedded database leaves out keys that begin with a bound.
    """
    return moment_key(moment - timedelta(milliseconds=1)) + END
