"""Compare stored documents with the model's leads, identities, captures, activities."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from tests.harness import capture_key
from tests.model.people import EMAILS
from tests.model.rig import SOURCE
from tests.model.world import EMPTY, SECTIONS, Contradiction, Facts, Lead, World

Stored = Mapping[str, Sequence[Mapping[str, Any]]]
"""Documents by collection."""


def same(what: str, product: Any, model: Any) -> None:
    """Raise `Contradiction` if both differ."""
    if product != model:
        raise Contradiction(f"{what}: stored {product}; the model: {model}")


def agree(world: World, stored: Stored) -> None:
    """Raise `Contradiction` where leads and their documents differ from the model's."""
    leads = {lead["_id"]: lead for lead in stored.get("leads", ())}
    same("leads", sorted(leads), sorted(world.leads))
    for lead_id, lead in world.leads.items():
        same(lead_id, _lead(leads[lead_id]), _model(lead))
        if lead.owner:
            same(f"owner of {lead_id}", leads[lead_id].get("assignedTo"), lead.owner)
        captures = {row["_id"] for row in of_lead(stored, "captures", lead_id)}
        same(f"captures of {lead_id}", captures, {capture_key(SOURCE, one) for one in lead.captures})
        _same_activities(lead, of_lead(stored, "activities", lead_id))
        notes = [row["text"] for row in of_lead(stored, "notes", lead_id)]
        same(f"notes of {lead_id}", sorted(notes), sorted(lead.notes))
        if lead.doomed:
            raise Contradiction(f"{lead_id}: something of it was never told, or was given up")
    claims = {row["_id"]: row["leadIds"][0] for row in stored.get("identities", ())}
    owners = {email: claims.get(f"email:{spelled[0].casefold()}") for email, spelled in EMAILS.items()}
    same("leads by address", {e: owner for e, owner in owners.items() if owner in leads}, world.emails)
    same("names for whose erasure nothing waits any more", world.dropped - world.stones.keys(), set())


def _lead(document: Mapping[str, Any]) -> Facts:
    plain = {
        name: document.get(name) for name in ("source", "status", "lostReason", "createdAt", "convertedToOpportunityId")
    }
    plain["bant"] = (document.get("qualification") or {}).get("bant")
    return plain | {name: _full(document.get(name) or {}) for name in SECTIONS}


def _full(section: Mapping[str, Any]) -> Facts:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in section.items()
        if value not in EMPTY
    }


def _model(lead: Lead) -> Facts:
    plain: Facts = {"source": lead.source, "status": lead.status, "createdAt": lead.created}
    plain["lostReason"] = lead.lost_reason
    plain |= {"convertedToOpportunityId": lead.opportunity, "bant": lead.bant[2] if lead.bant else None}
    return plain | {name: _full(lead.sections[name]) for name in SECTIONS}


def of_lead(stored: Stored, collection: str, lead_id: str) -> list[Mapping[str, Any]]:
    """Return a lead's documents in a collection."""
    return [row for row in stored.get(collection, ()) if row["leadId"] == lead_id]


def _same_activities(lead: Lead, rows: Sequence[Mapping[str, Any]]) -> None:
    held = sorted(((_words(row), row.get("completedAt")) for row in rows), key=str)
    ours = sorted(
        (((one.type, one.description or "", one.outcome or "", one.by, one.cancelled), one) for one in lead.current),
        key=lambda pair: str((pair[0], pair[1].earliest)),
    )
    same(f"activities of {lead.id}", [words for words, _ in held], [words for words, _ in ours])
    for (words, completed), (_, one) in zip(held, ours, strict=True):
        if completed != one.earliest and not (
            completed and one.earliest and one.latest and one.earliest <= completed <= one.latest
        ):
            raise Contradiction(
                f"{lead.id}: '{words}' was completed {completed}, not between {one.earliest} and {one.latest}"
            )


def _words(row: Mapping[str, Any]) -> tuple[str, str, str, str, bool]:
    cancelled = bool(row.get("cancelled"))
    return row["type"], row.get("description") or "", row.get("outcome") or "", row["createdBy"], cancelled
