"""The people whom the kept dump knows by name, and the events that each of them had before the dump was made.

Their captures have the ids `NAME-1`, `NAME-2`, …, so that the lead's id is `lead_id("NAME-1")`.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from schemas.base import CONTENT_TYPE
from schemas.topics import ACTIVITIES, CAPTURED, CONVERT, ENGAGEMENTS, ERASE, QUALIFY, UPDATE, Topic
from tests.builders import data, event
from tests.harness import Bench, lead_id

NOW = datetime(2026, 11, 28, 20, 0, tzinfo=UTC)
"""The time of these events; the dump was made some hours later."""

BY = {"requestedBy": "robin.sales"}
_DONE = {"createdBy": "robin.sales", "completedAt": "2026-11-27T10:00:00+00:00"}
CALL = {"type": "call", "description": "Called before the form came", **_DONE}
_BANT = {
    "budget": {"confirmed": True, "amount": 20_000, "timeframe": "this year"},
    "authority": {"isDecisionMaker": True, "decisionMakers": ["Eve Reyes"]},
    "need": {"painPoints": ["late deliveries"], "currentSolution": "Cash and carry"},
    "timeline": {"urgency": "within_month", "implementationDate": "2027-01-15T00:00:00Z"},
}
_DBREF = {"x": {"$ref": "a", "$id": "b"}}
"""Extended JSON's reference: the driver stores it as it is, and reads a `DBRef`."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One record."""

    topic: Topic
    key: bytes
    value: bytes


def email(name: str) -> str:
    """The address of one of the cast."""
    return f"{name}@kept.example"


def captured(name: str, number: int = 1, **fields: Any) -> Sent:
    """The capture `NAME-NUMBER`."""
    usual = {"email": email(name), "company": f"{name.title()} Kitchens", "first": name.title()}
    value = event(data(**{**usual, **fields}), CAPTURED, f"{name}-{number}", time=NOW.isoformat())
    return Sent(CAPTURED, email(name).encode(), value)


def said(name: str, topic: Topic, payload: Mapping[str, Any], event_id: str) -> Sent:
    """An event that names one of the cast by the lead's id, unless it has an address."""
    named = payload if "email" in payload else {"leadId": lead_id(f"{name}-1"), **payload}
    return Sent(topic, lead_id(f"{name}-1").encode(), event(dict(named), topic, event_id, time=NOW.isoformat()))


def activity(name: str, event_id: str, **fields: Any) -> Sent:
    """A call that was held, or whatever `fields` say."""
    call = {"type": "call", "description": "Talked about the menu", **_DONE, **fields}
    return said(name, ACTIVITIES, {"activity": call}, event_id)


def engaged(name: str, action: str, event_id: str, **more: Any) -> Sent:
    """An engagement."""
    return said(name, ENGAGEMENTS, {"action": action, **more}, event_id)


def command(name: str, topic: Topic, event_id: str, **fields: Any) -> Sent:
    """A command."""
    return said(name, topic, {**BY, **fields}, event_id)


async def publish(on: Bench, sent: Iterable[Sent]) -> None:
    """Publish records."""
    producer = AIOKafkaProducer(**on.to.kafka.options, acks="all", linger_ms=5)
    await producer.start()
    headers = [("content-type", CONTENT_TYPE.encode())]
    try:
        await asyncio.gather(
            *[await producer.send(one.topic.name, one.value, key=one.key, headers=headers) for one in sent]
        )
    finally:
        await producer.stop()


def first_captures() -> Iterator[Sent]:
    """The first capture of everybody."""
    for name in ("ana", "ben", "cara", "dan", "eve", "fay", "gus", "hal", "ida", "jon", "kim", "max", "oli", "pam"):
        yield captured(name)
    yield captured("many")
    yield captured("deal")
    yield captured("ned", company={"name": "Ned Kitchens", "size": "enterprise", "annualRevenue": 2e7})
    yield captured("dated", last="Dated")
    yield captured("two", email="two@gmail.example", company="Two Forks", first="Ana")
    yield captured("twin", email="ana@twoforks.example", phone="(212) 555-0142", company="Two Forks", first="Ana")


