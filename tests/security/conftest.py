"""What tests of security have in common."""

import gc
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture
def over_tls() -> Iterator[None]:
    """Ignore what Kafka's client leaves of its connections: it does not wait until TLS has closed them.

    It is collected here, lest it is found in the midst of another test.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed (transport|<socket)", ResourceWarning)
        yield
        gc.collect()
