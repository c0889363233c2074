"""The history of a lead's consent: what its captures and activities stated."""

import asyncio
from collections.abc import Iterator
from datetime import datetime

from services.gateway.leads.queries import Answer
from shared.domain.consent.statements import EMAIL
from shared.domain.stored.activity_row import ActivityRow
from shared.domain.stored.identity_documents import CaptureRow
from shared.mongo.names import ACTIVITIES, CAPTURES, LEADS
from shared.mongo.storage import Storage

_READ_MAX = 200
"""The most captures, and the most activities, that a history looks at."""


async def find_statements(storage: Storage, lead_id: str) -> Answer | None:
    """Return the statements of a lead's latest captures and activities, newest first; None for an unknown lead."""
    about = {"leadId": lead_id}
    found, captures, activities = await asyncio.gather(
        storage.read(LEADS, [lead_id], fields=("_id",)),
        storage.find(CAPTURES, about, fields=("source", "stated"), sort=(("capturedAt", -1),), limit=_READ_MAX),
        storage.find(
            ACTIVITIES,
            about,
            fields=("statement", "refusal", "createdBy", "at"),
            sort=(("at", -1),),
            limit=_READ_MAX,
        ),
    )
    if lead_id not in found:
        return None
    stated = [*(one for row in captures for one in _captured(row)), *(one for row in activities for one in _said(row))]
    return {"leadId": lead_id, "statements": [one for _, one in sorted(stated, key=lambda pair: pair[0], reverse=True)]}


def _captured(row: CaptureRow) -> Iterator[tuple[datetime, Answer]]:
    for one in row.get("stated") or ():
        shown: Answer = {"source": row.get("source"), "reason": "stated", **one}
        shown.pop("dated", None)
        yield one["at"], shown


def _said(row: ActivityRow) -> Iterator[tuple[datetime, Answer]]:
    if refusal := row.get("refusal"):
        at = refusal.get("at") or row["at"]
        no = {"channel": EMAIL, "given": False, "at": at, "address": refusal["address"], "reason": refusal["reason"]}
        yield at, {**no, "source": refusal.get("source")}
    if statement := row.get("statement"):
        yield row["at"], {**statement, "at": row["at"], "by": row["createdBy"], "reason": "stated"}
