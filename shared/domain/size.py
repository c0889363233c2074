"""The size of a lead in bytes on the wire: every event must fit into one record.

`leads.converted` is the largest event: it has the lead, its company, contact and requirements again in the opportunity,
and the free fields of the command. A character takes 1 to 6 bytes, so the bounds count bytes.
"""

from collections.abc import Mapping

from pydantic_core import to_json

from schemas.base import ENVELOPE_LIMIT
from schemas.commands import OPPORTUNITY_BYTES
from schemas.lead import Lead
from shared.domain.stored.lead_document import LeadDocument

_REST_BYTES = 16 * 1024
"""Bytes for the envelope, and for fields of events beside the lead and the command."""

LEAD_BYTES_MAX = (ENVELOPE_LIMIT - OPPORTUNITY_BYTES - _REST_BYTES) // 2
"""Most bytes of a lead whose events all fit into a record. Beyond it is `too_large`."""

CAPTURED_BYTES_MAX = 64 * 1024
"""Most bytes of a lead from captures; identifiers may exceed it. Commands have the rest."""

GROWTH_ROOM = 4 * 1024
"""Bytes that a lead may gain between a decision and its last event, as by an owner."""

_LITTLE = ("assignedTo", "convertedAt", "convertedToOpportunityId")
_WIRE = tuple(field.alias or name for name, field in Lead.model_fields.items())


def encoded_size(value: object) -> int:
    """Return the bytes of a value in JSON, as in a record: UTF-8, control characters escaped."""
    return len(to_json(value, fallback=str))


def lead_size(lead: Mapping[str, object]) -> int:
    """Return the bytes of a lead in an event, by the fields that the wire has."""
    shown = {name: lead[name] for name in _WIRE if lead.get(name) is not None}
    return encoded_size({**shown, "id": lead["_id"]})


def convertible(lead: Mapping[str, object]) -> bool:
    """Return whether `leads.converted` of this lead fits, with any opportunity."""
    return lead_size({name: value for name, value in lead.items() if name not in _LITTLE}) <= LEAD_BYTES_MAX


def slim(lead: LeadDocument) -> LeadDocument:
    """Return the lead document without its bulky parts, which are optional in all events."""
    without, conversion = lead.copy(), lead.get("conversion")
    without.pop("context", None)
    without.pop("requirements", None)
    if conversion:
        opportunity = conversion["opportunity"].copy()
        opportunity.pop("context", None)
        opportunity.pop("requirements", None)
        without["conversion"] = {**conversion, "opportunity": opportunity}
    return without
