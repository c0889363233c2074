"""The tree of errors: its picture is complete, and a bug is never taken for a server that is away."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError, TopicAuthorizationFailedError

import services
import shared
from shared import errors
from shared.errors import PantryError, Permanent, Transient
from shared.kafka.broker_errors import BrokerUnavailable, RecordRefused, broker_errors
from shared.observability.error_places import where


def _classes() -> Iterator[type[BaseException]]:
    """Every public exception class of the product."""
    for package in (services, shared):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                module = importlib.import_module(found.name)
                yield from (
                    one
                    for name, one in inspect.getmembers(module, inspect.isclass)
                    if issubclass(one, BaseException) and one.__module__ == found.name and not name.startswith("_")
                )


def _picture(of: type[BaseException], before: str = "") -> Iterator[str]:
    key = _ORDER.index if of is PantryError else str
    below = sorted({one for one in _classes() if of in one.__bases__}, key=lambda one: key(one.__name__))
    for number, one in enumerate(below):
        last = number == len(below) - 1
        yield f"{before}{'└' if last else '├'}── {one.__name__}"
        yield from _picture(one, before + ("    " if last else "│   "))


_ORDER = ["Transient", "Permanent", "Stop", "UsageError", "HttpProblem"]


def test_every_error_has_its_place_in_the_tree() -> None:
    assert {one.__name__ for one in _classes() if not issubclass(one, PantryError)} == set()
    drawn = [re.sub(r"(?<=\w)  .*", "", line[4:]) for line in (errors.__doc__ or "").splitlines() if "──" in line]
    assert drawn == list(_picture(PantryError))


@pytest.mark.parametrize(
    "error", [KafkaConnectionError(), TopicAuthorizationFailedError("t"), OSError(), TimeoutError()]
)
def test_an_error_of_the_brokers_state_is_transient_and_blames_no_record(error: Exception) -> None:
    with pytest.raises(BrokerUnavailable) as caught, broker_errors():
        raise error
    assert (caught.value.kind, caught.value.by_record) == (type(error).__name__, False)
    assert isinstance(caught.value, Transient)


def test_an_error_about_a_record_is_permanent() -> None:
    with pytest.raises(RecordRefused, match="MessageSizeTooLargeError") as caught, broker_errors():
        raise MessageSizeTooLargeError
    assert isinstance(caught.value, Permanent)


def test_a_log_names_the_client_s_error_and_its_line_and_never_its_text() -> None:
    with pytest.raises(BrokerUnavailable) as caught, broker_errors():
        raise KafkaConnectionError("ana@example.com")
    assert re.fullmatch(
        rf"BrokerUnavailable \(KafkaConnectionError\) at {re.escape(__name__)}:\d+", where(caught.value)
    )


def test_a_bug_keeps_its_class() -> None:
    with pytest.raises(ZeroDivisionError), broker_errors():
        raise ZeroDivisionError
