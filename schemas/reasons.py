"""The machine words of failures and suspicions (schemas/README.md#reasons)."""

from enum import StrEnum


class DeadLetterReason(StrEnum):
    """Why no handler can use a record: header `x-reason` of `leads.deadletter`.

    Words may be added; readers accept any.
    """

    NOT_JSON = "not_json"
    NOT_CLOUDEVENT = "not_cloudevent"
    INVALID_DATA = "invalid_data"
    UNSUPPORTED_VERSION = "unsupported_version"
    TOO_LARGE = "too_large"
    LEAD_NOT_FOUND = "lead_not_found"
    HANDLER_FAILED = "handler_failed"


class RejectionReason(StrEnum):
    """The business rule that a valid command broke: `reason` of `leads.rejected`.

    Words may be added; readers accept any.
    """

    LEAD_NOT_QUALIFIED = "lead_not_qualified"
    ALREADY_CONVERTED = "already_converted"
    LEAD_LOST = "lead_lost"
    INVALID_TRANSITION = "invalid_transition"
    LEAD_NOT_FOUND = "lead_not_found"
    TOO_LARGE = "too_large"
    IDENTITY_TAKEN = "identity_taken"
    FIELD_REQUIRED = "field_required"
    UNKNOWN_LOST_REASON = "unknown_lost_reason"
    UNKNOWN_TASK = "unknown_task"


class SuspicionReason(StrEnum):
    """Why two leads look like one person: `reasons` of `leads.suspected`."""

    EMAIL = "email_similar"
    PHONE = "phone_same"
    NAME = "name_similar"
    COMPANY = "company_similar"
    ADDRESS = "address_same"
