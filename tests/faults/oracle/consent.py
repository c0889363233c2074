"""The law of consent: the newest statement about the lead's address holds.

The newest is so by the time that its event states.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from tests.faults.oracle import normal
from tests.faults.oracle.world import CAPTURED, ENGAGEMENTS, Event, World, grouped

_LEAVES = ("unsubscribed", "complained")
_UNDATED = ("/scanners/", "/imports/")
Said = tuple[datetime, bool, bool]
"""When, yes or no, and whether a yes can lift a no."""


def mail(world: World) -> Iterator[str]:
    """A lead's consent to mail is the last statement about its address.

    A bounce is never lifted.
    """
    engagements = grouped((world.lead_named(one), one) for one in world.accepted[ENGAGEMENTS].values())
    # An erasure leaves refusals of its addresses, and makes void what was said before it.
    buried = {_address(one) for lead in world.erased for one in world.captures_of.get(lead, ())}
    for lead_id, captures in world.captures_of.items():
        lead = world.living.get(lead_id)
        own = normal.email(((lead or {}).get("contact") or {}).get("email"))
        if lead is None or not buried.isdisjoint({own, *map(_address, captures)}):
            continue
        acts = [one for one in engagements.get(lead_id, ()) if one.name not in world.given_up]
        wanted, held = _expected(captures, acts, own), (lead.get("consent") or {}).get("email")
        if wanted != held:
            yield f"lead {lead_id}: its consent to mail is {held}, and should be {wanted}"


def _expected(captures: Iterable[Event], acts: Iterable[Event], own: str | None) -> bool | None:
    actions = [(str(one.data["action"]).casefold(), one) for one in acts]
    if any(action == "bounced" and _address(one) in (own, None) and own for action, one in actions):
        return False
    left = ((one.time, False, False) for action, one in actions if action in _LEAVES and one.time)
    said = [*_stated(captures, own), *left]
    noes = [at for at, given, _ in said if not given]
    yeses = [at for at, given, lifts in said if given and (lifts or not noes)]
    if not noes and not yeses:
        return None
    return not noes or (bool(yeses) and max(yeses) > max(noes))


def _stated(captures: Iterable[Event], own: str | None) -> Iterator[Said]:
    for one in captures:
        consent: dict[str, Any] = one.data.get("consent") or {}
        if consent.get("email") is None or _address(one) not in (own, None):
            continue
        dated = normal.moment(consent.get("capturedAt"))
        undated = consent.get("dated") is False or (dated is None and one.source.startswith(_UNDATED))
        if at := dated or one.time:
            yield at, bool(consent["email"]), not undated


def _address(event: Event) -> str | None:
    """Return the address that an event is about; None for the lead's current one."""
    named = event.data.get("contact") or {} if event.record.topic == CAPTURED else event.data
    return normal.email(named.get("email"))
