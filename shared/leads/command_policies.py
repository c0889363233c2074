"""What a worker brings to its commands: how each kind is judged and announced (`shared.leads.commands`)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from schemas.reasons import RejectionReason
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.lead_document import LeadChanges, LeadDocument
from shared.kafka.events import Outgoing, Received


@dataclass(frozen=True, slots=True)
class Ruling:
    """A decision on a command: rejected with `reason`, or accepted with fields to `set`.

    The ledger keeps `note`: the facts of the lead before the command that `announce` needs, or `otherId`, the lead
    because of which the command is rejected. It keeps no `facts`, which are personal: `finish` finds them again.
    """

    reason: RejectionReason | None = None
    detail: str = ""
    set: LeadChanges | None = None
    note: Mapping[str, object] | None = None
    facts: Mapping[str, object] | None = None

    @property
    def known(self) -> Mapping[str, object]:
        """Note and facts, for `announce`."""
        return {**(self.note or {}), **(self.facts or {})}


Announce = Callable[[LeadDocument, Received, Mapping[str, object]], Sequence[Outgoing]]


@dataclass(frozen=True, slots=True)
class CommandPolicy:
    """The pure functions of one kind of command.

    `judge` decides on the current lead (None: unknown). `activity` returns the activity that the command adds, or None.
    `announce` returns the events of an accepted command, from the stored lead and the ruling's note and facts.
    """

    judge: Callable[[LeadDocument | None, Received, datetime], Ruling]
    announce: Announce
    activity: Callable[[Received, str, datetime], ActivityRow | None] = lambda *_: None


CommandPolicies = Mapping[str, CommandPolicy]
"""A worker's policies by topic."""


class Wave(Protocol):
    """How a worker handles commands of different leads, after it has looked at them."""

    @property
    def policies(self) -> CommandPolicies:
        """The policies for these commands."""

    async def finish(
        self, wave: Sequence[Received], accepted: Sequence[Received], leads: Mapping[str, LeadDocument]
    ) -> Mapping[str, Mapping[str, object]]:
        """Do what follows the leads' writes; return the facts for their events by command. Safe to repeat."""


Prepare = Callable[[Sequence[Received], Mapping[str, LeadDocument]], Awaitable[Wave]]
"""Looks at open commands and their leads before they are judged. Runs again whenever a lead has changed."""


@dataclass(frozen=True, slots=True)
class PlainWave:
    """The handling of commands that depend on their lead alone."""

    policies: CommandPolicies

    async def finish(
        self, _wave: Sequence[Received], _accepted: Sequence[Received], _leads: Mapping[str, LeadDocument]
    ) -> Mapping[str, Mapping[str, object]]:
        """Return no facts: nothing follows the leads' writes."""
        return {}


def fixed(policies: CommandPolicies) -> Prepare:
    """Return the preparation that gives these policies to all commands."""

    async def prepare(_wave: Sequence[Received], _leads: Mapping[str, LeadDocument]) -> Wave:
        return PlainWave(policies)

    return prepare
