"""Permission: whether mail or a call may go to a lead, and why (contract 3, Consent and Nurture)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from shared.domain.consent import (
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

Document = Mapping[str, Any]

CHANNEL_OF = {"email": EMAIL, "content": EMAIL, "call": PHONE}
"""The channel of each nurture action that needs consent; other actions need none."""

MAILED = tuple(action for action, channel in CHANNEL_OF.items() if channel == EMAIL)
"""The actions that send mail."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What holds where nothing was stated; `region` is the one of phone numbers without a country code."""

    where_unstated: Literal["opt_out", "opt_in"]
    region: str


@dataclass(frozen=True, slots=True)
class Permission:
    """Whether a channel may be used for a lead, and why."""

    allowed: bool
    why: str


def may(channel: str, lead: Document, policy: Policy) -> Permission:
    """Whether this channel may be used for the lead."""
    held = holding(lead, channel, policy.region)
    if held.given is None:
        return _UNSTATED[policy.where_unstated, channel]
    if not held.given:
        return Permission(allowed=False, why=_refusal(held, channel))
    return Permission(allowed=True, why=f"{_AGREED[channel]} on {held.at:%Y-%m-%d}")


def hindrance(action: str, lead: Document, policy: Policy) -> str | None:
    """Why a step with this action can't go to the lead as it is, or None."""
    channel = CHANNEL_OF.get(action)
    if channel is None:
        return None
    if not (lead.get("contact") or {}).get(channel):
        return _NO_ADDRESS[channel]
    permission = may(channel, lead, policy)
    return None if permission.allowed else permission.why


def departure(lead: Document, policy: Policy) -> str | None:
    """Why the person wants no nurture at all, or None: they unsubscribed, and have not agreed to mail again since."""
    left = departed(standing_of(lead), EMAIL, own_addresses(lead, policy.region)[EMAIL])
    return _REFUSALS[left["reason"]] if left else None


def ended(lead: Document, policy: Policy) -> str | None:
    """Why nurture is over for the lead, or None."""
    return _OVER.get(lead["status"]) or departure(lead, policy)


def why_not(action: str, lead: Document, policy: Policy) -> str | None:
    """Why a step with this action, though it is scheduled, will not go to the lead as it is; None: it may."""
    return ended(lead, policy) or hindrance(action, lead, policy)


def _refusal(held: Effect, channel: str) -> str:
    return _REFUSALS.get(held.reason or "") or _NOES[channel]


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
