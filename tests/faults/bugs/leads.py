"""Bugs in a lead's identity and content."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from schemas.topics import CREATED, MERGED
from services.capture.domain import merge
from services.capture.domain.filling import differences
from shared.domain.identity import normal_forms
from shared.kafka.events import Outgoing
from shared.mongo.storage import Storage
from tests.collection_names import ACTIVITIES, CAPTURES
from tests.faults.bugs.planting import bug, inserting, leaving, publishing, telling
from tests.swapping import swap


@bug("capture")
def compares_addresses_with_case() -> None:
    """`Ana@Example.com` and `ana@example.com` become two people."""
    swap(normal_forms, normal_forms.email_key, lambda _: lambda email: (email or "").strip() or None)


@bug("capture")
def forgets_merged_captures() -> None:
    """A merged capture leaves no row."""
    inserting(CAPTURES, lambda row: () if row.get("outcome") == "merged" else (row,))


@bug("capture")
def overwrites_when_it_merges() -> None:
    """The newest capture overwrites the lead."""

    def make(original: Any) -> Any:
        def newest(data: Mapping[str, Any], lead: Mapping[str, Any]) -> Any:
            fills, differed = original(data, lead)
            return fills | {one["path"]: one["value"] for one in differed if one["path"] != "source"}, differed

        return newest

    swap(merge, differences, make)


@bug("capture")
def fills_nothing_when_it_merges() -> None:
    """A merge stores the capture and fills no empty fields."""
    swap(merge, differences, lambda original: lambda *args: ({}, original(*args)[1]))


@bug("capture")
def tells_a_merge_as_a_lead() -> None:
    """Each capture is published as a new lead."""

    def created(event: dict[str, Any]) -> None:
        event |= {"type": CREATED.event_type, "data": {"lead": event["data"]["lead"]}}

    def moved(record: Outgoing) -> Iterator[Outgoing]:
        yield replace(record, topic=CREATED.name) if record.topic == MERGED.name else record

    publishing(moved)
    telling(MERGED, created)


@bug("erasure")
def leaves_activities_of_the_erased() -> None:
    """An erasure deletes no activities."""
    leaving(Storage.delete_all, ACTIVITIES)


@bug("erasure")
def leaves_captures_of_the_erased() -> None:
    """An erasure deletes no captures."""
    leaving(Storage.put, CAPTURES)
