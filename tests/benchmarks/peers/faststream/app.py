"""FastStream as taught: a handler for each message, an upsert, a publish."""

import asyncio
import json
import os
from typing import Any

from faststream import FastStream
from faststream.kafka import KafkaBroker, KafkaMessage
from motor.motor_asyncio import AsyncIOMotorClient
from pydantic import BaseModel
from pymongo import ReturnDocument

broker = KafkaBroker(os.environ["PANTRY_KAFKA_BOOTSTRAP"], acks="all")
app = FastStream(broker)
created = broker.publisher("leads.created")
merged = broker.publisher("leads.merged")
leads: Any = AsyncIOMotorClient(os.environ["PANTRY_MONGO_URL"])[os.environ["PANTRY_MONGO_DATABASE"]]["leads"]


class Contact(BaseModel):
    firstName: str  # noqa: N815 - as on the wire
    lastName: str  # noqa: N815 - as on the wire
    email: str
    phone: str | None = None


class Lead(BaseModel):
    source: str
    company: dict[str, Any]
    contact: Contact
    consent: dict[str, Any] | None = None


class Event(BaseModel):
    specversion: str
    id: str
    source: str
    type: str
    time: str
    data: Lead


async def decode(message: KafkaMessage) -> Any:
    """Decode JSON whatever its content type: FastStream knows `application/json` alone."""
    return json.loads(message.body)


@broker.subscriber(
    "leads.captured", group_id=os.environ["BENCHMARK_GROUP"], auto_offset_reset="earliest", decoder=decode
)
async def capture(event: Event) -> None:
    """Create the person's lead, or count one more capture of it; publish what became of it."""
    stored = await leads.find_one_and_update(
        {"_id": event.data.contact.email.strip().lower()},
        {"$setOnInsert": {**event.data.model_dump(exclude_none=True), "status": "new"}, "$inc": {"captureCount": 1}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    publisher = created if stored["captureCount"] == 1 else merged
    value = {
        **event.model_dump(),
        "source": "/peers/faststream",
        "type": f"{publisher.topic}.v1",
        "data": {"lead": stored},
    }
    await publisher.publish(value, key=stored["_id"].encode())


if __name__ == "__main__":
    asyncio.run(app.run())
