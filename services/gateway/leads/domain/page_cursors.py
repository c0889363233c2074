"""Cursors: where the next page of a list begins."""

import base64
import binascii
from datetime import datetime

from services.ingest.domain.capture_events import Fault, Invalid

END = "~"
"""A key greater than every key."""


def cursor_text(key: str) -> str:
    """Return the cursor of the page after this key, as a reader gets it."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def key_before(text: str | None) -> str:
    """Return the key that a reader's cursor names; `END` without one. Raises `Invalid`."""
    if text is None:
        return END
    try:
        padded = text + "=" * (-len(text) % 4)
        # Cursors of earlier releases begin with a number and a space.
        key = base64.b64decode(padded, altchars=b"-_", validate=True).decode().rpartition(" ")[2]
        datetime.strptime(key[: len("2026-01-01T00:00:00.000Z")], "%Y-%m-%dT%H:%M:%S.%fZ")  # noqa: DTZ007 - a check only
    except (ValueError, binascii.Error):
        raise Invalid(Fault("cursor", "is not a cursor of an earlier answer")) from None
    return key
