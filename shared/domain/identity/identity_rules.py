"""Which identifiers count: no placeholders, and no e-mails that too many persons share. Pure.

The claim of an e-mail has a mark for each different name, at most one more than the limit. With that many marks the
e-mail is shared: it identifies no person.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from shared.domain.identity.normal_forms import Identity, name_key, part_of, text_of
from shared.domain.identity.placeholders import NO_PLACEHOLDERS, Placeholders
from shared.domain.ids import derive
from shared.domain.stored.identity_documents import ErasureMarker

NAMES_MAX = 50
SHARED_MAX = 50
"""Most leads per phone + company + name: every capture of that person reads all of them."""
_MARK_LENGTH = 8


@dataclass(frozen=True, slots=True)
class IdentityRules:
    """The configured rules: which values are placeholders, and how many names share an e-mail."""

    placeholders: Placeholders = NO_PLACEHOLDERS
    names_max: int = NAMES_MAX


DEFAULT_IDENTITY_RULES = IdentityRules()


def without_placeholders(identity: Identity, rules: IdentityRules, region: str) -> Identity:
    """Return the identity without placeholders. `region`: of phone numbers without country code."""
    listed = rules.placeholders.identifies_nobody
    if identity.email and listed(email=identity.email):
        identity = replace(identity, email=None)
    if identity.phone and listed(phone=identity.phone, region=region):
        identity = replace(identity, phone=None)
    return identity


def mark_of(claim: str, data: Mapping[str, object]) -> str | None:
    """Return a short hash of the person's name for this claim alone; None without a name.

    `data` is a lead document, or a capture in wire form.
    """
    contact = part_of(data, "contact")
    names = [name_key(text_of(contact, one)) or "" for one in ("firstName", "lastName")]
    return derive("name", claim, *names)[:_MARK_LENGTH] if any(names) else None


def is_shared(
    claim: str, data: Mapping[str, object], marks: Collection[str], marker: ErasureMarker | None, names_max: int
) -> bool:
    """Return whether this claim's e-mail identifies no person.

    An erasure deletes the claim with its marks. Its erasure marker keeps their number.
    """
    if marker is not None and marker.get("names", 0) > names_max:
        return True
    if len(marks) < names_max:
        return False
    own = mark_of(claim, data)
    return len(marks) > names_max or (own is not None and own not in marks)


def takeover(lead_id: str, by: str | None = None) -> dict[str, dict[str, object]]:
    """Return the change by which a free claim becomes this lead's. `by`: the edit that takes it."""
    taken: dict[str, object] = {"leadIds": [lead_id], **({"by": by, "made": by} if by else {})}
    return {"$set": taken, "$unset": {"former": ""} if by else {"former": "", "by": "", "made": ""}}
