"""The state machine of a lead's status: one table, which the workers follow, the tests read and README shows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from schemas.lead import Status
from schemas.reasons import RejectionReason

OPEN = (Status.NEW, Status.CONTACTED, Status.QUALIFIED, Status.UNQUALIFIED)
"""Statuses in which a lead is work for its owner."""


class Move(StrEnum):
    """What can move a lead's status: a command, or what happened."""

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
class Row:
    """One move: the topic that asks for it, the topic that tells of it, and what it comes to from each status."""

    by: str
    publishes: str
    outcomes: Mapping[Status, Status | RejectionReason]


def _parsed(table: str) -> dict[Move, Row]:
    head, *lines = [re.split(r" {2,}", line) for line in table.strip().splitlines()]
    statuses = [Status(name) for name in head[3:]]
    return {
        Move(move): Row(by, publishes, dict(zip(statuses, map(_cell, cells), strict=True)))
        for move, by, publishes, *cells in lines
    }


def _cell(text: str) -> Status | RejectionReason:
    return RejectionReason(text.lower()) if text.isupper() else Status(text)


MOVES = _parsed(TABLE)


def after(move: Move, status: str) -> Status | RejectionReason:
    """The status that `move` leads to from `status`, or why it doesn't."""
    return MOVES[move].outcomes[Status(status)]


def objection(move: Move | None, lead: Mapping[str, Any] | None) -> tuple[RejectionReason, str] | None:
    """Why `move` can't be made with this lead (None: nobody knows it), as word and sentence; None when it can.

    No move at all (a command that leaves the status alone) needs only a lead.
    """
    if lead is None:
        return RejectionReason.LEAD_NOT_FOUND, "no lead has this id"
    if move is None:
        return None
    outcome = after(move, lead["status"])
    return (outcome, _sentence(outcome, move, lead)) if isinstance(outcome, RejectionReason) else None


def _sentence(reason: RejectionReason, move: Move, lead: Mapping[str, Any]) -> str:
    if reason is RejectionReason.LEAD_LOST:
        return "the lead is lost; it must be captured again or reopened first"
    if reason is RejectionReason.ALREADY_CONVERTED:
        return f"it became opportunity {lead['convertedToOpportunityId']} already"
    if reason is RejectionReason.LEAD_NOT_QUALIFIED:
        return f"its status is {lead['status']}; only a qualified lead can be converted"
    return f"its status is {lead['status']}; '{move.value}' is not possible from there"
