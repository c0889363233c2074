"""Lets aiokafka read header names that are not UTF-8: Kafka allows any bytes.

Without it, aiokafka reads such a record again and again, and the partition makes no progress. The patch replaces those
bytes; no code of the product reads a header by such a name.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

_MAGIC = 16
_WITH_HEADERS = 2


class _Bytes(bytearray):
    """Bytes of which every part decodes as text."""

    def __getitem__(self, place: Any) -> Any:  # as `bytearray` overloads it
        part = super().__getitem__(place)
        return _Bytes(part) if isinstance(place, slice) else part

    def decode(self, encoding: str = "utf-8", errors: str = "replace") -> str:
        return bytes(self).decode(encoding, errors)


class _Batch:
    """A batch that aiokafka's slower reader reads where its fast one fails."""

    def __init__(self, data: memoryview) -> None:
        self._data, self._batch = data, DefaultRecordBatch(data)

    def __getattr__(self, name: str) -> Any:  # aiokafka has no types for it
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[object]:
        try:
            yield from self._batch
        except UnicodeDecodeError:
            # Starts again at the first record: the consumer skips those that it had.
            slow = _DefaultRecordBatchPy(self._data)
            slow._maybe_uncompress()  # noqa: SLF001 - the names are in the compressed part
            slow._buffer = _Bytes(slow._buffer)  # noqa: SLF001 - the reader calls `decode` on it
            yield from slow


class _Records(_MemoryRecordsPy):  # type: ignore[misc] # aiokafka marks it final
    """The records fetched from a partition."""

    def next_batch(self, *bounds: int) -> Any:  # aiokafka has no types for it
        data: Any = self._next_slice  # aiokafka has no types for it
        batch = super().next_batch(*bounds)
        return _Batch(data) if batch is not None and data[_MAGIC] >= _WITH_HEADERS else batch


def patch_header_names() -> None:
    """Patch aiokafka in this process, before its first read. May be called more than once."""
    vars(fetcher)["MemoryRecords"] = _Records
