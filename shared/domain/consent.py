"""Consent: what a person stated about a channel and an address, and what may be sent by it (contract 3, Consent).

A lead keeps registers, its `standing`: per channel, kind and address the newest statement of that kind. Folding
statements into registers is commutative, associative and idempotent, so neither order nor redelivery changes a result.
The statements themselves stay with what made them: the captures' rows and the activities.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.domain.identity import email_key, phone_key

EMAIL, PHONE = "email", "phone"
CHANNELS = (EMAIL, PHONE)
STATED, UNSUBSCRIBED, COMPLAINED, BOUNCED = "stated", "unsubscribed", "complained", "bounced"
REFUSALS = (UNSUBSCRIBED, COMPLAINED, BOUNCED)
"""Actions of an engagement that are a no to mail."""
LEAVES = (UNSUBSCRIBED, COMPLAINED)
"""Reasons by which a person wants no mail at any address, and no nurture either."""

ANY_ADDRESS = ""
"""Stands for every address of the person."""

ADDRESSES_MAX = 20
"""Addresses per channel and kind that a lead keeps besides its own; a no beyond them counts for every address."""

_YES, _UNDATED, _NO, _LEFT = "yes", "undated", "no", "left"
"""Kinds of registers. Who leaves says a no; that they left is kept besides, as a newer plain no replaces that one."""

Register = Mapping[str, Any]
Document = Mapping[str, Any]
Addresses = Mapping[str, str | None]
"""A lead's own normalised address by channel."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A yes or a no to one channel at one address (None: at every address of the person), made `at` its own time.

    An undated yes, as of a scan without a consent date, never lifts a no. `cause` is the key of the event that said it.
    """

    channel: str
    address: str | None
    given: bool
    at: datetime
    source: str
    cause: str
    reason: str = STATED
    dated: bool = True


@dataclass(frozen=True, slots=True)
class Effect:
    """What holds for one channel and address: `given` is None where nothing was stated."""

    given: bool | None = None
    reason: str | None = None
    at: datetime | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Restated:
    """What statements make of a lead: what to `set` on it, and which consent `changed`, by channel.

    Stored names have no dots, which some databases don't take: `paths` gives the form of `leads.updated`.
    """

    set: dict[str, Any]
    changed: dict[str, dict[str, bool | None]]


def fold(registers: Iterable[Register], statements: Iterable[Statement], own: Addresses) -> list[dict[str, Any]]:
    """The registers after these statements; `own` addresses of the lead are never given up."""
    found: dict[tuple[str, str, str], dict[str, Any]] = {}
    for one in [*registers, *(register for statement in statements for register in _registers(statement))]:
        _join(found, dict(one))
        if one["reason"] in LEAVES:
            _join(found, {**one, "kind": _LEFT, "address": ANY_ADDRESS})
    if len(found) > ADDRESSES_MAX:
        for channel in CHANNELS:
            for kind in (_YES, _UNDATED, _NO, BOUNCED):
                _bound(found, channel, kind, {ANY_ADDRESS, own.get(channel)})
    return [found[key] for key in sorted(found)]


def _registers(said: Statement) -> list[dict[str, Any]]:
    register = {
        "channel": said.channel,
        "at": said.at,
        "reason": said.reason,
        "source": said.source,
        "cause": said.cause,
    }
    if said.reason == BOUNCED:
        # A bounce is about one address; without one it says nothing.
        return [{**register, "kind": BOUNCED, "address": said.address}] if said.address else []
    kind = _NO if not said.given else _YES if said.dated else _UNDATED
    addresses = [said.address or ANY_ADDRESS]
    if said.reason in LEAVES and said.address:
        # A person who unsubscribes wants no mail at any address.
        addresses.append(ANY_ADDRESS)
    return [{**register, "kind": kind, "address": address} for address in addresses]


def _join(found: dict[tuple[str, str, str], dict[str, Any]], one: dict[str, Any]) -> None:
    key = (one["channel"], one["kind"], one["address"])
    if key not in found or _age(found[key]) < _age(one):
        found[key] = one


def _age(register: Register) -> tuple[Any, ...]:
    # At one time a person who leaves outweighs a plain no.
    return register["at"], register["reason"] != STATED, register["cause"], register["reason"], register["source"]


def _bound(found: dict[tuple[str, str, str], dict[str, Any]], channel: str, kind: str, kept: set[str | None]) -> None:
    """Keep the least addresses by name: so order decides nothing. A no that goes counts for every address."""
    others = sorted(key for key in found if key[:2] == (channel, kind) and key[2] not in kept)
    for key in others[ADDRESSES_MAX:]:
        gone = found.pop(key)
        if kind in (_NO, BOUNCED):
            _join(found, {**gone, "address": ANY_ADDRESS})


def effect(registers: Iterable[Register], channel: str, address: str | None) -> Effect:
    """What holds for this channel and address (None: the person has no such address)."""
    newest: dict[str, Register] = {}
    for one in registers:
        if one["channel"] == channel and one["address"] in (ANY_ADDRESS, address):
            newest[one["kind"]] = max(newest.get(one["kind"], one), one, key=_age)
    yes, no = newest.get(_YES), newest.get(_NO)
    if bounced := newest.get(BOUNCED):
        return _effect(bounced, given=False)
    if yes and (no is None or yes["at"] > no["at"]):
        return _effect(yes, given=True)
    if no:
        return _effect(no, given=False)
    return _effect(newest[_UNDATED], given=True) if _UNDATED in newest else Effect()


def _effect(register: Register, *, given: bool) -> Effect:
    return Effect(given, register["reason"], register["at"], register["source"])


def departed(registers: Iterable[Register], channel: str, address: str | None) -> Register | None:
    """The newest word by which the person left, or None; only a later yes lifts it, whatever else was said since.

    Registers of an earlier edition keep it as a no alone.
    """
    about = [one for one in registers if one["channel"] == channel]
    left = max((one for one in about if one["reason"] in LEAVES), key=_age, default=None)
    yeses = [one["at"] for one in about if one["kind"] == _YES and one["address"] in (ANY_ADDRESS, address)]
    return None if left and any(at > left["at"] for at in yeses) else left


def refusals_at(registers: Iterable[Register], channel: str, address: str) -> list[dict[str, Any]]:
    """What must outlive the person's data: each no that holds at this address, by its time and reason."""
    about = [one for one in registers if one["channel"] == channel and one["address"] in (ANY_ADDRESS, address)]
    if effect(about, channel, address).given is not False:
        return []
    noes = {one["kind"]: one for one in sorted(about, key=_age) if one["kind"] in (_NO, BOUNCED)}
    kept = [{"at": one["at"], "reason": one["reason"]} for one in noes.values()]
    left = departed(about, channel, address)
    word = {"at": left["at"], "reason": left["reason"]} if left else None
    return [*kept, word] if word and word not in kept else kept


