"""Consent: a person's statements and their effect (schemas/README.md#consent).

A lead keeps registers in its field `standing`: the newest statement per channel, kind and address. Folding statements
into registers is commutative, associative and idempotent: neither order nor redelivery changes the result. The rows of
captures and the activities keep the statements themselves.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.identity.normal_forms import email_key, phone_key
from shared.domain.stored.lead_document import (
    ConsentPart,
    ConsentRegister,
    ConsentShift,
    ContactPart,
    KeptRefusal,
    LeadChanges,
    LeadDocument,
)

EMAIL, PHONE = "email", "phone"
CHANNELS = (EMAIL, PHONE)
STATED, UNSUBSCRIBED, COMPLAINED, BOUNCED = "stated", "unsubscribed", "complained", "bounced"
REFUSALS = (UNSUBSCRIBED, COMPLAINED, BOUNCED)
"""The actions of an engagement that are a no to mail."""
LEAVES = (UNSUBSCRIBED, COMPLAINED)
"""The reasons that stop mail to all addresses of the person, and nurture."""

ANY_ADDRESS = ""
"""Means every address of the person."""

ADDRESSES_MAX = 20
"""Most addresses per channel and kind beside the lead's own. A no beyond counts for all."""

_YES, _UNDATED, _NO, _LEFT = "yes", "undated", "no", "left"
"""Kinds of registers. Leaving sets `_NO` and `_LEFT`; a plain no replaces only `_NO`."""

Register = ConsentRegister
Addresses = Mapping[str, str | None]
"""A lead's own addresses in normal form, by channel."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A yes or no to one channel at one address (None: all addresses of the person).

    An undated yes, as of a scan without a consent date, never lifts a no. `cause` is the key of the statement's event.
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
    """The consent for one channel and address. `given` is None without a statement."""

    given: bool | None = None
    reason: str | None = None
    at: datetime | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class Restated:
    """The result of statements: the fields to `set` on the lead, and the changes by channel.

    Stored names have no dots, which some databases refuse. `paths` returns the form of `leads.updated`.
    """

    set: LeadChanges
    changed: dict[str, ConsentShift]


def fold(registers: Iterable[Register], statements: Iterable[Statement], own: Addresses) -> list[Register]:
    """Return the registers after these statements. Keeps all of the lead's `own` addresses."""
    found: dict[tuple[str, str, str], Register] = {}
    for one in [*registers, *(register for statement in statements for register in _registers(statement))]:
        _join(found, one)
        if one["reason"] in LEAVES:
            _join(found, {**one, "kind": _LEFT, "address": ANY_ADDRESS})
    if len(found) > ADDRESSES_MAX:
        for channel in CHANNELS:
            for kind in (_YES, _UNDATED, _NO, BOUNCED):
                _bound(found, channel, kind, {ANY_ADDRESS, own.get(channel)})
    return [found[key] for key in sorted(found)]


def _registers(statement: Statement) -> list[Register]:
    register: Register = {
        "channel": statement.channel,
        "at": statement.at,
        "reason": statement.reason,
        "source": statement.source,
        "cause": statement.cause,
        "kind": BOUNCED,
        "address": statement.address or ANY_ADDRESS,
    }
    if statement.reason == BOUNCED:
        # A bounce is about one address; without an address it has no effect.
        return [register] if statement.address else []
    kind = _NO if not statement.given else _YES if statement.dated else _UNDATED
    addresses = [statement.address or ANY_ADDRESS]
    if statement.reason in LEAVES and statement.address:
        # A person who unsubscribes wants no mail at any address.
        addresses.append(ANY_ADDRESS)
    return [{**register, "kind": kind, "address": address} for address in addresses]


def _join(found: dict[tuple[str, str, str], Register], one: Register) -> None:
    key = (one["channel"], one["kind"], one["address"])
    if key not in found or _age(found[key]) < _age(one):
        found[key] = one


def _age(register: Register) -> tuple[datetime, bool, str, str, str]:
    # Of two statements at one time, leaving is newer than a plain no.
    return register["at"], register["reason"] != STATED, register["cause"], register["reason"], register["source"]


def _bound(found: dict[tuple[str, str, str], Register], channel: str, kind: str, kept: set[str | None]) -> None:
    """Keep the first addresses by name. A dropped no counts for all addresses."""
    others = sorted(key for key in found if key[:2] == (channel, kind) and key[2] not in kept)
    for key in others[ADDRESSES_MAX:]:
        gone = found.pop(key)
        if kind in (_NO, BOUNCED):
            _join(found, {**gone, "address": ANY_ADDRESS})


def effect(registers: Iterable[Register], channel: str, address: str | None) -> Effect:
    """Return the consent for this channel and address (None: the person has no address)."""
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
    """Return the newest register by which the person left, or None. Only a later yes lifts it.

    Older releases kept only the no of such a statement.
    """
    about = [one for one in registers if one["channel"] == channel]
    left = max((one for one in about if one["reason"] in LEAVES), key=_age, default=None)
    yeses = [one["at"] for one in about if one["kind"] == _YES and one["address"] in (ANY_ADDRESS, address)]
    return None if left and any(at > left["at"] for at in yeses) else left


