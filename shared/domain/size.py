"""How large a lead is on the wire, and how large it may become: its events must fit into one record (contract 2).

`leads.converted` is the largest: it has the lead; company, contact and requirements once more in the opportunity; and
the free fields of the command. Characters take 1 to 6 bytes there, so a bound of characters says little.
"""

from collections.abc import Mapping
from typing import Any

from pydantic_core import to_json

from schemas.base import ENVELOPE_LIMIT
from schemas.commands import OPPORTUNITY_BYTES
from schemas.lead import Lead

_REST_BYTES = 16 * 1024
"""For the envelope's own attributes, and the fields of an event that are no part of a lead or of a command."""

LEAD_BYTES_MAX = (ENVELOPE_LIMIT - OPPORTUNITY_BYTES - _REST_BYTES) // 2
"""Most bytes of a lead with which every event of it fits into a record: a command that goes beyond is `too_large`."""

CAPTURED_BYTES_MAX = 64 * 1024
"""Most bytes that captures give a lead: commands have the rest. What identifies a person may go beyond."""

GROWTH_ROOM = 4 * 1024
"""Bytes that a lead may gain between a decision and its last announcement: an owner, a consent, times."""

_BULKY = ("context", "requirements")
_LITTLE = ("assignedTo", "convertedAt", "convertedToOpportunityId")
_WIRE = tuple(field.alias or name for name, field in Lead.model_fields.items())


def encoded_size(value: Any) -> int:
    """The bytes of a value in JSON, as records hold it: UTF-8, control characters escaped."""
    return len(to_json(value, fallback=str))


def lead_size(lead: Mapping[str, Any]) -> int:
    """The bytes of a lead document in an event: of the fields that the wire has."""
    shown = {name: lead[name] for name in _WIRE if lead.get(name) is not None}
    return encoded_size({**shown, "id": lead["_id"]})


def convertible(lead: Mapping[str, Any]) -> bool:
    """Whether this lead can be converted, whatever opportunity is asked for."""
    return lead_size({name: value for name, value in lead.items() if name not in _LITTLE}) <= LEAD_BYTES_MAX


def slim(lead: Mapping[str, Any]) -> dict[str, Any]:
    """The lead document without its bulky parts, which are optional in every event."""
    conversion = lead.get("conversion")
    without = {name: value for name, value in lead.items() if name not in _BULKY}
    if not conversion:
        return without
    opportunity = {name: value for name, value in conversion["opportunity"].items() if name not in _BULKY}
    return without | {"conversion": {**conversion, "opportunity": opportunity}}
