"""The state machine of a lead's status, as one table.

`services/README.md#statuses` shows it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.lead import Status
from schemas.reasons import RejectionReason
from shared.domain.stored.lead_document import LeadDocument

OPEN = (Status.NEW, Status.CONTACTED, Status.QUALIFIED, Status.UNQUALIFIED)
"""The statuses of leads that their owner has to work on."""


class Move(StrEnum):
    """A move of a lead's status, by a command or an event."""

    CAPTURED_AGAIN = "captured again"
    FIRST_CONTACT = "first contact"
    FIT = "found fit"
    UNFIT = "found unfit"
    TO_CONTACTED = "set contacted"
    TO_LOST = "set lost"
    TO_NEW = "set new"
    CONVERT = "convert"


# A cell is the status after the move (its own: nothing changes), or, in capitals, the reason of the rejection.
TABLE = """\
move            by                publishes           new                 contacted           qualified           unqualified         lost        converted
captured again  leads.captured    leads.updated       new                 contacted           qualified           unqualified         new         converted
first contact   leads.activities  leads.updated       contacted           contacted           qualified           unqualified         lost        converted
found fit       leads.qualify     leads.qualified     qualified           qualified           qualified           qualified           LEAD_LOST   INVALID_TRANSITION
found unfit     leads.qualify     leads.disqualified  unqualified         unqualified         unqualified         unqualified         LEAD_LOST   INVALID_TRANSITION
set contacted   leads.update      leads.updated       contacted           contacted           INVALID_TRANSITION  contacted           LEAD_LOST   INVALID_TRANSITION
set lost        leads.update      leads.updated       lost                lost                lost                lost                lost        INVALID_TRANSITION
set new         leads.update      leads.updated       new                 INVALID_TRANSITION  INVALID_TRANSITION  new                 new         INVALID_TRANSITION
convert         leads.convert     leads.converted     LEAD_NOT_QUALIFIED  LEAD_NOT_QUALIFIED  converted           LEAD_NOT_QUALIFIED  LEAD_LOST   ALREADY_CONVERTED
"""  # noqa: E501 - a table is read in its columns


@dataclass(frozen=True, slots=True)
class Transition:
    """One move: its input topic, the topic it publishes to, and its outcome from each status."""

    by: str
    publishes: str
    outcomes: Mapping[Status, Status | RejectionReason]


def _parse(table: str) -> dict[Move, Transition]:
    head, *lines = [re.split(r" {2,}", line) for line in table.strip().splitlines()]
    statuses = [Status(name) for name in head[3:]]
    return {
        Move(move): Transition(by, publishes, dict(zip(statuses, map(_cell, cells), strict=True)))
        for move, by, publishes, *cells in lines
    }


def _cell(text: str) -> Status | RejectionReason:
    return RejectionReason(text.lower()) if text.isupper() else Status(text)


MOVES = _parse(TABLE)


def after(move: Move, status: str) -> Status | RejectionReason:
    """Return the status after `move` from `status`, or the reason of its rejection."""
    return MOVES[move].outcomes[Status(status)]


def objection(move: Move | None, lead: LeadDocument | None) -> tuple[RejectionReason, str] | None:
    """Return why this lead (None: unknown) rejects `move`, as reason and sentence, or None.

    Without a move, as for a command that leaves the status alone, only an unknown lead is rejected.
    """
    if lead is None:
        return RejectionReason.LEAD_NOT_FOUND, "no lead has this id"
    if move is None:
        return None
    outcome = after(move, lead["status"])
    return (outcome, _sentence(outcome, move, lead)) if isinstance(outcome, RejectionReason) else None


def _sentence(reason: RejectionReason, move: Move, lead: LeadDocument) -> str:
    if reason is RejectionReason.LEAD_LOST:
        return "the lead is lost; it must be captured again or reopened first"
    if reason is RejectionReason.ALREADY_CONVERTED:
        return f"it became opportunity {lead['convertedToOpportunityId']} already"
    if reason is RejectionReason.LEAD_NOT_QUALIFIED:
        return f"its status is {lead['status']}; only a qualified lead can be converted"
    return f"its status is {lead['status']}; '{move.value}' is not possible from there"
