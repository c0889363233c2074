"""Quix Streams as taught: a StreamingDataFrame, a function for each message, an upsert."""

import os
from typing import Any

from pymongo import MongoClient, ReturnDocument
from quixstreams import Application

idempotent = os.environ["PANTRY_KAFKA_IDEMPOTENCE"] == "True"
leads = MongoClient(os.environ["PANTRY_MONGO_URL"])[os.environ["PANTRY_MONGO_DATABASE"]]["leads"]
app = Application(
    broker_address=os.environ["PANTRY_KAFKA_BOOTSTRAP"],
    consumer_group=os.environ["BENCHMARK_GROUP"],
    auto_offset_reset="earliest",
    auto_create_topics=False,
    # The embedded broker takes no idempotent producer.
    producer_extra_config={} if idempotent else {"enable.idempotence": False},
)
captured = app.topic("leads.captured", value_deserializer="json")
created = app.topic("leads.created", value_serializer="json")
merged = app.topic("leads.merged", value_serializer="json")


def store(event: dict[str, Any]) -> dict[str, Any]:
    """Create the person's lead, or count one more capture of it."""
    lead, email = event["data"], event["data"]["contact"]["email"].strip().lower()
    stored = leads.find_one_and_update(
        {"_id": email},
        {"$setOnInsert": {**lead, "status": "new"}, "$inc": {"captureCount": 1}},
        upsert=True,
        return_document=ReturnDocument.AFTER,
    )
    kind = "leads.created" if stored["captureCount"] == 1 else "leads.merged"
    return {**event, "source": "/peers/quix", "type": f"{kind}.v1", "data": {"lead": stored}}


stored = app.dataframe(captured).apply(store)
stored.to_topic(lambda event, *_: created if event["type"] == "leads.created.v1" else merged)

if __name__ == "__main__":
    app.run()
