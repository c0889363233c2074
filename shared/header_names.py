"""Header names that are no text: Kafka takes any bytes for one, aiokafka reads UTF-8 only.

It would read such a record again and again and never get past it, and its partition would stand still for good. Here
those bytes are replaced; nobody of ours reads a header by such a name.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_MAGIC = 16
_WITH_HEADERS = 2


class _Bytes(bytearray):
    """Bytes whose parts can all be read as text."""

    def __getitem__(self, place: Any) -> Any:
        part = super().__getitem__(place)
        return _Bytes(part) if isinstance(place, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return bytes(self).decode(encoding, errors)


class _Batch:
    """A batch of records as aiokafka reads it, and where it can't, as its own slower reader does."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._batch = data, DefaultRecordBatch(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            # From the beginning: the consumer passes by what it had.
            slow = _DefaultRecordBatchPy(self._data)
            slow._maybe_uncompress()  # noqa: SLF001 - what is compressed has its names inside
            slow._buffer = _Bytes(slow._buffer)  # noqa: SLF001 - it decodes what it reads by itself
            yield from slow


class _Records(_MemoryRecordsPy):  # type: ignore[misc] # final, for nobody else has had reason to
    """What was fetched of a partition."""

    def next_batch(self, *bounds: int) -> Any:
        data: Any = self._next_slice
        batch = super().next_batch(*bounds)
        return _Batch(data) if batch is not None and data[_MAGIC] >= _WITH_HEADERS else batch


def read_any() -> None:
    """Let every consumer of this process get past such a record; once or more often."""
    vars(fetcher)["MemoryRecords"] = _Records
