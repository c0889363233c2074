"""Read conversions as the opportunity service does. Ctrl-C ends it.

python deploy/examples/opportunities.py
"""

import asyncio
import json
import os

from aiokafka import AIOKafkaConsumer


async def main() -> None:
    consumer = AIOKafkaConsumer(
        "leads.converted",
        bootstrap_servers=os.environ["PANTRY_KAFKA_BOOTSTRAP"],
        group_id="opportunities",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    async for record in consumer:
        data = json.loads(record.value)["data"]
        if not data.get("historical"):  # an imported past has its opportunities already
            print(data["opportunityId"], data["opportunity"], flush=True)  # upsert it here
        await consumer.commit()


asyncio.run(main())
