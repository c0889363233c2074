"""Conversion: a qualified lead becomes one opportunity (contract 3, Conversion)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.activities import activity
from shared.domain.ids import derive
from shared.domain.statuses import Move, after

_DEFAULT_CURRENCY = "USD"
_DEFAULT_STAGE = "prospecting"


def opportunity_id(lead_id: str) -> str:
    """The one id of the opportunity that this lead becomes, whoever asks and however often."""
    return derive("opportunity", lead_id)


def conversion(lead: Mapping[str, Any], request: Mapping[str, Any], cause_key: str, at: datetime) -> dict[str, Any]:
    """What to set on the lead: the status, and the opportunity as it stands from now on."""
    return {
        "status": after(Move.CONVERT, lead["status"]).value,
        "convertedAt": at,
        "convertedToOpportunityId": opportunity_id(lead["_id"]),
        "conversion": {"cause": cause_key, "opportunity": opportunity(lead, request)},
    }


def opportunity(lead: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """The opportunity: what the request says, and from the lead what it leaves open."""
    company, contact, requirements = (lead.get(part) or {} for part in ("company", "contact", "requirements"))
    built = {
        "name": f"{company.get('name', '')} - {contact.get('firstName', '')} {contact.get('lastName', '')}".strip(" -"),
        "amount": requirements.get("budget"),
        "currency": _DEFAULT_CURRENCY,
        "stage": _DEFAULT_STAGE,
        **{name: value for name, value in request.items() if value is not None},
        "leadSource": lead["source"],
        "company": company,
        "contact": contact,
        "requirements": requirements,
        "assignedTo": lead.get("assignedTo"),
    }
    return {name: value for name, value in built.items() if value is not None}


def follow_up(cause_key: str, lead_id: str, requested_by: str, at: datetime) -> dict[str, Any]:
    """The activity that records the conversion on the lead."""
    return activity(
        derive("activity", cause_key),
        lead_id,
        "follow_up",
        at,
        created_by=requested_by,
        description=f"Lead converted to opportunity {opportunity_id(lead_id)}",
        outcome="converted",
        completed_at=at,
    )