def later_events() -> Iterator[Sent]:
    """What everybody did or had done to them once their lead was there."""
    yield captured("ben", 2, source="trade_show", phone="(202) 555-0111", context={"booth": "12"})
    yield captured("ben", 3, contact={"title": "Purchasing Director"}, consent={"email": True, "phone": False})
    yield activity("cara", "cara-call", id="call-1", outcome="interested")
    planned = {"type": "meeting", "description": "Tasting", "completedAt": None, "scheduledAt": "2026-12-20T09:00:00Z"}
    yield activity("cara", "cara-planned", id="meeting-1", **planned)
    yield engaged("cara", "clicked_pricing", "cara-pricing", metadata={"page": "/pricing", "seconds": 31})
    yield engaged("cara", "downloaded_whitepaper", "cara-paper")
    yield command("dan", QUALIFY, "dan-fit", requirements={"budget": 5_000, "painPoints": ["food waste"]})
    yield command("eve", QUALIFY, "eve-bant", bant=_BANT)
    yield command("fay", QUALIFY, "fay-bant", bant={"budget": {"confirmed": True}})
    yield command("gus", QUALIFY, "gus-fit", requirements={"painPoints": ["paper invoices"]})
    yield command("deal", QUALIFY, "deal-fit", requirements={"painPoints": ["manual ordering"]})
    yield command("hal", UPDATE, "hal-lost", status="lost", reason="went with another supplier")
    yield engaged("ida", "unsubscribed", "ida-out")
    yield engaged("jon", "bounced", "jon-bounced")
    yield command("kim", ERASE, "kim-gone")
    yield captured("max", 2, consent={"email": False, "phone": True, "capturedAt": "2026-11-01T00:00:00Z"})
    yield command("oli", CONVERT, "oli-early")
    yield command("pam", UPDATE, "pam-owner", assignedTo="kim.catering")
    for number in range(70):
        yield engaged("many", "opened_email", f"many-{number}")


def last_events() -> Iterator[Sent]:
    """What had to wait for the outcome of an event before it; and what nobody could read back once it was stored."""
    yield command(
        "gus", CONVERT, "gus-deal", opportunity={"amount": 9_000, "currency": "USD", "terms": {"days": [30, 60]}}
    )
    yield captured("ref", context=_DBREF)
    yield command("deal", CONVERT, "deal-deal", opportunity={"amount": 100, **_DBREF})
    yield said("lea", ACTIVITIES, {"email": email("lea"), "activity": CALL}, "lea-call")
    yield command("lea", QUALIFY, "lea-fit", requirements={"painPoints": ["too many suppliers"]})


def half_done() -> Iterator[Sent]:
    """What capture and qualification had done, and nobody after them."""
    yield captured("half")
    yield captured("ana", 2, contact={"title": "Owner"})
    yield command("ana", QUALIFY, "ana-fit", requirements={"timeline": "this month"})


def unread() -> Iterator[Sent]:
    """What lay in the topics, consumed by nobody."""
    yield captured("new")
    yield captured("new", 2, email="NEW@kept.example", phone="(202) 555-0177")
    yield captured("ben")
    yield captured("ana", 3, phone="(202) 555-0123")
    yield activity("cara", "cara-held", type="meeting", description="Met at their kitchen")
    yield engaged("ben", "visited_multiple_pages", "ben-pages")
    yield engaged("max", "unsubscribed", "max-out")
    yield command("dan", CONVERT, "dan-deal", opportunity={"name": "Dan's kitchens", "amount": 4_000})
    yield command("fay", CONVERT, "fay-deal")
    yield command("hal", UPDATE, "hal-back", status="new")
    yield command("pam", ERASE, "pam-gone")
