"""Claims in the form of an earlier release: their current form, and leads that share it.

The name of an e-mail's claim shows its form. A claim of phone + company + name is a hash: only the texts of its leads
and of their captures show its meaning. An older name can be the current name of other texts: an earlier release stored
"Fork & Spoon" as this one stores "Fork Spoon". So a lead leaves a claim only if none of its texts has that name now.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared.domain.identity.identity_rules import SHARED_MAX
from shared.domain.identity.normal_forms import email_key, identity_of
from shared.domain.identity.older_forms import older_claims
from shared.domain.identity.placeholders import Placeholders
from shared.domain.lead_changes import with_changes
from shared.domain.stored.identity_documents import CaptureRow
from shared.domain.stored.lead_document import LeadDocument

PERSON = "pcn:"
OF_A_PERSON = frozenset({"company.name", "contact.firstName", "contact.lastName", "contact.phone"})
"""Paths of a lead that a claim of phone + company + name is made of."""
_NONE: Mapping[str, str] = {}


def current_email_claim(name: str, placeholders: Placeholders) -> str | None:
    """Return the current name of an e-mail's claim.

    None if it has that name already, or is a placeholder's.
    """
    kind, _, form = name.partition(":")
    today = email_key(form) if kind == "email" else None
    if today is None or today == form or placeholders.identifies_nobody(email=today):
        return None
    return f"email:{today}"


def differs_in_person(row: CaptureRow) -> bool:
    """Return whether this capture's phone, company or name differs from its lead's."""
    return any(one["path"] in OF_A_PERSON for one in row.get("differed") or ())


def identifying_texts(lead: LeadDocument, row: CaptureRow) -> LeadDocument:
    """Return a lead with a capture's identifying texts: its own, with the differences that the row has."""
    differed = {one["path"]: one["value"] for one in row.get("differed") or () if one["path"] in OF_A_PERSON}
    return with_changes(lead, differed)


def person_claims(texts: LeadDocument, region: str, placeholders: Placeholders) -> tuple[str | None, Mapping[str, str]]:
    """Return the claim of this phone + company + name, and its older names with that claim."""
    identity = replace(identity_of(texts, region), email=None)
    if identity.person_claim is None or placeholders.identifies_nobody(phone=identity.phone, region=region):
        return None, _NONE
    return identity.person_claim, older_claims(identity, texts, region)


@dataclass(slots=True)
class KnownClaims:
    """What a lead's texts say of its claims of phone + company + name.

    `older` has older names, each with its current ones. `own` has the names that the lead keeps: current names, and
    those that no text explains. `in_rows` has the names in its captures' rows.
    """

    lead: LeadDocument
    region: str
    placeholders: Placeholders
    older: dict[str, set[str]] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)
    in_rows: set[str] = field(default_factory=set)
    _shown: tuple[str | None, Mapping[str, str]] = field(init=False)

    def __post_init__(self) -> None:
        self._shown = person_claims(self.lead, self.region, self.placeholders)
        self._learn(*self._shown)

    def see(self, row: CaptureRow) -> set[str]:
        """Add a capture's row; return current names that it lacks and an erasure must find."""
        spelling = identifying_texts(self.lead, row)
        today, older = (
            person_claims(spelling, self.region, self.placeholders) if differs_in_person(row) else self._shown
        )
        self._learn(today, older)
        shown, known = self._shown[1], {claim for claim in row.get("claims") or () if claim.startswith(PERSON)}
        lacking = {name for form, name in {**shown, **older}.items() if form in known or form in older} - known
        self.own |= known - {*shown, *older}
        self.in_rows |= known | lacking
        return lacking

    def _learn(self, today: str | None, older: Mapping[str, str]) -> None:
        self.own |= {today} if today else set()
        for form, name in older.items():
            self.older.setdefault(form, set()).add(name)


@dataclass(frozen=True, slots=True)
class OlderClaim:
    """A stored claim: its leads (`holders`), and the current names for its older forms.

    `stays` has the leads that keep the claim too.
    """

    name: str
    holders: Sequence[str]
    today: Mapping[str, Collection[str]]
    stays: Collection[str] = ()


