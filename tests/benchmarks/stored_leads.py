"""Leads straight into the database, with the rows, words and buckets that the workers would have left."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from services.insights.domain.rollup_changes import add_counts, rollup_row, words_row
from services.insights.rollup_store import Watermark, count_leads
from shared.clock import system_clock
from shared.domain.ids import derive
from shared.domain.rollups import bucket_id
from shared.mongo import names
from shared.mongo.storage import Change
from tests.collection_names import LEAD_ROWS, LEAD_WORDS, LEADS, ROLLUPS
from tests.harness import Bench

UTC = ZoneInfo("UTC")
RARE_ONE_IN = 5_000
"""One lead of so many has the rare name."""
RARE, COMMON = "Zubrowska", "Smith"
_PAGE = 2_000
_DAYS = 200
_STATUSES = ("new", "contacted", "qualified", "unqualified", "converted", "lost")
_SOURCES = ("website", "email", "phone", "referral", "trade_show", "social_media")
_INDUSTRIES = ("restaurant", "catering", "hotel", "event catering", "bakery", "school canteen", None)
_NAMES = "Ana Bo Cem Dora Eli Fay Gus Hana Ivo Jun Kim Lea Mia Noor Olu Pia Quin Rosa Sam Tia".split()
_COMPANIES = "Blue Fork,Golden Spoon,Harvest Table,Olive Grove,Salt House,Corner Bistro,Green Kitchen,Old Mill".split(
    ","
)


def lead_id(number: int) -> str:
    """The id of the lead with this number."""
    return derive("benchmark", str(number))


def made(first: int, number: int, now: datetime) -> Iterator[Any]:
    """Lead documents, as the workers would have left them. One in five is a Smith."""
    rng = random.Random(first)
    for one in range(first, first + number):
        created = now - timedelta(seconds=rng.randrange(_DAYS * 86_400))
        created = created.replace(microsecond=created.microsecond // 1000 * 1000)
        status = rng.choices(_STATUSES, (50, 20, 8, 8, 6, 8))[0]
        done = {"convertedAt": created + timedelta(hours=rng.lognormvariate(5, 1))} if status == "converted" else {}
        last = RARE if one % RARE_ONE_IN == 0 else COMMON if rng.random() < 0.2 else f"{rng.choice(_NAMES)}son"
        yield {
            "_id": lead_id(one),
            "source": rng.choice(_SOURCES),
            "status": status,
            "score": rng.randrange(101),
            "company": {"name": f"{rng.choice(_COMPANIES)} {one}", "industry": rng.choice(_INDUSTRIES)},
            "contact": {
                "firstName": rng.choice(_NAMES),
                "lastName": last,
                "email": f"{one}.person@example.com",
                "phone": f"+1312{one:07d}",
            },
            "assignedTo": f"owner-{rng.randrange(12)}",
            "createdAt": created,
            "updatedAt": created,
            "revision": 1,
            "captureCount": 1,
            "seen": [],
            **done,
        }


async def load(on: Bench, wanted: int) -> None:
    """Load this number of leads, unless they are there."""
    if await on.storage.read(names.LEADS, [lead_id(wanted - 1)], fields=("_id",)):
        return
    began, now, buckets = time.monotonic(), system_clock(), dict[str, Counter[str]]()
    for first in range(0, wanted, _PAGE):
        leads = list(made(first, min(_PAGE, wanted - first), now))
        await on.storage.insert_new(LEAD_ROWS, [_stamped(lead, rollup_row(lead, UTC)) for lead in leads])
        await on.storage.insert_new(LEAD_WORDS, [_stamped(lead, words_row(lead)) for lead in leads])
        add_counts(leads, UTC, buckets)
        await on.storage.insert_new(LEADS, leads)
    await on.storage.put(ROLLUPS, [_bucket(name, counted) for name, counted in buckets.items()])
    print(f"loaded {wanted:,} leads in {time.monotonic() - began:.0f} s", flush=True)


def _stamped(lead: Any, content: Mapping[str, Any]) -> dict[str, Any]:
    return {"_id": lead["_id"], "v": 0, "generation": 1, **content}


async def touch(on: Bench, number: int) -> None:
    """Let one lead count otherwise, as an event would, and wait until a gateway sees it."""
    lead = lead_id(number)
    await on.storage.change(LEADS, [Change(lead, {}, {"$set": {"score": random.randrange(101)}})])
    now = system_clock()
    await count_leads(on.storage, [lead], UTC, Watermark(now, now))
    await asyncio.sleep(0.25)


def _bucket(name: str, counted: Counter[str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, amount in counted.items():
        *steps, last = path.split(".")
        place = nested
        for step in steps:
            place = place.setdefault(step, {})
        place[last] = amount
    return {"_id": bucket_id(1, name), "by": {}, "is": nested}
