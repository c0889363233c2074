"""Faust as taught: an agent, an update and a send for each event."""

import os
from typing import Any

import faust
from motor.motor_asyncio import AsyncIOMotorClient
from pymongo import ReturnDocument

app = faust.App(
    os.environ["BENCHMARK_GROUP"],
    broker=f"kafka://{os.environ['PANTRY_KAFKA_BOOTSTRAP']}",
    value_serializer="json",
    topic_disable_leader=True,
    web_enabled=False,
)
captured = app.topic("leads.captured")
created = app.topic("leads.created")
merged = app.topic("leads.merged")
leads = AsyncIOMotorClient(os.environ["PANTRY_MONGO_URL"])[os.environ["PANTRY_MONGO_DATABASE"]]["leads"]


async def store(event: dict[str, Any]) -> dict[str, Any]:
    """Create the person's lead, or count one more capture of it."""
    lead, email = event["data"], event["data"]["contact"]["email"].strip().lower()
    stored: dict[str, Any] = await leads.find_one_and_update(
        {"_id": email},
        {"$setOnInsert": {**lead, "status": "new"}, "$inc": {"captureCount": 1}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    return stored


@app.agent(captured)
async def capture(events: Any) -> None:
    """Store each capture, and publish what became of it."""
    async for event in events:
        stored = await store(event)
        topic = created if stored["captureCount"] == 1 else merged
        kind = topic.get_topic_name()
        await topic.send(
            key=stored["_id"], value={**event, "source": "/peers/faust", "type": f"{kind}.v1", "data": {"lead": stored}}
        )


if __name__ == "__main__":
    faust.Worker(app, loglevel="warning").execute_from_commandline()
