"""The size of a lead in bytes on the wire: every event must fit into one record.

`leads.converted` is the largest event: it has the lead, its company, contact and requirements again in the opportunity,
and the free fields of the command. A character takes 1 to 6 bytes, so the bounds count bytes.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from schemas.base import ENVELOPE_LIMIT
from schemas.commands import OPPORTUNITY_BYTES
from schemas.lead import Lead

_REST_BYTES = 16 * 1024
"""Bytes for the envelope, and for fields of events beside the lead and the command."""

LEAD_BYTES_MAX = (ENVELOPE_LIMIT - OPPORTUNITY_BYTES - _REST_BYTES) // 2
"""Most bytes of a lead whose events all fit into a record. Beyond it is `too_large`."""

CAPTURED_BYTES_MAX = 64 * 1024
"""Most bytes of a lead from captures; identifiers may exceed it. Commands have the rest."""

GROWTH_ROOM = 4 * 1024
"""Bytes that a lead may gain between a decision and its last event, as by an owner."""

_BULKY = ("context", "requirements")
_LITTLE = ("assignedTo", "convertedAt", "convertedToOpportunityId")
_WIRE = tuple(field.alias or name for name, field in Lead.model_fields.items())


def encoded_size(value: Any) -> int:
    """Return the bytes of a value in JSON, as in a record: UTF-8, control characters escaped."""
    return len(to_json(value, fallback=str))


def lead_size(lead: Mapping[str, Any]) -> int:
    """Return the bytes of a lead in an event, by the fields that the wire has."""
    shown = {name: lead[name] for name in _WIRE if lead.get(name) is not None}
    return encoded_size({**shown, "id": lead["_id"]})


def convertible(lead: Mapping[str, Any]) -> bool:
    """Return whether `leads.converted` of this lead fits, with any opportunity."""
    return lead_size({name: value for name, value in lead.items() if name not in _LITTLE}) <= LEAD_BYTES_MAX


def slim(lead: Mapping[str, Any]) -> dict[str, Any]:
    """Return the lead document without its bulky parts, which are optional in all events."""
    conversion = lead.get("conversion")
    without = {name: value for name, value in lead.items() if name not in _BULKY}
    if not conversion:
        return without
    opportunity = {name: value for name, value in conversion["opportunity"].items() if name not in _BULKY}
    return without | {"conversion": {**conversion, "opportunity": opportunity}}
