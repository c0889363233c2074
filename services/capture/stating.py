"""What a capture states about consent, and what that makes of its lead (contract 3, Consent; not part of Merge)."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from shared.domain.consent import CHANNELS, EMAIL, PHONE, Restated, Statement, restate
from shared.domain.identity import Identity
from shared.domain.moments import stored

Document = dict[str, Any]

_UNDATED_SOURCES = ("/scanners/", "/imports/")
"""Sources whose records are scans and imports: a yes of theirs without a consent date never lifts a no."""

_CLOCKS_DIFFER = timedelta(days=1)
"""A time of consent that lies further ahead of now is wrong: such a yes counts as undated.

Otherwise a mistyped year would be a yes that no later refusal could ever lift. For a wrong consent date the capture's
own time stands in.
"""


def statements_of(  # noqa: PLR0913 - what a capture says
    key: str,
    source: str,
    at: datetime,
    data: Mapping[str, Any],
    identity: Identity,
    *,
    now: datetime,
    void_until: datetime | None,
    row: Mapping[str, Any] | None = None,
) -> list[Statement]:
    """The statements of a capture made `at`; what the person said up to their erasure is void.

    What its `row` holds was decided before, at another now, and stays.
    """
    consent = data.get("consent") or {}
    said_at, dated = _decided(row) or _timed(consent, source, at, now)
    if void_until is not None and said_at <= void_until:
        return []
    addresses = {EMAIL: identity.email, PHONE: identity.phone}
    return [
        Statement(
            channel, addresses[channel], given=consent[channel], at=said_at, source=source, cause=key, dated=dated
        )
        for channel in CHANNELS
        if consent.get(channel) is not None
    ]


def _decided(row: Mapping[str, Any] | None) -> tuple[datetime, bool] | None:
    return next(((one["at"], one["dated"]) for one in (row or {}).get("stated", ())), None)


def _timed(consent: Mapping[str, Any], source: str, at: datetime, now: datetime) -> tuple[datetime, bool]:
    """When the person said it, and whether that time can be relied on."""
    date, latest = consent.get("capturedAt"), now + _CLOCKS_DIFFER
    if date is not None:
        return (stored(date), True) if date <= latest else (stored(at), False)
    vague = consent.get("dated") is False or source.startswith(_UNDATED_SOURCES)
    return stored(at), not vague and at <= latest


def kept_refusals(identity: Identity, tombstones: Mapping[str, Mapping[str, Any]]) -> list[Statement]:
    """What erasures of the same person left: refusals of their addresses, which outlive the person's data."""
    told = ((EMAIL, identity.email, identity.email_claim), (PHONE, identity.phone, identity.person_claim))
    return [
        Statement(
            channel, address, given=False, at=one["at"], source="/services/erasure", cause=claim, reason=one["reason"]
        )
        for channel, address, claim in told
        if claim is not None
        for one in tombstones.get(claim, {}).get("refused", ())
    ]


def restated(lead: Mapping[str, Any], statements: Sequence[Statement], region: str) -> Restated:
    """What these statements make of the lead; also what a new address of it means for those made before."""
    if not statements and not lead.get("standing"):
        return Restated({}, {})
    return restate(lead, statements, region)


def row_of(statements: Sequence[Statement], data: Mapping[str, Any]) -> Document:
    """How the capture's row keeps them, each whole, with the wording that the person agreed to."""
    wording = (data.get("consent") or {}).get("wording") or (data.get("context") or {}).get("consentWording")
    words = {"wording": wording} if isinstance(wording, str) else {}
    return {"stated": [_kept(one) | words for one in statements]} if statements else {}


def _kept(one: Statement) -> Document:
    return {"channel": one.channel, "address": one.address, "given": one.given, "at": one.at, "dated": one.dated}
