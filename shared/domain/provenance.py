"""Captures as documents, as far as more than one worker writes them."""

from typing import Any


def erased_row(key: str, lead_id: str) -> dict[str, Any]:
    """All that is kept of a capture whose lead was erased: enough to know it again."""
    return {"_id": key, "leadId": lead_id, "erased": True}
