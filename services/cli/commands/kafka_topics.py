"""Commands on Kafka's topics: create them, and show how far each worker has read."""

import asyncio

import cyclopts
from rich.table import Table

from schemas.topics import TOPICS
from services.cli.brokers import answering_broker
from services.cli.common import console
from services.composition.workers import TOPICS_OF
from shared.kafka.admin import create_topics
from shared.kafka.reading import lag
from shared.settings import Settings

topics_app = cyclopts.App(name="topics", help="Create the Kafka topics.")
_out = console()


@topics_app.command(name="apply")
def topics_apply() -> None:
    """Create the missing topics, and change nothing else."""
    settings = Settings()
    numbers = settings.topic_replication, settings.topic_partitions
    made = asyncio.run(create_topics(answering_broker(settings), TOPICS.values(), *numbers))
    _out.print(f"created {len(made)} of {len(TOPICS)} topics" + (f": {', '.join(made)}" if made else ""))


def show_lag() -> None:
    """Show how many records each worker still has to handle."""
    kafka = answering_broker(Settings())
    table = Table("worker", "topic", "records behind")
    for name, names in TOPICS_OF.items():
        behind = asyncio.run(lag(kafka, f"pantry.{name}", names))
        for topic in names:
            table.add_row(name, topic, str(sum(count for part, count in behind.items() if part.topic == topic)))
    _out.print(table)
