"""Publish a lead as a web form's own server does: `python deploy/examples/form.py`."""

import asyncio
import json
import os
import uuid
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer


async def main() -> None:
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "/forms/website",
        "type": "leads.captured.v1",
        "time": datetime.now(UTC).isoformat(),  # a scanner that was offline: the time of the scan
        "data": {
            "source": "website",  # a scanner: "trade_show"
            "company": {"name": "Blue Fork Bistro", "industry": "restaurant", "size": "small"},
            "contact": {"firstName": "Ana", "lastName": "Reyes", "email": "ana@example.com", "title": "Director"},
        },
    }
    producer = AIOKafkaProducer(bootstrap_servers=os.environ["PANTRY_KAFKA_BOOTSTRAP"], acks="all")
    await producer.start()
    headers = [("content-type", b"application/cloudevents+json")]
    await producer.send_and_wait("leads.captured", json.dumps(event).encode(), key=b"ana@example.com", headers=headers)
    await producer.stop()


asyncio.run(main())
