"""Consent statements of a capture, and how they change its lead.

The rules are in schemas/README.md#consent.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from services.capture.domain.view import Capture, CapturedConsentPart, CapturedData
from shared.domain.consent.statements import CHANNELS, EMAIL, PHONE, Statement, channel_of
from shared.domain.identity.normal_forms import Identity
from shared.domain.moments import truncate_to_ms
from shared.domain.stored.identity_documents import CaptureRow, StatedConsent

_UNDATED_SOURCES = ("/scanners/", "/imports/")
"""Sources of scans and imports: a yes from them without a consent date never lifts a no."""

_CLOCKS_DIFFER = timedelta(days=1)
"""A time of consent that is further ahead of now is wrong: such a yes counts as undated.

Otherwise no later refusal could lift a yes with a mistyped year. The capture's own time replaces a wrong date.
"""


def statements_of(
    capture: Capture, identity: Identity, *, now: datetime, void_until: datetime | None, row: CaptureRow | None = None
) -> list[Statement]:
    """Return the statements of a capture, at the addresses of this identity.

    Those up to `void_until` (an erasure) are void.

    A stored `row` keeps the time that an earlier decision gave its statements.
    """
    consent: CapturedConsentPart = capture.data.get("consent") or {}
    source = capture.event_source
    said_at, dated = _decided_time(row) or _statement_time(consent, source, capture.captured_at, now)
    if void_until is not None and said_at <= void_until:
        return []
    addresses = {EMAIL: identity.email, PHONE: identity.phone}
    return [
        Statement(
            channel,
            addresses[channel],
            given=given,
            at=said_at,
            source=source,
            cause=capture.key,
            dated=dated,
        )
        for channel in CHANNELS
        if (given := channel_of(consent, channel)) is not None
    ]


def _decided_time(row: CaptureRow | None) -> tuple[datetime, bool] | None:
    return next(((one["at"], one["dated"]) for one in row.get("stated", ())), None) if row else None


def _statement_time(consent: CapturedConsentPart, source: str, at: datetime, now: datetime) -> tuple[datetime, bool]:
    """Return the time of the statement, and whether that time is reliable."""
    date, latest = consent.get("capturedAt"), now + _CLOCKS_DIFFER
    if date is not None:
        # A file's row may give a date for a refusal and mark its yes as undated.
        return (
            (truncate_to_ms(date), consent.get("dated") is not False) if date <= latest else (truncate_to_ms(at), False)
        )
    vague = consent.get("dated") is False or source.startswith(_UNDATED_SOURCES)
    return truncate_to_ms(at), not vague and at <= latest


def stated_by(statements: Sequence[Statement], data: CapturedData) -> list[StatedConsent]:
    """Return these statements for the capture's row, with the wording that was agreed to."""
    consent: CapturedConsentPart = data.get("consent") or {}
    wording = consent.get("wording") or (data.get("context") or {}).get("consentWording")
    stated = [_statement_document(one) for one in statements]
    return [{**one, "wording": wording} for one in stated] if isinstance(wording, str) else stated


def _statement_document(one: Statement) -> StatedConsent:
    return {"channel": one.channel, "address": one.address, "given": one.given, "at": one.at, "dated": one.dated}
