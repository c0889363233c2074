"""Dead letters for an admin: which to show, how, and which may be replayed. Pure."""

import heapq
from collections import Counter
from collections.abc import Collection
from datetime import datetime

from schemas.attributes import Attributes
from schemas.base import Model, Moment
from schemas.topics import DEADLETTER, TOPICS
from services.ingest.domain.capture_events import Fault, Invalid
from shared.domain.stored.access_documents import ReplayDocument
from shared.kafka.dead_letter import DeadLetterRecord
from shared.kafka.decoding import FailedRecord, decode
from shared.kafka.events import Outgoing, Record

BYTES_MAX = 4 * 1024 * 1024
"""The most bytes of values in one answer, unless a single dead letter has more."""
EXAMINED_MAX = 2_000
"""How many of the newest dead letters a search by reason examines."""
_DIGITS_MAX = 18
_COUNTS_MAX, _SOURCE_MAX = 50, 100


class DeadLetterView(Model):
    """A dead letter. `value` has invalid UTF-8 replaced; `size` is in bytes."""

    id: str
    failed_at: str
    reason: str
    detail: str
    topic: str
    consumer: str
    attempts: int | None = None
    key: str | None = None
    value: str
    size: int
    is_text: bool
    replayed_at: Moment | None = None
    replayed_by: str | None = None


class DeadLetterPage(Model):
    """Dead letters, newest first; `more`: older ones exist."""

    letters: tuple[DeadLetterView, ...]
    more: bool


class DeadLetterCount(Model):
    """How many examined dead letters have this `reason` and `source` (empty if unknown)."""

    source: str
    reason: str
    letters: int


class DeadLetterCounts(Model):
    """Dead letters by source and reason, the most first; `examined`: how many were counted."""

    examined: int
    counts: tuple[DeadLetterCount, ...]


class Counts:
    """Counts dead letters by source and reason."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def see(self, record: Record) -> None:
        """Add one dead letter."""
        dead_letter = DeadLetterRecord(record)
        self._counts[dead_letter.header("x-source")[:_SOURCE_MAX], dead_letter.header("x-reason")] += 1

    def answer(self) -> DeadLetterCounts:
        """Return the counts."""
        most = self._counts.most_common(_COUNTS_MAX)
        counts = tuple(DeadLetterCount(source=source, reason=reason, letters=n) for (source, reason), n in most)
        return DeadLetterCounts(examined=self._counts.total(), counts=counts)


class Newest:
    """The newest dead letters added, up to `limit` and `BYTES_MAX`, in any order of arrival."""

    def __init__(self, limit: int, reason: str | None) -> None:
        self._limit, self._reason = limit, reason
        self._kept: list[tuple[str, int, int, DeadLetterRecord]] = []
        self._bytes = 0
        self._first: dict[int, str] = {}
        self._left_out = False

    def see(self, record: Record) -> None:
        """Add one dead letter."""
        dead_letter = DeadLetterRecord(record)
        self._first.setdefault(record.partition, dead_letter.header("x-failed-at"))
        if self._reason not in (None, dead_letter.header("x-reason")):
            return
        heapq.heappush(self._kept, (dead_letter.header("x-failed-at"), record.partition, record.offset, dead_letter))
        self._bytes += len(record.value or b"")
        while len(self._kept) > self._limit or (self._bytes > BYTES_MAX and len(self._kept) > 1):
            *_, oldest = heapq.heappop(self._kept)
            self._bytes -= len(oldest.record.value or b"")
            self._left_out = True

    def dead_letters(self, cut: Collection[int]) -> tuple[list[DeadLetterRecord], bool]:
        """Return the newest, newest first, and whether others exist.

        `cut`: partitions that were not read completely. The answer leaves out times that a cut partition doesn't
        cover: it would have gaps there.
        """
        seen_from = max((self._first[partition] for partition in cut if partition in self._first), default="")
        newest = sorted(self._kept, key=lambda one: one[:3], reverse=True)
        return [dead_letter for at, _, _, dead_letter in newest if at >= seen_from], bool(cut) or self._left_out


def place_of(id_: str) -> tuple[int, int] | None:
    """Return the partition and offset of a dead letter's id."""
    parts = id_.split(":")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= _DIGITS_MAX]
    return (numbers[0], numbers[1]) if len(parts) == len(numbers) == 2 else None  # noqa: PLR2004 - two numbers


def describe_dead_letter(dead_letter: DeadLetterRecord, replay: ReplayDocument | None) -> DeadLetterView:
    """Return a dead letter and its latest `replay`."""
    record, value = dead_letter.record, dead_letter.record.value or b""
    attempts, text = dead_letter.header("x-attempts"), value.decode(errors="replace")
    view = DeadLetterView(
        id=dead_letter.id,
        failed_at=dead_letter.header("x-failed-at"),
        reason=dead_letter.header("x-reason"),
        detail=dead_letter.header("x-detail"),
        topic=dead_letter.topic,
        consumer=dead_letter.header("x-consumer"),
        attempts=int(attempts) if attempts.isdecimal() else None,
        key=None if record.key is None else record.key.decode(errors="replace"),
        value=text,
        size=len(value),
        is_text=text.encode() == value,
    )
    # The embedded broker starts its offsets, and so the ids, at 0 again; the database keeps its rows.
    if replay and replay["failedAt"] == dead_letter.header("x-failed-at"):
        view = view.model_copy(update={"replayed_at": replay["at"], "replayed_by": replay["by"]})
    return view


def replay_record(
    dead_letter: DeadLetterRecord, fixed: str | None, region: str, attributes: Attributes | None = None
) -> Outgoing:
    """Return the record to publish. Raises `Invalid` for a fixed value that would fail again."""
    if dead_letter.topic not in TOPICS or dead_letter.topic == DEADLETTER.name:
        raise Invalid(Fault("topic", "is not a topic that a record can go back to"))
    outgoing = dead_letter.back(None if fixed is None else fixed.encode())
    if fixed is not None:
        record = Record(
            outgoing.topic, dead_letter.record.partition, dead_letter.record.offset, outgoing.key, outgoing.value
        )
        decoded = decode(record, region, attributes)
        if isinstance(decoded, FailedRecord):
            raise Invalid(*_faults(decoded.detail))
    return outgoing


def _faults(detail: str) -> list[Fault]:
    """Return the faults in a decoder's detail, each with its path in the record."""
    parts = [one.partition(": ") for one in detail.split("; ")]
    return [Fault(path, message) if message else Fault("value", path) for path, _, message in parts]


def replay_row(dead_letter: DeadLetterRecord, by: str, now: datetime, *, fixed: bool) -> ReplayDocument:
    """Return the row about a replay, kept as long as the dead letter."""
    return {
        "_id": dead_letter.id,
        "at": now,
        "by": by,
        "mended": fixed,
        "failedAt": dead_letter.header("x-failed-at"),
        "expiresAt": now + DEADLETTER.retention,
    }