def refusals_at(registers: Iterable[Register], channel: str, address: str) -> list[KeptRefusal]:
    """Return the refusals to keep after an erasure: time and reason of each at this address."""
    about = [one for one in registers if one["channel"] == channel and one["address"] in (ANY_ADDRESS, address)]
    if effect(about, channel, address).given is not False:
        return []
    noes = {one["kind"]: one for one in sorted(about, key=_age) if one["kind"] in (_NO, BOUNCED)}
    kept: list[KeptRefusal] = [{"at": one["at"], "reason": one["reason"]} for one in noes.values()]
    left = departed(about, channel, address)
    departure: KeptRefusal | None = {"at": left["at"], "reason": left["reason"]} if left else None
    return [*kept, departure] if departure and departure not in kept else kept


def own_addresses(lead: LeadDocument, region: str) -> Addresses:
    """Return the lead's addresses in normal form, by channel."""
    contact: ContactPart = lead.get("contact") or {}
    return {EMAIL: email_key(contact.get("email")), PHONE: phone_key(contact.get("phone"), region)}


def standing_of(lead: LeadDocument) -> Sequence[Register]:
    """Return the lead's registers; of an older release's lead, from consent and refusals."""
    if "standing" in lead:
        return [_today(one) for one in lead["standing"]]
    return fold((), [*_old_statements(lead), *_old_refusals(lead)], {})


def _today(register: Register) -> Register:
    """Return the register with its address in today's normal form."""
    address = register["address"]
    today = email_key(address) if register["channel"] == EMAIL else address
    return register if today in (address, None) else {**register, "address": today}


def has_refused(lead: LeadDocument) -> bool:
    """Return whether the lead has any no, to any channel, at any address."""
    return any(one["kind"] in (_NO, BOUNCED) for one in standing_of(lead))


def _old_statements(lead: LeadDocument) -> Iterable[Statement]:
    consent: ConsentPart = lead.get("consent") or {}
    changed = lead.get("consentChange")
    # A refusal overwrote the statement about mail; `consentChange` kept it.
    stated = {EMAIL: changed.get("from") if changed else consent.get("email"), PHONE: consent.get("phone")}
    at, dated = consent.get("capturedAt") or lead.get("createdAt"), consent.get("capturedAt") is not None
    for channel, given in stated.items():
        if given is not None and at is not None:
            yield Statement(channel, None, given=given, at=at, source="", cause="", dated=dated)


def _old_refusals(lead: LeadDocument) -> Iterable[Statement]:
    for one in lead.get("refusals") or ():
        at, source, cause = one.get("at") or lead["createdAt"], one.get("source", ""), one.get("cause", "")
        yield Statement(EMAIL, one["address"], given=False, at=at, source=source, cause=cause, reason=one["reason"])


def restate(lead: LeadDocument, statements: Iterable[Statement], region: str) -> Restated:
    """Return the lead's consent after these statements, or, without any, after a new address."""
    own = own_addresses(lead, region)
    standing = fold(standing_of(lead), statements, own)
    consent = _consent(standing, own)
    held: ConsentPart = lead.get("consent") or {}
    changed: dict[str, ConsentShift] = {
        channel: {"from": channel_of(held, channel), "to": channel_of(consent, channel)}
        for channel in CHANNELS
        if channel_of(held, channel) != channel_of(consent, channel)
    }
    current = {name: value for name, value in held.items() if value is not None}
    sets: LeadChanges = {} if standing == list(lead.get("standing") or ()) else {"standing": standing}
    if consent != current:
        sets["consent"] = consent
    return Restated(sets, changed)


def channel_of(consent: ConsentPart, channel: str) -> bool | None:
    """Return a lead's consent for this channel; None if nothing was stated."""
    return consent.get("phone") if channel == PHONE else consent.get("email")


def paths(changed: Mapping[str, ConsentShift]) -> dict[str, ConsentShift]:
    """Return changes of consent by the paths of `leads.updated`."""
    return {f"consent.{channel}": change for channel, change in changed.items()}


def _consent(standing: Iterable[Register], own: Addresses) -> ConsentPart:
    """Return the `consent` of a lead: the effect at its own addresses, and its time."""
    held = {channel: effect(standing, channel, own[channel]) for channel in CHANNELS}
    moments = [one.at for one in held.values() if one.at is not None]
    shown: ConsentPart = {}
    if (mail := held[EMAIL].given) is not None:
        shown["email"] = mail
    if (calls := held[PHONE].given) is not None:
        shown["phone"] = calls
    if moments:
        shown["capturedAt"] = max(moments)
    return shown


def holding(lead: LeadDocument, channel: str, region: str) -> Effect:
    """Return the consent for this channel at the lead's own address."""
    return effect(standing_of(lead), channel, own_addresses(lead, region)[channel])
