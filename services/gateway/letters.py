"""Dead letters for who mends them: which are shown, what is told of each, and what may go back. All is pure."""

import heapq
from collections import Counter
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from schemas.base import Model, Moment
from schemas.topics import DEADLETTER, TOPICS
from services.gateway.domain import Fault, Invalid
from shared.decoding import Undecodable, decode
from shared.events import Outgoing, Record
from shared.letters import DeadLetter
from shared.storage import Document

BYTES_MAX = 4 * 1024 * 1024
"""Bytes of values that one answer shows at most, unless a single letter has more."""
EXAMINED_MAX = 2_000
"""Letters among which those with a reason are looked for: the newest."""
_DIGITS_MAX = 18
_COUNTS_MAX, _SOURCE_MAX = 50, 100


class Letter(Model):
    """A record that no handler could use; `value` as it came, bytes that are no text replaced; `size` in bytes."""

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


class LetterPage(Model):
    """Letters, newest first; `more`: there are others, older ones."""

    letters: tuple[Letter, ...]
    more: bool


class LetterCount(Model):
    """How many of the letters examined have this `reason` and this `source`, empty where it isn't known."""

    source: str
    reason: str
    letters: int


class LetterCounts(Model):
    """Letters by source and reason, the most first; `examined` is how many of the newest were counted."""

    examined: int
    counts: tuple[LetterCount, ...]


class Counts:
    """Counts the letters that it has seen."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def see(self, record: Record) -> None:
        """Take one into account."""
        letter = DeadLetter(record)
        self._counts[letter.header("x-source")[:_SOURCE_MAX], letter.header("x-reason")] += 1

    def told(self) -> dict[str, Any]:
        """The counts, in wire form."""
        most = self._counts.most_common(_COUNTS_MAX)
        counts = tuple(LetterCount(source=source, reason=reason, letters=n) for (source, reason), n in most)
        return LetterCounts(examined=self._counts.total(), counts=counts).wire()


class Newest:
    """The newest of the letters that it has seen, up to `limit` and `BYTES_MAX`, whatever order they came in."""

    def __init__(self, limit: int, reason: str | None) -> None:
        self._limit, self._reason = limit, reason
        self._kept: list[tuple[str, int, int, DeadLetter]] = []
        self._bytes = 0
        self._first: dict[int, str] = {}
        self._left_out = False

    def see(self, record: Record) -> None:
        """Take one into account."""
        letter = DeadLetter(record)
        self._first.setdefault(record.partition, letter.header("x-failed-at"))
        if self._reason not in (None, letter.header("x-reason")):
            return
        heapq.heappush(self._kept, (letter.header("x-failed-at"), record.partition, record.offset, letter))
        self._bytes += len(record.value or b"")
        while len(self._kept) > self._limit or (self._bytes > BYTES_MAX and len(self._kept) > 1):
            *_, oldest = heapq.heappop(self._kept)
            self._bytes -= len(oldest.record.value or b"")
            self._left_out = True

    def letters(self, cut: Collection[int]) -> tuple[list[DeadLetter], bool]:
        """Those that are left, newest first, and whether there may be others; `cut` partitions were not seen whole.

        Nothing is told from before the time from which on all partitions were seen: it would come with gaps.
        """
        seen_from = max((self._first[partition] for partition in cut if partition in self._first), default="")
        newest = sorted(self._kept, key=lambda one: one[:3], reverse=True)
        return [letter for at, _, _, letter in newest if at >= seen_from], bool(cut) or self._left_out


def place_of(id_: str) -> tuple[int, int] | None:
    """Partition and offset that an id names."""
    parts = id_.split(":")
    numbers = [int(part) for part in parts if part.isascii() and part.isdigit() and len(part) <= _DIGITS_MAX]
    return (numbers[0], numbers[1]) if len(parts) == len(numbers) == 2 else None  # noqa: PLR2004 - two numbers


def shown(letter: DeadLetter, replay: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is told of a letter, and of its latest `replay`."""
    record, value = letter.record, letter.record.value or b""
    attempts, text = letter.header("x-attempts"), value.decode(errors="replace")
    told = Letter(
        id=letter.id,
        failed_at=letter.header("x-failed-at"),
        reason=letter.header("x-reason"),
        detail=letter.header("x-detail"),
        topic=letter.topic,
        consumer=letter.header("x-consumer"),
        attempts=int(attempts) if attempts.isdecimal() else None,
        key=None if record.key is None else record.key.decode(errors="replace"),
        value=text,
        size=len(value),
        is_text=text.encode() == value,
    )
    # The embedded broker begins anew with each start, its ids with it, while the database stays.
    if replay and replay["failedAt"] == letter.header("x-failed-at"):
        told = told.model_copy(update={"replayed_at": replay["at"], "replayed_by": replay["by"]})
    return told.wire()


def back(letter: DeadLetter, mended: str | None, region: str) -> Outgoing:
    """What to publish. Raises `Invalid` for a mended value that would end as a dead letter again."""
    if letter.topic not in TOPICS or letter.topic == DEADLETTER.name:
        raise Invalid(Fault("topic", "is no topic that a record can go back to"))
    outgoing = letter.back(None if mended is None else mended.encode())
    if mended is not None:
        record = Record(outgoing.topic, letter.record.partition, letter.record.offset, outgoing.key, outgoing.value)
        decoded = decode(record, region)
        if isinstance(decoded, Undecodable):
            raise Invalid(*_faults(decoded.detail))
    return outgoing


def _faults(detail: str) -> list[Fault]:
    """The faults that a decoder's detail tells, each with its path in the record."""
    parts = [one.partition(": ") for one in detail.split("; ")]
    return [Fault(path, message) if message else Fault("value", path) for path, _, message in parts]


def replayed(letter: DeadLetter, by: str, now: datetime, *, mended: bool) -> Document:
    """What is kept of a replay, as long as the letter is."""
    return {
        "_id": letter.id,
        "at": now,
        "by": by,
        "mended": mended,
        "failedAt": letter.header("x-failed-at"),
        "expiresAt": now + DEADLETTER.retention,
    }
