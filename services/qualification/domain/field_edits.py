"""Edits of a lead's fields, and the identity that follows them.

The rules are in schemas/README.md#edits.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from shared.domain.identity.identity_rules import IdentityRules, without_placeholders
from shared.domain.identity.normal_forms import Identity, identity_of, is_given, part_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.stored.lead_document import EditedPath, FieldChange, LeadChanges, LeadDocument

REQUIRED = ("company.name", "contact.firstName", "contact.lastName")
"""The paths that an edit may not empty. It may empty one of `REACHED_BY`, not both."""
REACHED_BY = ("contact.email", "contact.phone")


@dataclass(frozen=True, slots=True)
class Edited:
    """A lead after an edit: `changes` by path, without paths that a newer edit holds.

    `missing` is a required path that the edit empties, or None.
    """

    lead: LeadDocument
    changes: tuple[FieldChange, ...]
    missing: str | None


def edit_fields(lead: LeadDocument, values: Mapping[str, object], order: tuple[str, ...]) -> Edited:
    """Return the lead with these values by path; None empties. Of two edits of one path the later `order` holds."""
    held = {one["path"]: tuple(one["order"]) for one in lead.get("edited") or ()}
    applied = {path: value for path, value in values.items() if order >= held.get(path, ())}
    after: dict[str, object] = {**lead}
    for path, value in applied.items():
        section, _, name = path.partition(".")
        after[section] = _with_value(part_of(after, section), name, value)
    orders: list[EditedPath] = [
        {"path": path, "order": list(one)} for path, one in sorted((held | dict.fromkeys(applied, order)).items())
    ]
    changes: list[FieldChange] = [
        {"path": path, "from": _value(lead, path), "to": value} for path, value in sorted(applied.items())
    ]
    # Sections set by name lose the type.
    edited = cast("LeadDocument", {**after, "edited": orders})
    return Edited(edited, tuple(one for one in changes if one["from"] != one["to"]), _missing(edited, applied))


def _with_value(part: Mapping[str, object], path: str, value: object) -> dict[str, object]:
    """Return a part of a lead with this value at a path; None empties it."""
    name, _, rest = path.partition(".")
    inner = _with_value(part_of(part, name), rest, value) if rest else value
    others = {one: kept for one, kept in part.items() if one != name}
    return others if inner in (None, {}) else {**others, name: inner}


def _value(lead: Mapping[str, object], path: str) -> object:
    name, _, rest = path.partition(".")
    return _value(part_of(lead, name), rest) if rest else lead.get(name)


def _missing(after: LeadDocument, applied: Mapping[str, object]) -> str | None:
    emptied = next((path for path in REQUIRED if path in applied and not is_given(applied[path])), None)
    unreachable = not any(_value(after, path) for path in REACHED_BY) and any(path in applied for path in REACHED_BY)
    return emptied or (" and ".join(REACHED_BY) if unreachable else None)


@dataclass(frozen=True, slots=True)
class ClaimChange:
    """The claims that an edited lead takes and leaves.

    `email` is a new claim for this lead alone, `person` one that leads may share. `older` has forms of earlier releases
    with their claims.
    """

    lead: LeadDocument
    identity: Identity
    email: str | None = None
    person: str | None = None
    older: Mapping[str, str] = field(default_factory=dict)
    leaves: frozenset[str] = frozenset()


def claim_change(before: LeadDocument, after: LeadDocument, rules: IdentityRules, region: str) -> ClaimChange:
    """Return how the claims of an edited lead change. `region`: of phone numbers without country code."""
    was = without_placeholders(identity_of(before, region), rules, region)
    now = without_placeholders(identity_of(after, region), rules, region)
    email = now.email_claim if now.email_claim != was.email_claim else None
    person = now.person_claim if now.person_claim != was.person_claim else None
    older = {form: claim for form, claim in older_claims(now, after, region).items() if claim in (email, person)}
    gone = {*was.claims, *(before.get("leaving") or ())} - {*now.claims}
    forms = {form for form, claim in older_claims(was, before, region).items() if claim in gone}
    return ClaimChange(after, now, email, person, older, frozenset(gone | forms))


def edit_part(edited: Edited, claims: ClaimChange, cause: str, at: datetime) -> LeadChanges:
    """Return the fields that an edit sets on the lead, beside its consent."""
    sections = {one["path"].partition(".")[0] for one in edited.changes}
    after: dict[str, object] = {**edited.lead}
    fields = {name: after[name] for name in sorted(sections)}
    number = edited.lead["revision"] + 1
    edit = {"cause": cause, "at": at, "number": number, "changes": list(edited.changes)}
    last = {"lastEdit": edit} if edited.changes else {}
    leaving = {"leaving": sorted(claims.leaves)} if claims.leaves or "leaving" in after else {}
    # Sections set by name lose the type.
    return cast("LeadChanges", {**fields, **last, **leaving, "edited": after["edited"]})
