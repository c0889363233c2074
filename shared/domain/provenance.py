"""Documents of captures that several workers write."""

from typing import Any


def erased_row(key: str, lead_id: str) -> dict[str, Any]:
    """Return the row of a capture whose lead was erased: enough to find a redelivery."""
    return {"_id": key, "leadId": lead_id, "erased": True}
