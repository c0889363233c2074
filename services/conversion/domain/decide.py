"""Conversion: a qualified lead becomes one opportunity (schemas/README.md#conversion)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.domain.activity_documents import activity
from shared.domain.identity.normal_forms import given_only
from shared.domain.ids import derive
from shared.domain.statuses import Move, after

_DEFAULT_CURRENCY = "USD"
_DEFAULT_STAGE = "prospecting"


def opportunity_id(lead_id: str) -> str:
    """Return the id of the lead's one opportunity; every command derives the same."""
    return derive("opportunity", lead_id)


def convert_lead(lead: Mapping[str, Any], request: Mapping[str, Any], cause_key: str, at: datetime) -> dict[str, Any]:
    """Return the fields to set on a converted lead: status, time, and the final opportunity."""
    return {
        "status": after(Move.CONVERT, lead["status"]).value,
        "convertedAt": at,
        "convertedToOpportunityId": opportunity_id(lead["_id"]),
        "conversion": {"cause": cause_key, "opportunity": build_opportunity(lead, request)},
    }


def build_opportunity(lead: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the opportunity: the request's values, and the lead's for those that it lacks."""
    company, contact, requirements = (lead.get(part) or {} for part in ("company", "contact", "requirements"))
    person = given_only(contact)
    names = (given_only(company).get("name", ""), person.get("firstName", ""), person.get("lastName", ""))
    built = {
        "name": "{} - {} {}".format(*names).strip(" -"),
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


def conversion_activity(cause_key: str, lead_id: str, requested_by: str, at: datetime) -> dict[str, Any]:
    """Return the activity row that records the conversion on the lead."""
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
