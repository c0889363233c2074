"""Conversion: a qualified lead becomes one opportunity (schemas/README.md#conversion)."""

from collections.abc import Mapping
from datetime import datetime
from typing import cast

from pydantic import JsonValue

from shared.domain.activity_documents import activity
from shared.domain.identity.normal_forms import given_only
from shared.domain.ids import derive
from shared.domain.statuses import Move, after
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadChanges, LeadDocument, OpportunityPart

_DEFAULT_CURRENCY = "USD"
_DEFAULT_STAGE = "prospecting"


def opportunity_id(lead_id: str) -> str:
    """Return the id of the lead's one opportunity; every command derives the same."""
    return derive("opportunity", lead_id)


def convert_lead(lead: LeadDocument, request: Mapping[str, JsonValue], cause_key: str, at: datetime) -> LeadChanges:
    """Return the fields to set on a converted lead: status, time, and the final opportunity."""
    return {
        "status": after(Move.CONVERT, lead["status"]).value,
        "convertedAt": at,
        "convertedToOpportunityId": opportunity_id(lead["_id"]),
        "conversion": {"cause": cause_key, "opportunity": build_opportunity(lead, request)},
    }


def build_opportunity(lead: LeadDocument, request: Mapping[str, JsonValue]) -> OpportunityPart:
    """Return the opportunity: the request's values, and the lead's for those that it lacks."""
    company, contact = lead.get("company") or {}, lead.get("contact") or {}
    requirements = lead.get("requirements") or {}
    person = given_only(contact)
    names = (given_only(company).get("name", ""), person.get("firstName", ""), person.get("lastName", ""))
    built: Mapping[str, object] = {
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
    # A command may give fields of any name.
    return cast("OpportunityPart", {name: value for name, value in built.items() if value is not None})


def conversion_activity(cause_key: str, lead_id: str, requested_by: str, at: datetime) -> ActivityRow:
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
