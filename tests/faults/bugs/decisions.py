"""Bugs of what workers decide: scores, qualification, conversion, owners, figures."""

import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from schemas.topics import REJECTED, SCORED
from services.assignment import worker as assignment
from services.capture import domain as capturing
from services.conversion import domain as opportunity
from services.conversion import worker as conversion
from services.engagement import store as engagement
from services.engagement.versions import Version
from services.insights import domain as insights
from services.qualification import domain as qualification
from services.scoring import domain as scoring
from shared.collections import LEADS
from shared.domain.statuses import objection
from shared.events import Outgoing, Received
from shared.storage import Change, Storage
from tests.faults.bugs.planting import bug, swap


@bug("scoring")
def scores_by_the_wall_clock() -> None:
    """An activity counts as recent when it is taken in, not when it was completed."""

    def make(original: Any) -> Any:
        def parts(stats: Mapping[str, Any], now: Any) -> Any:
            return original({**stats, "completedAt": [now for _ in stats.get("completedAt", ())]}, now)

        return parts

    swap(scoring, "_activity_parts", make)


@bug("scoring")
def tells_another_score_before() -> None:
    """Each score is told as if there had been none before."""
    swap(
        scoring,
        "_entry",
        lambda original: lambda lead, *args: original({k: v for k, v in lead.items() if k != "score"}, *args),
    )


@bug("engagement")
def counts_no_activity() -> None:
    """An activity is stored, and its lead never hears of it."""
    swap(engagement, "take_in", _untallied)


def _untallied(original: Any) -> Any:
    def take_in(lead: Mapping[str, Any], *args: Any) -> Any:
        taken = original(lead, *args)
        if taken.update is not None:
            taken.update["$set"].pop("activityStats", None)
        return taken

    return take_in


@bug("engagement")
def forgets_what_leads_do() -> None:
    """An engagement triggers, and leaves no activity."""

    def make(original: Any) -> Any:
        async def record(storage: Storage, versions: Sequence[Version], now: Any) -> Any:
            lost = {one.key: {**one.document, "tallied": True} for one in versions if "engagement" in one.document}
            plan = await original(storage, [one for one in versions if one.key not in lost], now)
            if plan is not None:
                plan.of.update(lost)
            return plan

        return record

    swap(engagement, "record", make)


@bug("capture")
def lets_the_first_consent_hold() -> None:
    """What a person states later about mail changes nothing."""

    def make(original: Any) -> Any:
        def first(lead: Any, statements: Any, region: str) -> Any:
            return original(lead, () if lead.get("standing") else statements, region)

        return first

    swap(capturing, "restated", make)


@bug("qualification")
def forgets_the_bant() -> None:
    """A BANT is judged, and nothing of it is kept."""
    swap(qualification, "_newest", lambda original: lambda lead, asked, how, _bant=None: original(lead, asked, how))


@bug("conversion")
def makes_a_second_opportunity() -> None:
    """Who asks again gets another opportunity."""
    swap(opportunity, "opportunity_id", lambda _: lambda _lead: str(uuid.uuid4()))

    def judge(move: Any, lead: Any) -> Any:
        return None if lead and lead["status"] == "converted" else objection(move, lead)

    swap(conversion, "objection", lambda _: judge)
    swap(opportunity, "after", lambda original: lambda move, _status: original(move, "qualified"))


@bug("conversion")
def tells_another_opportunity_each_time() -> None:
    """A conversion delivered again is told with an opportunity that nobody stored."""

    def make(original: Any) -> Any:
        return lambda lead, *args: original({**lead, "convertedToOpportunityId": str(uuid.uuid4())}, *args)

    swap(conversion, "_announce", make)


@bug("conversion")
def converts_in_silence() -> None:
    """A conversion is stored, and not told."""
    swap(conversion, "_announce", lambda _: lambda *_args: ())


@bug("conversion")
def carries_out_what_it_rejects() -> None:
    """A lead that is not qualified is converted, and the command rejected."""

    def make(original: Any) -> Any:
        async def carry_out(runtime: Any, received: Sequence[Received], *args: Any) -> Any:
            results = await original(runtime, received, *args)
            told = [one for one in results if isinstance(one, Outgoing) and one.topic == REJECTED.name]
            leads = {(one.key or b"").decode() for one in told}
            await runtime.storage.change(LEADS, [Change(one, {}, {"$set": {"status": "converted"}}) for one in leads])
            return results

        return carry_out

    swap(conversion, "carry_out", make)


@bug("assignment")
def assigns_at_every_score() -> None:
    """Not the first score alone tells who owns a lead."""
    swap(assignment, "_is_first_score", lambda _: lambda one: bool(one.record.topic == SCORED.name))
    swap(assignment, "_caused", lambda _: lambda lead, _one: "assignment" in lead)


@bug("insights")
def counts_leads_twice() -> None:
    """What a lead adds to the figures is added twice."""

    def make(original: Any) -> Any:
        def shift(*args: Any) -> dict[str, Any]:
            deltas = original(*args).items()
            return {bucket: Counter({path: 2 * n for path, n in added.items()}) for bucket, added in deltas}

        return shift

    swap(insights, "shift", make)


@bug("insights")
def misses_a_status() -> None:
    """A lead that changes its status, and nothing else, counts as before."""

    def make(original: Any) -> Any:
        def same(row: Mapping[str, Any], fresh: Mapping[str, Any]) -> bool:
            return bool(original(_statusless(row), _statusless(fresh)))

        return same

    swap(insights, "_same", make)


def _statusless(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = {name: value for name, value in (row.get("counts") or {}).items() if name != "status"}
    return {**row, "counts": counts, "terms": None}
