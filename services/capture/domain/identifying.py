"""Which identifiers count: no placeholders, and no shared identifiers.

`shared.domain.identity.identity_rules` says when an e-mail is shared. Each capture with it creates its own lead.

The order of captures decides only which of them come before the limit. Two processes that reach the limit at once can
add a few marks more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from services.capture.domain.view import Capture, CapturedData, View
from shared.domain.identity.identity_rules import IdentityRules, is_shared, mark_of, without_placeholders
from shared.domain.identity.normal_forms import Identity
from shared.domain.stored.identity_documents import DifferingValue
from shared.domain.stored.lead_document import LeadDocument

_IDENTIFIERS = {"contact.email": "email", "contact.phone": "phone"}


@dataclass(frozen=True, slots=True)
class DecisionRules:
    """What the decisions of one batch share: the time, the phone numbers' region, the configured rules."""

    now: datetime
    region: str
    identity: IdentityRules


def drop_shared_email(
    identity: Identity, data: CapturedData | LeadDocument, view: View, rules: DecisionRules
) -> Identity:
    """Return the identity of a capture or lead without placeholders and a shared e-mail."""
    identity = without_placeholders(identity, rules.identity, rules.region)
    if identity.email and _is_shared(identity, data, view, rules.identity):
        return replace(identity, email=None)
    return identity


def replaces_placeholder(differed: DifferingValue, lead: LeadDocument, rules: DecisionRules) -> bool:
    """Return whether the lead has a placeholder where the capture has a real e-mail or phone."""
    name = _IDENTIFIERS.get(differed["path"])
    if name is None:
        return False
    # Both identifiers are texts, of the capture and of the lead.
    contact, value = cast("Mapping[str, str]", lead["contact"]), cast("str", differed["value"])
    listed, region = rules.identity.placeholders.identifies_nobody, rules.region
    return listed(**{name: contact[name]}, region=region) and not listed(**{name: value}, region=region)


def _is_shared(identity: Identity, data: CapturedData | LeadDocument, view: View, rules: IdentityRules) -> bool:
    claim = identity.email_claim or ""
    return is_shared(claim, data, view.marks.get(claim, ()), view.markers.get(claim), rules.names_max)


@dataclass(frozen=True, slots=True)
class NameMark:
    """A name mark to add to an e-mail's claim; `shared_by` is a lead of it if it is shared from now on."""

    claim: str
    mark: str
    shared_by: str | None


def mark_name(view: View, capture: Capture, rules: DecisionRules) -> tuple[View, NameMark | None]:
    """Add the capture's name to its e-mail's claim, unless it has this name or enough others."""
    claim, most = capture.identity.email_claim or "", rules.identity.names_max
    own, marks = mark_of(claim, capture.data), view.marks.get(claim, ())
    stored = bool(view.claims.get(claim)) and not view.rewritable.get(claim)
    if own is None or own in marks or len(marks) > most or not stored:
        return view, None
    if rules.identity.placeholders.identifies_nobody(email=capture.identity.email):
        return view, None
    shared_by = view.claims[claim][0] if len(marks) == most else None
    return view.with_mark(claim, own), NameMark(claim, own, shared_by)