def own_addresses(lead: Document, region: str) -> Addresses:
    """The lead's addresses in normal form, by channel."""
    contact = lead.get("contact") or {}
    return {EMAIL: email_key(contact.get("email")), PHONE: phone_key(contact.get("phone"), region)}


def standing_of(lead: Document) -> Sequence[Register]:
    """The lead's registers; of a lead stored before there were any, those that its consent and refusals amount to."""
    if "standing" in lead:
        return list(lead["standing"])
    return fold((), [*_old_statements(lead), *_old_refusals(lead)], {})


def has_refused(lead: Document) -> bool:
    """Whether any no to anything, at any address, is kept of the lead."""
    return any(one["kind"] in (_NO, BOUNCED) for one in standing_of(lead))


def _old_statements(lead: Document) -> Iterable[Statement]:
    consent, changed = lead.get("consent") or {}, lead.get("consentChange")
    # A refusal overwrote what had been stated about mail; its change kept that.
    stated = {EMAIL: changed.get("from") if changed else consent.get(EMAIL), PHONE: consent.get(PHONE)}
    at, dated = consent.get("capturedAt") or lead.get("createdAt"), consent.get("capturedAt") is not None
    for channel, given in stated.items():
        if given is not None and at is not None:
            yield Statement(channel, None, given=given, at=at, source="", cause="", dated=dated)


def _old_refusals(lead: Document) -> Iterable[Statement]:
    for one in lead.get("refusals") or ():
        at, source, cause = one.get("at") or lead["createdAt"], one.get("source", ""), one.get("cause", "")
        yield Statement(EMAIL, one["address"], given=False, at=at, source=source, cause=cause, reason=one["reason"])


def restate(lead: Document, statements: Iterable[Statement], region: str) -> Restated:
    """What the lead is to be after these statements; also what a new address of it means for those made before."""
    own = own_addresses(lead, region)
    standing = fold(standing_of(lead), statements, own)
    consent = _consent(standing, own)
    held = lead.get("consent") or {}
    changed = {
        channel: {"from": held.get(channel), "to": consent.get(channel)}
        for channel in CHANNELS
        if held.get(channel) != consent.get(channel)
    }
    told = {name: value for name, value in held.items() if value is not None}
    sets: dict[str, Any] = {} if standing == list(lead.get("standing") or ()) else {"standing": standing}
    return Restated(sets | ({} if consent == told else {"consent": consent}), changed)


def paths(changed: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of consent by channel as `leads.updated` says them, by path."""
    return {f"consent.{channel}": change for channel, change in changed.items()}


def _consent(standing: Iterable[Register], own: Addresses) -> dict[str, Any]:
    """The consent that a lead shows: what holds for its own addresses, and since when."""
    held = {channel: effect(standing, channel, own[channel]) for channel in CHANNELS}
    moments = [one.at for one in held.values() if one.at is not None]
    shown: dict[str, Any] = {channel: one.given for channel, one in held.items() if one.given is not None}
    return shown | ({"capturedAt": max(moments)} if moments else {})


def holding(lead: Document, channel: str, region: str) -> Effect:
    """What holds for this channel at the lead's own address."""
    return effect(standing_of(lead), channel, own_addresses(lead, region)[channel])
