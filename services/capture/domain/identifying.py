"""Which identifiers count: no placeholders, and no shared identifiers.

Too many persons use a shared identifier.

The claim of an e-mail has a mark for each different name, at most one more than the limit. With that many marks the
e-mail is shared: it identifies no person, and each capture with it creates its own lead.

The order of captures decides only which of them come before the limit. Two processes that reach the limit at once can
add a few marks more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from services.capture.domain.plan import Capture, CapturePlan, View
from shared.domain.identity.normal_forms import Identity, name_key
from shared.domain.identity.placeholders import NO_PLACEHOLDERS, Placeholders
from shared.domain.ids import derive

NAMES_MAX = 50
_MARK_LENGTH = 8
_IDENTIFIERS = {"contact.email": "email", "contact.phone": "phone"}


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """The configured rules: which values are placeholders, and how many names share an e-mail."""

    placeholders: Placeholders = NO_PLACEHOLDERS
    names_max: int = NAMES_MAX


DEFAULT_IDENTITY_RULES = IdentityRules()


def drop_shared_email(
    identity: Identity, data: Mapping[str, Any], view: View, rules: IdentityRules, region: str
) -> Identity:
    """Return the identity of a capture or lead without placeholders and a shared e-mail."""
    identity = without_placeholders(identity, rules, region)
    if identity.email and _is_shared(identity, data, view, rules):
        return replace(identity, email=None)
    return identity


def without_placeholders(identity: Identity, rules: IdentityRules, region: str) -> Identity:
    """Return the identity without placeholders."""
    listed = rules.placeholders.identifies_nobody
    if identity.email and listed(email=identity.email):
        identity = replace(identity, email=None)
    if identity.phone and listed(phone=identity.phone, region=region):
        identity = replace(identity, phone=None)
    return identity


def replaces_placeholder(
    differed: Mapping[str, Any], lead: Mapping[str, Any], rules: IdentityRules, region: str
) -> bool:
    """Return whether the lead has a placeholder where the capture has a real e-mail or phone."""
    name = _IDENTIFIERS.get(differed["path"])
    if name is None:
        return False
    listed, held = rules.placeholders.identifies_nobody, lead["contact"][name]
    return listed(**{name: held}, region=region) and not listed(**{name: differed["value"]}, region=region)


def _is_shared(identity: Identity, data: Mapping[str, Any], view: View, rules: IdentityRules) -> bool:
    claim = identity.email_claim or ""
    marks = view.marks.get(claim, ())
    # An erasure deletes the claim; its erasure marker keeps the number of names.
    if view.markers.get(claim, {}).get("names", 0) > rules.names_max:
        return True
    if len(marks) < rules.names_max:
        return False
    own = _mark_of(claim, data)
    return len(marks) > rules.names_max or (own is not None and own not in marks)


def mark_name(capture: Capture, view: View, plan: CapturePlan, rules: IdentityRules) -> None:
    """Add the capture's name to its e-mail's claim, unless it has this name or enough others."""
    claim = capture.identity.email_claim or ""
    own, marks = _mark_of(claim, capture.data), view.marks.setdefault(claim, [])
    stored = bool(view.claims.get(claim)) and claim not in view.rewritable
    if own is None or own in marks or len(marks) > rules.names_max or not stored:
        return
    if rules.placeholders.identifies_nobody(email=capture.identity.email):
        return
    marks.append(own)
    plan.marks.setdefault(claim, []).append(own)
    if len(marks) > rules.names_max:
        plan.shared.append(view.claims[claim][0])


def _mark_of(claim: str, data: Mapping[str, Any]) -> str | None:
    """Return a short hash of the person's name for this claim alone; None without a name."""
    contact = data.get("contact") or {}
    names = [name_key(contact.get(part)) or "" for part in ("firstName", "lastName")]
    return derive("name", claim, *names)[:_MARK_LENGTH] if any(names) else None
