"""Which identifiers count: no placeholders, and no shared identifiers.

Too many persons use a shared identifier.

The claim of an e-mail has a mark for each different name, at most one more than the limit. With that many marks the
e-mail is shared: it identifies no person, and each capture with it creates its own lead.

The order of captures decides only which of them come before the limit. Two processes that reach the limit at once can
add a few marks more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

from services.capture.domain.view import Capture, CapturedData, View
from shared.domain.identity.normal_forms import Identity, name_key
from shared.domain.identity.placeholders import NO_PLACEHOLDERS, Placeholders
from shared.domain.ids import derive
from shared.domain.stored.identity_documents import DifferingValue
from shared.domain.stored.lead_document import ContactPart, LeadDocument

NAMES_MAX = 50
_MARK_LENGTH = 8
_IDENTIFIERS = {"contact.email": "email", "contact.phone": "phone"}


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """The configured rules: which values are placeholders, and how many names share an e-mail."""

    placeholders: Placeholders = NO_PLACEHOLDERS
    names_max: int = NAMES_MAX


DEFAULT_IDENTITY_RULES = IdentityRules()


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
    identity = without_placeholders(identity, rules)
    if identity.email and _is_shared(identity, data, view, rules.identity):
        return replace(identity, email=None)
    return identity


def without_placeholders(identity: Identity, rules: DecisionRules) -> Identity:
    """Return the identity without placeholders."""
    listed = rules.identity.placeholders.identifies_nobody
    if identity.email and listed(email=identity.email):
        identity = replace(identity, email=None)
    if identity.phone and listed(phone=identity.phone, region=rules.region):
        identity = replace(identity, phone=None)
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
    marks = view.marks.get(claim, ())
    # An erasure deletes the claim; its erasure marker keeps the number of names.
    if claim in view.markers and view.markers[claim].get("names", 0) > rules.names_max:
        return True
    if len(marks) < rules.names_max:
        return False
    own = _mark_of(claim, data)
    return len(marks) > rules.names_max or (own is not None and own not in marks)


@dataclass(frozen=True, slots=True)
class NameMark:
    """A name mark to add to an e-mail's claim; `shared_by` is a lead of it if it is shared from now on."""

    claim: str
    mark: str
    shared_by: str | None


def mark_name(view: View, capture: Capture, rules: DecisionRules) -> tuple[View, NameMark | None]:
    """Add the capture's name to its e-mail's claim, unless it has this name or enough others."""
    claim, most = capture.identity.email_claim or "", rules.identity.names_max
    own, marks = _mark_of(claim, capture.data), view.marks.get(claim, ())
    stored = bool(view.claims.get(claim)) and not view.rewritable.get(claim)
    if own is None or own in marks or len(marks) > most or not stored:
        return view, None
    if rules.identity.placeholders.identifies_nobody(email=capture.identity.email):
        return view, None
    shared_by = view.claims[claim][0] if len(marks) == most else None
    return view.with_mark(claim, own), NameMark(claim, own, shared_by)


def _mark_of(claim: str, data: CapturedData | LeadDocument) -> str | None:
    """Return a short hash of the person's name for this claim alone; None without a name."""
    contact: ContactPart = data.get("contact") or {}
    names = [name_key(text) or "" for text in (contact.get("firstName"), contact.get("lastName"))]
    return derive("name", claim, *names)[:_MARK_LENGTH] if any(names) else None
