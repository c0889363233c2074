"""Consent (schemas/README.md#consent): every statement is kept; the newest applies."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

LEAVES = ("unsubscribed", "complained")
CHANNELS = ("email", "phone")


@dataclass(frozen=True, slots=True)
class Statement:
    """A yes or no; `whose` is an address or a phone (None: any of the person's)."""

    channel: str
    whose: str | None
    given: bool
    at: datetime
    why: str = "stated"
    lifts: bool = True


def holding(statements: Iterable[Statement], channel: str, whose: str | None) -> Statement | None:
    """Return the statement that applies to a channel and an address."""
    known = [one for one in statements if one.channel == channel]
    bounces = [one for one in known if one.why == "bounced" and one.whose is not None and one.whose == whose]
    if bounces:
        return max(bounces, key=lambda one: one.at)
    about = [one for one in known if one.why in LEAVES or (one.why == "stated" and one.whose in (whose, None))]
    noes = [one for one in about if not one.given]
    yeses = [one for one in about if one.given and (one.lifts or not noes)]
    strong = [one for one in yeses if one.lifts]
    return max(noes + (strong or yeses), key=lambda one: (one.at, not one.given, one.why in LEAVES), default=None)


def shown(statements: Sequence[Statement], own: Mapping[str, str | None]) -> dict[str, Any]:
    """Return the consent that a lead with these own addresses shows."""
    held = {channel: holding(statements, channel, own[channel]) for channel in CHANNELS}
    consent: dict[str, Any] = {channel: one.given for channel, one in held.items() if one}
    moments = [one.at for one in held.values() if one]
    return consent | ({"capturedAt": max(moments).isoformat()} if moments else {})


def refusals(statements: Sequence[Statement], channel: str, whose: str) -> list[Statement]:
    """Return what survives an erasure: the valid refusals of an address."""
    one = holding(statements, channel, whose)
    if one is None or one.given:
        return []
    rest = [other for other in statements if other.why != "bounced"]
    second = holding([other for other in rest if not other.given], channel, whose) if one.why == "bounced" else None
    kept = [(each.at, each.why) for each in (one, second, departure(statements, channel, whose)) if each]
    return [Statement(channel, whose, False, at, why) for at, why in dict.fromkeys(kept)]


def departure(statements: Iterable[Statement], channel: str, whose: str | None) -> Statement | None:
    """Return the word by which the person unsubscribed; only a later yes lifts it."""
    known = [one for one in statements if one.channel == channel]
    yeses = [one.at for one in known if one.given and one.lifts and one.whose in (whose, None)]
    left = [one for one in known if one.why in LEAVES and not any(at > one.at for at in yeses)]
    return max(left, key=lambda one: one.at, default=None)


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the change of the shown consent, as in `leads.updated`."""
    return {
        f"consent.{channel}": ({"from": before[channel]} if channel in before else {}) | {"to": after.get(channel)}
        for channel in CHANNELS
        if before.get(channel) != after.get(channel)
    }
