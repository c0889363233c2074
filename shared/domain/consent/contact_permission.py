"""Whether mail or a call may go to a lead, and why (schemas/README.md#consent)."""

from dataclasses import dataclass
from typing import Literal

from shared.domain.consent.statements import (
    BOUNCED,
    COMPLAINED,
    EMAIL,
    PHONE,
    UNSUBSCRIBED,
    Effect,
    departed,
    holding,
    own_addresses,
    standing_of,
)
from shared.domain.identity.normal_forms import part_of
from shared.domain.stored.lead_document import LeadDocument

CHANNEL_OF = {"email": EMAIL, "content": EMAIL, "call": PHONE}
"""The channel of each nurture action that needs consent; other actions need none."""

MAILED = tuple(action for action, channel in CHANNEL_OF.items() if channel == EMAIL)
"""The actions that send mail."""


@dataclass(frozen=True, slots=True)
class ConsentPolicy:
    """The rule for leads without a statement; `region` is the phone numbers' default region."""

    where_unstated: Literal["opt_out", "opt_in"]
    region: str


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a channel may be used for a lead, and why."""

    allowed: bool
    why: str


def may(channel: str, lead: LeadDocument, policy: ConsentPolicy) -> Permission:
    """Return whether this channel may be used for the lead, and why."""
    current = holding(lead, channel, policy.region)
    if current.given is None:
        return _UNSTATED[policy.where_unstated, channel]
    if not current.given:
        return Permission(allowed=False, why=_refusal(current, channel))
    return Permission(allowed=True, why=f"{_AGREED[channel]} on {current.at:%Y-%m-%d}")


def hindrance(action: str, lead: LeadDocument, policy: ConsentPolicy) -> str | None:
    """Return why a nurture step with this action can't go to the lead now, or None."""
    channel = CHANNEL_OF.get(action)
    if channel is None:
        return None
    if not part_of(lead, "contact").get(channel):
        return _NO_ADDRESS[channel]
    permission = may(channel, lead, policy)
    return None if permission.allowed else permission.why


def departure(lead: LeadDocument, policy: ConsentPolicy) -> str | None:
    """Return why the person left nurture for good, or None. A later yes to mail lifts it."""
    left = departed(standing_of(lead), EMAIL, own_addresses(lead, policy.region)[EMAIL])
    return _REFUSALS[left["reason"]] if left else None


def ended(lead: LeadDocument, policy: ConsentPolicy) -> str | None:
    """Return why nurture is over for the lead, or None."""
    return _OVER.get(lead["status"]) or departure(lead, policy)


def why_not(action: str, lead: LeadDocument, policy: ConsentPolicy) -> str | None:
    """Return why a scheduled step with this action will not go to the lead; None: it may."""
    return ended(lead, policy) or hindrance(action, lead, policy)


def _refusal(current: Effect, channel: str) -> str:
    return _REFUSALS.get(current.reason or "") or _NOES[channel]


_OVER = {"converted": "the lead was converted", "lost": "the lead was lost"}
_REFUSALS = {
    UNSUBSCRIBED: "the lead unsubscribed",
    COMPLAINED: "the lead complained about mail",
    BOUNCED: "mail to the address bounced",
}
_NOES = {EMAIL: "the lead allows no e-mail", PHONE: "the lead allows no calls"}
_AGREED = {EMAIL: "the lead agreed to e-mail", PHONE: "the lead agreed to calls"}
_NO_ADDRESS = {EMAIL: "the lead has no e-mail address", PHONE: "the lead has no phone number"}
_UNSTATED = {
    ("opt_out", EMAIL): Permission(allowed=True, why="nothing was stated; mail may go (opt-out policy)"),
    ("opt_out", PHONE): Permission(allowed=True, why="nothing was stated; calls may be made (opt-out policy)"),
    ("opt_in", EMAIL): Permission(allowed=False, why="nothing was stated; mail needs a yes (opt-in policy)"),
    ("opt_in", PHONE): Permission(allowed=False, why="nothing was stated; calls need a yes (opt-in policy)"),
}