def older_person_claim(name: str, holders: Sequence[str], known: Mapping[str, KnownClaims]) -> OlderClaim:
    """Return what the texts of its leads say of a claim of phone + company + name.

    It counts only names that a capture's row has: an erasure would not find others.
    """
    its = {one: known[one] for one in holders if one in known}
    today = {one: sorted(it.older[name] & it.in_rows) for one, it in its.items() if name in it.older}
    return OlderClaim(name, holders, today, {one for one, it in its.items() if name in it.own})


@dataclass(slots=True)
class Rewriting:
    """What to write for some claims, in this order: `pairs`, `joins`, `releases`.

    `pairs` are leads that share claims after it, with those claims. `kept` are the claims that stay as they are.
    `unpublished` are the pairs that need a broker.
    """

    pairs: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    joins: dict[str, list[str]] = field(default_factory=dict)
    releases: list[tuple[str, str]] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    unpublished: set[tuple[str, str]] = field(default_factory=set)


def plan_rewriting(
    found: Iterable[OlderClaim],
    targets: Mapping[str, Sequence[str]],
    stored: Collection[str],
    *,
    can_publish: bool,
    silent: Collection[str] = (),
) -> Rewriting:
    """Plan the rewriting of these claims.

    `targets` are the leads of the current claims. `stored` are the leads that exist: a lead that a capture has reserved
    and not stored yet stays. `silent` claims identify no person, so leads that share them are no pairs.
    """
    result, held = Rewriting(), {name: list(holders) for name, holders in targets.items()}
    for one in found:
        _plan_claim(one, held, stored, result, can_publish=can_publish, silent=silent)
    return result


def _plan_claim(  # noqa: PLR0913 - the parts of one decision
    one: OlderClaim,
    held: dict[str, list[str]],
    stored: Collection[str],
    result: Rewriting,
    *,
    can_publish: bool,
    silent: Collection[str],
) -> None:
    movers = [lead for lead in one.holders if lead in stored and one.today.get(lead)]
    joins: dict[str, list[str]] = {}
    for lead in movers:
        for name in one.today[lead]:
            if lead not in held.setdefault(name, []):
                joins.setdefault(name, []).append(lead)
    pairs = _pairs(one, joins, held, silent)
    releases = [(one.name, lead) for lead in movers if lead not in one.stays]
    if not (joins or releases):
        result.kept += [one.name] if len(movers) < len(one.today) else []
        return
    if not _fits(joins, held) or not all(lead in stored for pair in pairs for lead in pair):
        result.kept.append(one.name)
        return
    if pairs and not can_publish:
        # Until the pair is published, only the older claim shows it.
        result.kept.append(one.name)
        result.unpublished |= pairs.keys()
        return
    for name, leads in joins.items():
        held[name] += leads
        result.joins.setdefault(name, []).extend(leads)
    for pair, names in pairs.items():
        result.pairs.setdefault(pair, []).extend(names)
    result.releases += releases
    result.rewritten.append(one.name)
    result.kept += [one.name] if len(movers) < len(one.today) else []


def _pairs(
    one: OlderClaim, joins: Mapping[str, Sequence[str]], held: Mapping[str, Sequence[str]], silent: Collection[str]
) -> dict[tuple[str, str], list[str]]:
    """Return the new pairs: leads that shared the older claim were pairs before."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for name, leads in joins.items():
        others = [other for other in held[name] if other not in one.holders and name not in silent]
        for lead in leads:
            for other in others:
                pairs.setdefault((min(lead, other), max(lead, other)), []).append(name)
    return pairs


def _fits(joins: Mapping[str, Sequence[str]], held: Mapping[str, Sequence[str]]) -> bool:
    shared = (name for name in joins if name.startswith(PERSON))
    return all(len(held[name]) + len(joins[name]) <= SHARED_MAX for name in shared)
