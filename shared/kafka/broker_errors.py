"""Translates the errors of Kafka's clients."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiokafka.errors import (
    CorruptRecordException,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)

from shared.errors import Permanent, Transient

_ABOUT_RECORDS = (
    CorruptRecordException,
    InvalidTimestampError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RecordTooLargeError,
    UnsupportedForMessageFormatError,
)
"""The broker's errors about a record. Its other errors are about its own state."""


class BrokerUnavailable(Transient):
    """The broker can't answer now, or it refused this user. The same call may pass later.

    `kind` is the name of the client's error, fit for a log. The text may quote a topic.
    """

    server = "the broker in PANTRY_KAFKA_BOOTSTRAP"

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error) or type(error).__name__)
        self.kind = type(error).__name__


class RecordRefused(Permanent):
    """The client or the broker refused a record for what it is. The text is the error's name."""


@contextmanager
def broker_errors() -> Iterator[None]:
    """Raise an error of the client as `BrokerUnavailable` or `RecordRefused`."""
    try:
        yield
    except _ABOUT_RECORDS as error:
        raise RecordRefused(type(error).__name__) from error
    except (KafkaError, OSError) as error:  # a `TimeoutError` is an `OSError`
        raise BrokerUnavailable(error) from error
