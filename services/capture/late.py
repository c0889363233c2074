"""What an erasure means for the captures of the same person: late ones are nothing, a fresh one starts anew.

A tombstone stands under each name the erased lead was known by, `lead:ID` among them.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

Document = dict[str, Any]


def is_fresh(at: datetime, tombstone: Mapping[str, Any]) -> bool:
    """Whether a capture made `at` this time is of after the erasure. What it states of before is void (`stating`)."""
    return bool(at > tombstone["at"])


def leftovers(
    claims: Mapping[str, Sequence[str]], leads: Collection[str], tombstones: Mapping[str, Document]
) -> Iterator[tuple[str, str]]:
    """The claims that still lead to an erased lead, each with its id: what a writer in flight left."""
    for claim, holders in claims.items():
        for lead_id in holders:
            if lead_id not in leads and f"lead:{lead_id}" in tombstones:
                yield claim, lead_id


def newest(tombstones: Sequence[Document]) -> Document | None:
    """The latest erasure, which is the one that counts; None where there was none."""
    return max(tombstones, key=lambda one: (one["at"], one["_id"]), default=None)
