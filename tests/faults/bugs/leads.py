"""Bugs of who a lead is and what it holds."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from services.capture import domain, worker
from services.erasure import store as erasure
from shared.collections import ACTIVITIES, CAPTURES
from shared.domain import identity
from tests.faults.bugs.planting import bug, swap


@bug("capture")
def compares_addresses_with_case() -> None:
    """`Ana@Example.com` is somebody else than `ana@example.com`."""
    swap(identity, "email_key", lambda _: lambda email: (email or "").strip() or None)


@bug("capture")
def forgets_merged_captures() -> None:
    """A capture that was merged leaves no row."""

    def make(original: Any) -> Any:
        def decide(*args: Any) -> Any:
            plan = original(*args)
            plan.rows = [row for row in plan.rows if row.get("outcome") != "merged"]
            return plan

        return decide

    swap(worker, "decide", make)


@bug("capture")
def overwrites_when_it_merges() -> None:
    """The newest capture wins."""

    def make(original: Any) -> Any:
        def differences(data: Mapping[str, Any], lead: Mapping[str, Any]) -> Any:
            fills, differed = original(data, lead)
            return fills | {one["path"]: one["value"] for one in differed if one["path"] != "source"}, differed

        return differences

    swap(domain, "differences", make)


@bug("capture")
def fills_nothing_when_it_merges() -> None:
    """What a later capture knows is noted, and not taken over."""
    swap(domain, "differences", lambda original: lambda *args: ({}, original(*args)[1]))


@bug("capture")
def tells_a_merge_as_a_lead() -> None:
    """Each capture is told to have created its lead."""

    def make(original: Any) -> Any:
        return lambda outcome, received: original(replace(outcome, row={**outcome.row, "outcome": "created"}), received)

    swap(worker, "_events", make)


@bug("erasure")
def leaves_activities_of_the_erased() -> None:
    """An erasure forgets what was done and said."""
    swap(erasure, "PLACES", lambda places: tuple(one for one in places if one.collection != ACTIVITIES))


@bug("erasure")
def leaves_captures_of_the_erased() -> None:
    """An erasure leaves the captures as they came."""

    def make(original: Any) -> Any:
        async def erase(storage: Any, *args: Any) -> bool:
            return bool(await original(_Keeping(storage), *args))

        return erase

    swap(erasure, "erase", make)


class _Keeping:
    """A way to the database that leaves captures alone."""

    def __init__(self, storage: Any) -> None:
        self._storage = storage

    def __getattr__(self, name: str) -> Any:
        return getattr(self._storage, name)

    async def put(self, collection: str, documents: Any) -> None:
        if collection != CAPTURES:
            await self._storage.put(collection, documents)
