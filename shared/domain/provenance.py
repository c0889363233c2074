"""Documents of captures that several workers write."""

from shared.domain.stored.identity_documents import CaptureRow


def erased_row(key: str, lead_id: str) -> CaptureRow:
    """Return the row of a capture whose lead was erased: enough to find a redelivery."""
    return {"_id": key, "leadId": lead_id, "erased": True}
