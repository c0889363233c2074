"""Rewriting claims of earlier releases into the current form, while the workers run.

A run writes a batch of claims in this order:

1. It adds the current names to the rows of the leads' captures. An erasure finds a lead's names there.
2. It publishes the pairs of leads that share a current claim, and waits until Kafka acknowledges them.
3. It adds the leads to the current claims. `moved` lists the leads that it added.
4. It releases the claims in the older form.
5. It releases leads that were erased meanwhile from the current claims, and removes `moved`.

Crash after 1 → rows have a further name of their captures → the next run reads everything again.
Crash after 2 → the pairs are published, the older claims exist → the next run publishes them under the same ids.
Crash after 3 or within it → leads are under both names → the next run adds the others, and goes on with 4.
Crash after 4 → the current claims have `moved` → the next run finds it, and does 5.

An erasure deletes the lead, then releases the names that it knows, then looks for new ones in the captures' rows. If
it deletes the lead before step 5 reads, step 5 releases the lead. If it deletes the lead later, it reads the rows
after step 1 wrote them, and releases the current names itself.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from services.capture.domain import claim_forms
from services.capture.domain.claim_forms import PERSON, KnownClaims, OlderClaim, Rewriting, older_person_claim
from shared.clock import Clock
from shared.domain.identity.identity_rules import IdentityRules
from shared.domain.identity.older_forms import OTHER_EMAIL, OTHER_NAME, OTHER_PHONE
from shared.domain.identity.suspicion import suspicion
from shared.domain.stored.identity_documents import IdentityClaim
from shared.domain.stored.lead_document import LeadDocument
from shared.domain.stored.untyped import Document
from shared.kafka.events import Outgoing
from shared.leads.erasure_markers import release
from shared.leads.suspicions import suspected
from shared.mongo.names import CAPTURES, IDENTITIES, LEADS
from shared.mongo.retries import retry_on_conflict
from shared.mongo.storage import Change, Storage

PAGE = 500
SOURCE = "/commands/indexes"
_NAMED = ("company.name", "contact")
_TEXTS = (*_NAMED, "createdAt")
_MAY_BE_OLDER = {"$or": [{"moved": {"$exists": True}}, {"_id": {"$regex": f"^email:.*({OTHER_EMAIL})"}}]}
_MAY_DIFFER = {
    "$or": [
        {"contact.phone": {"$regex": OTHER_PHONE}},
        *({path: {"$regex": OTHER_NAME}} for path in ("company.name", "contact.firstName", "contact.lastName")),
    ]
}
_UNLIKE_LEAD = {"differed.path": {"$in": sorted(claim_forms.OF_A_PERSON)}}
_NOT_ERASED = {"erased": {"$ne": True}}

Publish = Callable[[Sequence[Outgoing]], Awaitable[bool]]
"""Returns True once Kafka acknowledges the records; False without a broker."""


@dataclass(slots=True)
class RewritingResult:
    """The result of a run: claims and pairs by state.

    `kept` are the claims that stay in their form.
    """

    rewritten: int = 0
    pairs: set[tuple[str, str]] = field(default_factory=set)
    unpublished: set[tuple[str, str]] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Rewriter:
    """Rewrites the claims of one database; `publish` is None without a broker."""

    storage: Storage
    region: str
    rules: IdentityRules
    clock: Clock
    publish: Publish | None
    page: int = PAGE
    done: RewritingResult = field(default_factory=RewritingResult)

    async def run(self) -> RewritingResult:
        """Rewrite each claim that can be; a second run, or two at once, change nothing more."""
        async for names in self._older_emails():
            await self._rewrite(names)
        async for names in self._older_persons():
            await self._rewrite(names)
        return self.done

    async def _older_emails(self) -> AsyncIterator[list[str]]:
        async for page in self.storage.scan(IDENTITIES, _MAY_BE_OLDER, fields=("moved",), page=self.page):
            await self._finish([row["_id"] for row in page if "moved" in row])
            names = [row["_id"] for row in page if self._email_today(row["_id"])]
            yield names

    def _email_today(self, name: str) -> str | None:
        return claim_forms.current_email_claim(name, self.rules.placeholders)

    async def _older_persons(self) -> AsyncIterator[list[str]]:
        """Yield names of claims that leads may have in an older form, by page.

        Most leads have none.
        """
        async for page in self.storage.scan(LEADS, _MAY_DIFFER, fields=_NAMED, page=self.page):
            yield self._older_in(page)
        async for rows in self.storage.scan(CAPTURES, _UNLIKE_LEAD, fields=("leadId", "differed"), page=self.page):
            leads = await self.storage.read(LEADS, {row["leadId"] for row in rows}, fields=_NAMED)
            yield self._older_in(
                claim_forms.identifying_texts(leads[row["leadId"]], row) for row in rows if row["leadId"] in leads
            )

    def _older_in(self, texts: Iterable[LeadDocument]) -> list[str]:
        found = (claim_forms.person_claims(one, self.region, self.rules.placeholders)[1] for one in texts)
        return list(dict.fromkeys(name for older in found for name in older if name not in self.done.kept))

    async def _rewrite(self, names: Sequence[str]) -> None:
        if not names:
            return
        async for _ in retry_on_conflict():
            plan, targets, leads = await self._plan(names)
            if not await self._publish(plan.pairs, leads):
                self.publish = None
                continue
            if await self._write(plan, targets):
                break
        self.done.rewritten += len(plan.rewritten)
        self.done.unpublished |= plan.unpublished
        self.done.kept.update(plan.kept)

    async def _plan(
        self, names: Sequence[str]
    ) -> tuple[Rewriting, Mapping[str, IdentityClaim], Mapping[str, LeadDocument]]:
        """Return the plan for these claims, the stored current claims, and the leads of both."""
        stored = await self.storage.read(IDENTITIES, names, fields=("leadIds", "former"))
        # A claim that an edit has freed keeps its form: it leads events to the lead, and captures to no lead.
        rows = {name: row for name, row in stored.items() if not row.get("former")}
        known = await self._known(
            {one for name, row in rows.items() if name.startswith(PERSON) for one in row["leadIds"]}
        )
        found = [self._older(name, rows[name]["leadIds"], known) for name in names if name in rows]
        today = {name for one in found for those in one.today.values() for name in those}
        targets = await self.storage.read(IDENTITIES, today)
        holders = {lead for row in (*rows.values(), *targets.values()) for lead in row["leadIds"]}
        # Read the leads after `_known` has added names to the rows: an erasure that comes later finds them there.
        leads = await self.storage.read(LEADS, holders, fields=_TEXTS)
        held = {name: row["leadIds"] for name, row in targets.items()}
        silent = {name for name, row in targets.items() if len(row.get("names", ())) > self.rules.names_max}
        plan = claim_forms.plan_rewriting(found, held, leads, can_publish=self.publish is not None, silent=silent)
        return plan, targets, leads

    def _older(self, name: str, holders: Sequence[str], known: Mapping[str, KnownClaims]) -> OlderClaim:
        today = self._email_today(name)
        return (
            OlderClaim(name, holders, {one: [today] for one in holders})
            if today
            else older_person_claim(name, holders, known)
        )

    async def _known(self, lead_ids: Collection[str]) -> dict[str, KnownClaims]:
        """Return the identifiers in leads and captures; add to captures' rows the names they lack."""
        leads = await self.storage.read(LEADS, lead_ids, fields=_NAMED)
        known = {id_: KnownClaims(lead, self.region, self.rules.placeholders) for id_, lead in leads.items()}
        rows = self.storage.pages_in(CAPTURES, "leadId", known, fields=("leadId", "claims", "differed", "erased"))
        async for page in rows:
            lacking = [(row["_id"], known[row["leadId"]].see(row)) for row in page if not row.get("erased")]
            added = [(id_, {"$addToSet": {"claims": {"$each": sorted(names)}}}) for id_, names in lacking if names]
            await self.storage.change(CAPTURES, [Change(id_, _NOT_ERASED, update) for id_, update in added])
        return known

    async def _publish(self, pairs: Mapping[tuple[str, str], Sequence[str]], leads: Mapping[str, LeadDocument]) -> bool:
        """Publish the pairs; return False without a broker."""
        at = self.clock()
        found = [suspicion(leads[one], leads[other], names, self.region) for (one, other), names in pairs.items()]
        events = [suspected(one, source=SOURCE, at=at) for one in found if one]
        for start in range(0, len(events), PAGE):
            if self.publish is None or not await self.publish(events[start : start + PAGE]):
                return False
        self.done.pairs |= pairs.keys()
        return True

    async def _write(self, plan: Rewriting, targets: Mapping[str, IdentityClaim]) -> bool:
        """Write the plan; return False if another process changed a current claim: read again."""
        new = [(name, leads) for name, leads in plan.joins.items() if name not in targets]
        rows: list[IdentityClaim] = [{"_id": name, "leadIds": leads, "moved": leads} for name, leads in new]
        if await self.storage.insert_new(IDENTITIES, rows):
            return False
        there = [(name, leads) for name, leads in plan.joins.items() if name in targets]
        joins = [Change(name, {"leadIds": targets[name]["leadIds"]}, _join_update(leads)) for name, leads in there]
        if not await self.storage.change(IDENTITIES, joins):
            return False
        await release(self.storage, plan.releases)
        await self._finish(plan.joins)
        return True

    async def _finish(self, names: Iterable[str]) -> None:
        """Release leads that were erased while this run moved them; remove `moved`."""
        rows = await self.storage.read(IDENTITIES, names, fields=("moved",))
        moved = {name: row["moved"] for name, row in rows.items() if "moved" in row}
        wanted = {lead for leads in moved.values() for lead in leads}
        stored = await self.storage.read(LEADS, wanted, fields=("_id",))
        await release(
            self.storage, [(name, one) for name, leads in moved.items() for one in leads if one not in stored]
        )
        done = [Change(name, {"moved": leads}, {"$unset": {"moved": ""}}) for name, leads in moved.items()]
        await self.storage.change(IDENTITIES, done)


def _join_update(leads: Sequence[str]) -> Document:
    return {"$addToSet": {"leadIds": {"$each": leads}, "moved": {"$each": leads}}}
