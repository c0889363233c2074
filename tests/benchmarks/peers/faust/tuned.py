"""Faust tuned: batches of 500, a read and a bulk write for each, sends without a wait for each."""

import asyncio
import os
from collections.abc import Iterable
from typing import Any

import faust
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import UpdateOne

app = faust.App(
    os.environ["BENCHMARK_GROUP"],
    broker=f"kafka://{os.environ['PANTRY_KAFKA_BOOTSTRAP']}",
    value_serializer="json",
    topic_disable_leader=True,
    web_enabled=False,
    stream_buffer_maxsize=4096,
    producer_linger=0.002,
)
captured = app.topic("leads.captured")
created = app.topic("leads.created")
merged = app.topic("leads.merged")
leads = AsyncIOMotorClient(os.environ["PANTRY_MONGO_URL"])[os.environ["PANTRY_MONGO_DATABASE"]]["leads"]


def email_of(event: dict[str, Any]) -> str:
    email: str = event["data"]["contact"]["email"]
    return email.strip().lower()


async def store(events: Iterable[dict[str, Any]], emails: list[str]) -> list[dict[str, Any]]:
    """Create the persons' leads, or count their captures; return each event's lead as it leaves it."""
    known: dict[str, dict[str, Any]] = {one["_id"]: one async for one in leads.find({"_id": {"$in": emails}})}
    stored, more = [], dict[str, int]()
    for email, event in zip(emails, events, strict=True):
        lead = known.get(email) or {"_id": email, **event["data"], "status": "new", "captureCount": 0}
        known[email] = {**lead, "captureCount": lead["captureCount"] + 1}
        more[email] = more.get(email, 0) + 1
        stored.append(known[email])
    fixed = ({name: value for name, value in known[email].items() if name != "captureCount"} for email in more)
    await leads.bulk_write(
        [
            UpdateOne(
                {"_id": lead["_id"]}, {"$setOnInsert": lead, "$inc": {"captureCount": more[lead["_id"]]}}, upsert=True
            )
            for lead in fixed
        ],
        ordered=False,
    )
    return stored


@app.agent(captured)
async def capture(events: Any) -> None:
    """Store the captures of a batch, and publish what became of each."""
    async for batch in events.take(500, within=0.1):
        sent = []
        for event, lead in zip(batch, await store(batch, [email_of(one) for one in batch]), strict=True):
            topic = created if lead["captureCount"] == 1 else merged
            kind = topic.get_topic_name()
            value = {**event, "source": "/peers/faust", "type": f"{kind}.v1", "data": {"lead": lead}}
            sent.append(await topic.send(key=lead["_id"], value=value))
        await asyncio.gather(*sent)


if __name__ == "__main__":
    faust.Worker(app, loglevel="warning").execute_from_commandline()
