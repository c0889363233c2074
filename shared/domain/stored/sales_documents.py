"""The collections `edits` and `notes`: what sales people changed of a lead, and wrote about it."""

from datetime import datetime
from typing import TypedDict

from shared.domain.stored.lead_document import FieldChange


class EditRow(TypedDict):
    """One edit that changed a lead, by its command; `at` is when it was carried out.

    Qualification writes it, and reads it to publish an edit again. Prediction needs the lead as it was.
    """

    _id: str
    leadId: str
    at: datetime
    number: int
    """Orders the edits of the lead."""
    changes: list[FieldChange]


class NoteRow(TypedDict):
    """A note about a lead, by a person. Qualification writes it, the gateway reads it. `at` is the command's time."""

    _id: str
    leadId: str
    at: datetime
    by: str
    text: str
